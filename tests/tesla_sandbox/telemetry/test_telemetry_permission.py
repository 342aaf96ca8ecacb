"""What ends a stream: deletion, expiry, revocation, lost scopes, billing; and what replaces it."""

from collections.abc import Awaitable, Callable

import pytest

from tests.tesla_sandbox.person import CLIENT_ID, EMAIL
from tests.tesla_sandbox.telemetry.subscriber import START, VIN, Telemetry, bundles, connections

CONFIG = f"/api/1/vehicles/{VIN}/fleet_telemetry_config"
GRANT = f"/grants/{EMAIL}/{CLIENT_ID}"


async def delete(telemetry: Telemetry) -> None:
    await telemetry.person.call("DELETE", CONFIG)


async def revoke(telemetry: Telemetry) -> None:
    await telemetry.control.delete(GRANT)


async def untick_vehicle_data(telemetry: Telemetry) -> None:
    await telemetry.control.put(GRANT, {"scopes": ["vehicle_location", "vehicle_cmds"]})


async def untick_location(telemetry: Telemetry) -> None:
    await telemetry.control.put(GRANT, {"scopes": ["vehicle_device_data", "vehicle_cmds"]})


async def exceed_the_bill(telemetry: Telemetry) -> None:
    change = {"billing_limit_usd": 0, "billing_discount_usd": 0, "billing_units": {"data": 10_000}}
    await telemetry.control.patch(f"/applications/{CLIENT_ID}", change)
    await telemetry.person.get(f"/api/1/vehicles/{VIN}")


@pytest.mark.parametrize("end", [delete, revoke, untick_vehicle_data, untick_location, exceed_the_bill])
async def test_a_stream_ends_with_its_permission(
    telemetry: Telemetry, end: Callable[[Telemetry], Awaitable[None]]
) -> None:
    await telemetry.configure({"Location": 1, "ChargeLimitSoc": 1})
    await end(telemetry)
    assert connections(await telemetry.until_disconnected()) == [(0, "DISCONNECTED")]


async def test_a_deleted_configuration_streams_nothing_more(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1})
    await delete(telemetry)
    await telemetry.records()
    await telemetry.change(charge_limit=90)
    assert await telemetry.step(10) == []


async def test_unticking_the_location_keeps_a_stream_that_does_not_show_it(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1})
    await untick_location(telemetry)
    await telemetry.change(charge_limit=90)
    assert bundles(await telemetry.step(2)) == [(1, {"ChargeLimitSoc": 90})]


async def test_every_streamed_value_is_billed_and_the_limit_ends_the_stream(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1, "Locked": 1})
    (before,) = (await telemetry.control.get("/applications"))["applications"]
    signals = before["billing"]["units"]["streaming_signal"]
    assert signals == 3, "two of the car and one of the fence"
    change = {"billing_limit_usd": (signals + 1) / 150_000, "billing_discount_usd": 0, "billing_units": {"data": 0}}
    await telemetry.control.patch(f"/applications/{CLIENT_ID}", change)
    await telemetry.control.patch(f"/cars/{VIN}", {"charge_limit": 90})
    await telemetry.control.patch("/clock", {"step_seconds": 2})
    records = await telemetry.until_disconnected()
    assert bundles(records) == [(1, {"ChargeLimitSoc": 90})]
    assert connections(records) == [(1, "DISCONNECTED")]


async def test_a_configuration_ends_when_it_says(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1}, exp=int(START.timestamp()) + 60)
    assert connections(await telemetry.step(100)) == [(60, "DISCONNECTED")]
    await telemetry.change(charge_limit=90)
    assert await telemetry.step(10) == []
    assert (await telemetry.person.get(CONFIG)).json()["response"]["config"] is None


async def test_a_new_configuration_replaces_the_former_one(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1})
    records = await telemetry.configure({"Locked": 1})
    assert [status for _, status in connections(records)] == ["DISCONNECTED", "CONNECTED"]
    assert bundles(records) == [(0, {"Locked": True})]
    await telemetry.change(charge_limit=90)
    assert await telemetry.step(5) == []
