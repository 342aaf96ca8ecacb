"""Values that a test puts into a car's stream, also for fields that no simulated car has."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.processes import Json
from tests.tesla_sandbox.telemetry.subscriber import VIN, Received, Telemetry, bundles

PATH = f"/cars/{VIN}/telemetry"


async def force(telemetry: Telemetry, values: Mapping[str, object]) -> list[Received]:
    """Force these values; returns what is streamed within a second."""
    assert await telemetry.control.put(PATH, values) == values
    return await telemetry.step(1)


async def test_a_forced_value_is_streamed_until_the_car_speaks_again(telemetry: Telemetry) -> None:
    await telemetry.configure({"Soc": 1, "ChargeLimitSoc": 1})
    assert bundles(await force(telemetry, {"Soc": 12.5})) == [(1, {"Soc": 12.5})]
    assert await telemetry.step(60) == []
    assert await telemetry.control.get(PATH) == {"Soc": 12.5}
    ((_, own),) = bundles(await force(telemetry, {}))
    assert own["Soc"] > 50


async def test_fields_that_no_simulated_car_has_can_speak(telemetry: Telemetry) -> None:
    assert bundles(await telemetry.configure({"LocatedAtWork": 1, "Hvil": 1, "Soc": 60}))[0][1].keys() == {"Soc"}
    assert bundles(await force(telemetry, {"LocatedAtWork": True, "Hvil": "HvilStatusFault"})) == [
        (0.5, {"LocatedAtWork": True, "Hvil": "HvilStatusFault"})
    ]
    assert await force(telemetry, {}) == []


async def test_a_configuration_of_silent_fields_only_waits_for_a_forced_one(telemetry: Telemetry) -> None:
    assert bundles(await telemetry.configure({"DiTorquemotor": 1})) == []
    assert bundles(await telemetry.step(60)) == []
    assert bundles(await force(telemetry, {"DiTorquemotor": 77})) == [(60, {"DiTorquemotor": 77})]


async def test_the_interval_and_the_delta_hold_for_forced_values_too(telemetry: Telemetry) -> None:
    await telemetry.configure({"Soc": {"interval_seconds": 10, "minimum_delta": 5}})
    assert await force(telemetry, {"Soc": 20.0}) == []
    assert bundles(await telemetry.step(10)) == [(10, {"Soc": 20.0})]
    assert await force(telemetry, {"Soc": 24.0}) == []
    assert await telemetry.step(30) == []


@pytest.mark.parametrize(
    ("field", "given", "arm", "sent"),
    [
        ("ChargeAmps", 5, "double_value", 5.0),
        ("ChargeLimitSoc", 55, "int_value", 55),
        ("ChargeLimitSoc", 55.5, "double_value", 55.5),
        ("ChargeLimitSoc", 2**40, "long_value", 2**40),
        ("ChargeLimitSoc", "55", "string_value", "55"),
        ("ChargeLimitSoc", None, "invalid", None),
        ("Locked", False, "boolean_value", False),
        ("DetailedChargeState", "DetailedChargeStateNoPower", "detailed_charge_state_value", None),
        ("Location", {"locationValue": {"latitude": 1.5, "longitude": 2.5}}, "location_value", None),
        ("DoorState", {"doorValue": {"DriverFront": True}}, "door_value", None),
    ],
)
async def test_values_take_the_arm_of_their_kind(
    telemetry: Telemetry, field: str, given: object, arm: str, sent: object
) -> None:
    await telemetry.configure({field: 1})
    records = await force(telemetry, {field: given})
    (datum,) = [datum for record in records if record.kind == "V" for datum in record.message.data]
    assert datum.value.WhichOneof("value") == arm
    assert sent is None or getattr(datum.value, arm) == sent


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"NoSuchField": 1}, "NoSuchField is no telemetry field"),
        ({"Soc": 1, "Locked": [1]}, "Locked is true or false, a number"),
        ({"Soc": 2**64}, "at most 64 bits"),
        ({"Location": {"latitude": 1}}, "no JSON form of the message Value"),
        ({"Location": {}}, "an object with one value"),
    ],
)
async def test_unfit_values_are_refused_and_change_nothing(telemetry: Telemetry, values: Json, problem: str) -> None:
    with pytest.raises(httpx.HTTPStatusError) as refused:
        await telemetry.control.put(PATH, values)
    assert refused.value.response.status_code == 400
    assert problem in refused.value.response.json()["error"]
    assert await telemetry.control.get(PATH) == {}


async def test_what_else_the_car_knows_is_streamed(telemetry: Telemetry) -> None:
    configured = dict.fromkeys(("LocatedAtHome", "SoftwareUpdateAvailable", "SoftwareUpdateInProgress"), 1)
    first = bundles(await telemetry.configure({**configured, "RemoteStartActive": 1, "ScheduledChargingStartTime": 1}))
    assert first == [
        (
            0,
            {
                "LocatedAtHome": True,
                "SoftwareUpdateAvailable": False,
                "SoftwareUpdateInProgress": False,
                "RemoteStartActive": False,
                "ScheduledChargingStartTime": None,
            },
        )
    ]
    await telemetry.change(available_update="2026.40.1", latitude=50)
    assert bundles(await telemetry.step(1)) == [(1, {"LocatedAtHome": False, "SoftwareUpdateAvailable": True})]


async def test_moments_are_the_car_s_clock_taken_for_pacific_time(telemetry: Telemetry) -> None:
    await telemetry.configure({"ScheduledChargingStartTime": 1, "RemoteStartActive": 1})
    await telemetry.change(protocol_required=False)
    commands = f"/api/1/vehicles/{VIN}/command"
    await telemetry.person.post(f"{commands}/set_scheduled_charging", {"enable": True, "time": 420})
    await telemetry.person.post(f"{commands}/remote_start_drive")
    ((_, sent),) = bundles(await telemetry.step(1))
    seven_in_california = datetime(2026, 6, 22, 7, 0, tzinfo=ZoneInfo("America/Los_Angeles"))
    assert sent == {"ScheduledChargingStartTime": seven_in_california.timestamp(), "RemoteStartActive": True}
