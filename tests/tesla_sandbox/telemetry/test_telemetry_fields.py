"""When a configured field is streamed: first values, changes, intervals, deltas, resends, bundles."""

from itertools import pairwise

import pytest
from tesla_protocol.telemetry.vehicle_data_pb2 import Field

from tests.tesla_sandbox.telemetry.subscriber import FENCE_VIN, VIN, Telemetry, bundles, connections


async def test_a_new_configuration_connects_and_sends_every_field_at_once(telemetry: Telemetry) -> None:
    records = await telemetry.configure({"BatteryLevel": 60, "Locked": 1, "Gear": 1, "DetailedChargeState": 1})
    assert connections(records) == [(0, "CONNECTED")]
    assert bundles(records) == [
        (
            0,
            {
                "BatteryLevel": 60.0,
                "Locked": True,
                "Gear": "ShiftStateP",
                "DetailedChargeState": "DetailedChargeStateDisconnected",
            },
        )
    ]
    assert [record.message.is_resend for record in records if record.kind == "V"] == [False]


async def test_a_silent_field_stays_silent_until_it_changes(telemetry: Telemetry) -> None:
    await telemetry.configure({"Locked": 1, "ChargeLimitSoc": 1})
    assert await telemetry.step(120) == []
    assert await telemetry.change(charge_limit=90) == []
    assert bundles(await telemetry.step(10)) == [(120.5, {"ChargeLimitSoc": 90})]


async def test_a_change_waits_for_the_interval_and_only_the_last_value_is_sent(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 60})
    for limit in (90, 70, 85):
        await telemetry.change(charge_limit=limit)
        assert await telemetry.step(15) == []
    assert bundles(await telemetry.step(30)) == [(60, {"ChargeLimitSoc": 85})]


async def test_changes_of_half_a_second_share_a_bundle(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1, "Locked": 1, "SentryMode": 1})
    await telemetry.step(5)
    await telemetry.change(charge_limit=90)
    await telemetry.step(0.2)
    await telemetry.change(locked=False)
    await telemetry.step(0.2)
    await telemetry.change(sentry_mode=True)
    assert bundles(await telemetry.step(0.4)) == [
        (5.5, {"ChargeLimitSoc": 90, "Locked": False, "SentryMode": "SentryModeStateArmed"})
    ]


async def test_bundles_leave_at_most_every_half_second(telemetry: Telemetry) -> None:
    await telemetry.configure(
        {"Odometer": {"interval_seconds": 1, "minimum_delta": 0}, "VehicleSpeed": 1, "Location": 1}
    )
    await telemetry.change(drive_to={"latitude": 53, "longitude": 5, "mph": 60})
    moments = [moment for moment, _ in bundles(await telemetry.step(60))]
    assert len(moments) == 60
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(moments))
    assert all(moment % 0.5 == 0 for moment in moments)


async def test_a_change_below_the_minimum_delta_is_not_sent(telemetry: Telemetry) -> None:
    await telemetry.configure({"BatteryLevel": {"interval_seconds": 1, "minimum_delta": 0.5}})
    await telemetry.change(battery_level=60.4)
    assert await telemetry.step(5) == []
    await telemetry.change(battery_level=60.5)
    assert [values["BatteryLevel"] for _, values in bundles(await telemetry.step(5))] == [60.5]
    await telemetry.change(battery_level=60.1)
    assert await telemetry.step(5) == []


async def test_the_minimum_delta_of_a_place_is_in_metres(telemetry: Telemetry) -> None:
    await telemetry.configure({"Location": {"interval_seconds": 1, "minimum_delta": 50}})
    await telemetry.change(latitude=52.3704)  # 44 m north
    assert await telemetry.step(5) == []
    await telemetry.change(latitude=52.3706)  # 67 m north
    ((_, values),) = bundles(await telemetry.step(5))
    assert values["Location"].latitude == pytest.approx(52.3706)


