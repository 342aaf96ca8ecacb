"""States outlive the process."""

import asyncio
import random

import pytest
from sqlalchemy import delete, select, text
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason

from tests.state.clock import ForwardLoop
from tests.state.world import World, energy, reserve
from wattbus_server.problem import Problem
from wattbus_server.state.archive import FLUSH_DELAY_SECONDS, RETRY_DELAY_SECONDS
from wattbus_server.storage.tables import device_states


async def stored_revision(world: World, device: str) -> int | None:
    async with world.engine.connect() as database:
        query = select(device_states.c.revision).where(device_states.c.device == device)
        return (await database.execute(query)).scalar_one_or_none()


async def until_stored(world: World, device: str, revision: int) -> None:
    for _ in range(3000):
        if await stored_revision(world, device) == revision:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the state was not stored")


async def test_states_survive_a_clean_restart(world: World) -> None:
    device, other = await world.link(["a", "b"])
    world.hub.observe([energy(device, 50), reserve(device, 20)])
    before = world.hub.get(device)
    again = await world.restart()
    after = again.hub.get(device)
    assert after.battery == before.battery
    assert after.revision > before.revision
    assert again.hub.get(other).WhichOneof("values") is None
    assert again.hub.get(other).device == other


async def test_a_change_is_stored_soon_without_anybody_asking(world: World) -> None:
    (device,) = await world.link(["a"])
    world.hub.start()
    world.hub.observe([energy(device, 50)])
    await until_stored(world, device, world.hub.get(device).revision)
    killed = await world.restart(killed=True)
    assert killed.hub.get(device).battery.energy.charge_percent == 50
    await world.hub.close()


async def test_refreshed_times_are_stored_at_the_end(world: World) -> None:
    (device,) = await world.link(["a"])
    world.hub.observe([energy(device, 50)])
    world.hub.observe([energy(device, 50)])
    time = world.hub.get(device).battery.energy.observe_time
    again = await world.restart()
    assert again.hub.get(device).battery.energy.observe_time == time


async def test_a_removed_device_leaves_no_row_and_comes_back_empty_with_a_higher_revision(world: World) -> None:
    (device,) = await world.link(["a"])
    world.hub.observe([energy(device, 50)])
    revision = world.hub.get(device).revision
    await world.link([])
    again = await world.restart()
    assert await stored_revision(again, device) is None
    with pytest.raises(Problem) as caught:
        again.hub.get(device)
    assert caught.value.reason == Reason.REASON_RESOURCE_NOT_FOUND
    await again.link(["a"])
    assert again.hub.get(device).WhichOneof("values") is None
    assert again.hub.get(device).revision > revision


async def test_rows_of_devices_that_are_not_registered_are_cleared_away(world: World) -> None:
    (device,) = await world.link(["a"])
    await world.hub.close()
    async with world.engine.begin() as database:
        await database.execute(text("DELETE FROM devices"))
    again = await World(world.engine).load()
    await again.hub.close()
    assert await stored_revision(again, device) is None


async def test_a_stored_state_of_another_kind_is_not_taken_over(world: World) -> None:
    (device,) = await world.link(["a"])
    world.hub.observe([energy(device, 50)])
    await world.hub.close()
    again = World(world.engine)
    await again.link(["a"], kind=DeviceKind.DEVICE_KIND_VEHICLE)
    await again.hub.load()
    assert again.hub.get(device).WhichOneof("values") is None


async def test_revisions_never_go_back_over_kills(world: World) -> None:
    (device,) = await world.link(["a"])
    chance = random.Random(5)
    revision = 0
    for _ in range(12):
        for charge in range(chance.randint(0, 5)):
            world.hub.observe([energy(device, charge)])
        assert world.hub.get(device).revision > revision
        revision = world.hub.get(device).revision
        world = await world.restart(killed=chance.random() < 0.7)


async def test_a_database_that_refuses_is_tried_again_and_nothing_is_lost(
    world: World, running_clock: ForwardLoop
) -> None:
    (device,) = await world.link(["a"])
    await world.hub.close()
    world = await World(world.engine).load()
    async with world.engine.begin() as database:
        await database.execute(delete(device_states))
        await database.execute(text("ALTER TABLE device_states RENAME TO hidden"))
    world.hub.start()
    world.hub.observe([energy(device, 50)])
    await running_clock.forward(FLUSH_DELAY_SECONDS + 0.1)
    await asyncio.sleep(0.1)
    async with world.engine.begin() as database:
        await database.execute(text("ALTER TABLE hidden RENAME TO device_states"))
    async with asyncio.timeout(300):
        while await stored_revision(world, device) is None:
            await running_clock.forward(RETRY_DELAY_SECONDS / 10)
            await asyncio.sleep(0.01)
    assert await stored_revision(world, device) == world.hub.get(device).revision
    await world.hub.close()