async def test_the_odometer_has_a_minimum_delta_of_its_own(telemetry: Telemetry) -> None:
    await telemetry.configure({"Odometer": 1})
    await telemetry.change(drive_to={"latitude": 53, "longitude": 5, "mph": 36})  # 0.01 miles a second
    miles = [values["Odometer"] for _, values in bundles(await telemetry.step(60))]
    assert len(miles) in {5, 6}
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(miles))


async def test_an_unchanged_value_is_sent_again_after_its_resend_interval(telemetry: Telemetry) -> None:
    await telemetry.configure({"Locked": {"interval_seconds": 5, "resend_interval_seconds": 30}, "Gear": 5})
    records = await telemetry.step(100)
    assert bundles(records) == [(moment, {"Locked": True}) for moment in (30, 60, 90)]
    assert not any(record.message.is_resend for record in records)


async def test_a_charge_can_be_followed(telemetry: Telemetry) -> None:
    await telemetry.configure({"DetailedChargeState": 1, "ACChargingPower": 10, "ChargeAmps": 10, "Soc": 60})
    await telemetry.change(plugged_in=True)
    states = [
        values["DetailedChargeState"]
        for _, values in bundles(await telemetry.step(60))
        if "DetailedChargeState" in values
    ]
    assert states == ["DetailedChargeStateStarting", "DetailedChargeStateCharging"]
    levels = [values["Soc"] for _, values in bundles(await telemetry.step(600)) if "Soc" in values]
    assert levels == sorted(levels)
    assert len(levels) == 10


async def test_a_value_that_the_car_does_not_have_is_invalid(telemetry: Telemetry) -> None:
    records = await telemetry.configure({"DestinationName": 1, "ChargingCableType": 1})
    assert bundles(records) == [(0, {"DestinationName": None, "ChargingCableType": None})]
    await telemetry.change(drive_to={"latitude": 53, "longitude": 5, "name": "Lighthouse"})
    assert bundles(await telemetry.step(2)) == [(1, {"DestinationName": "Lighthouse"})]


async def test_fields_that_the_car_or_its_firmware_lacks_stay_silent(telemetry: Telemetry) -> None:
    await telemetry.change(firmware="2024.26.1")
    records = await telemetry.configure(
        {"Locked": 1, "DetailedChargeState": 1, "SemitruckTpmsPressureRe1L0": 1, "Experimental_1": 1}
    )
    assert bundles(records) == [(0, {"Locked": True})]


async def test_every_field_can_be_configured_and_most_have_a_value(telemetry: Telemetry) -> None:
    ((_, values),) = bundles(await telemetry.configure(dict.fromkeys(set(Field.keys()) - {"Unknown"}, 3600)))
    assert len(values) > 120
    assert values["Version"] == "2026.32.5"
    assert not values["DoorState"].DriverFront
    await telemetry.change(door_open=True)
    ((_, later),) = bundles(await telemetry.step(3600))
    assert later["DoorState"].DriverFront


@pytest.mark.parametrize("speed", [1, 60])
async def test_under_a_running_clock_changes_are_streamed_by_themselves(telemetry: Telemetry, speed: float) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1})
    await telemetry.control.patch("/clock", {"speed": speed, "paused": False})
    for limit in (70, 90):
        await telemetry.control.patch(f"/cars/{VIN}", {"charge_limit": limit})
        bundle = await telemetry.until_field("ChargeLimitSoc")
        assert bundle.fields == {"ChargeLimitSoc": limit}
        assert bundle.seconds % 0.5 == 0


async def test_cars_without_a_configuration_stream_nothing(telemetry: Telemetry) -> None:
    await telemetry.change(charge_limit=90, locked=False, state="asleep")
    await telemetry.step(60)
    await telemetry.change(state="online")
    await telemetry.step(60)
    assert {record.message.vin for record in await telemetry.everything()} <= {FENCE_VIN}
