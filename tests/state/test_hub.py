"""The hub: reading, listening, waiting, and what it does with observations that it cannot use."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.state_pb2 import DeviceState

from tests.state.clock import ForwardLoop
from tests.state.world import SECOND_CONNECTION, World, energy, everything, later, read_all
from wattbus_server.devices.selection import Selection


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"{name}_total") or 0.0


async def test_a_read_gives_the_stored_bytes(world: World) -> None:
    (device,) = await world.link(["a"])
    world.hub.observe([energy(device, 50)])
    encoded = world.hub.encoded(device)
    assert DeviceState.FromString(encoded) == world.hub.get(device)
    assert world.hub.encoded(device) is encoded
    world.hub.observe([energy(device, 50)])
    assert DeviceState.FromString(world.hub.encoded(device)) == world.hub.get(device)


async def test_a_state_that_was_handed_out_does_not_change(world: World) -> None:
    (device,) = await world.link(["a"])
    world.hub.observe([energy(device, 50)])
    before = world.hub.get(device)
    world.hub.observe([energy(device, 51)])
    assert before.battery.energy.charge_percent == 50


async def test_old_future_and_unknown_observations_are_counted(world: World) -> None:
    (device,) = await world.link(["a"])
    early = later()
    future = later()
    future.FromSeconds(4_000_000_000)
    names = ("wattbus_state_dropped_groups", "wattbus_state_clamped_groups", "wattbus_state_unknown_devices")
    before = [counted(name) for name in names]
    world.hub.observe([energy(device, 1), energy(device, 2, early), energy(device, 3, future), energy("devices/x", 4)])
    assert [counted(name) - start for name, start in zip(names, before, strict=True)] == [1, 1, 1]


async def test_an_observation_of_the_wrong_kind_is_refused(world: World) -> None:
    (device,) = await world.link(["a"], kind=DeviceKind.DEVICE_KIND_METER)
    with pytest.raises(ValueError, match="battery observed on a meter"):
        world.hub.observe([energy(device, 50)])


async def test_listeners_hear_of_changes_and_of_refreshed_times(world: World) -> None:
    (device,) = await world.link(["a"])
    heard: list[tuple[float, bool]] = []
    stop = world.hub.listen(lambda state, changed: heard.append((state.battery.energy.charge_percent, changed)))
    early = later()
    world.hub.observe([energy(device, 1), energy(device, 1), energy(device, 9, early)])
    stop()
    world.hub.observe([energy(device, 2)])
    assert heard == [(1, True), (1, False)]


async def test_waiting_for_a_state_ends_with_the_observation_that_fulfils_it(world: World) -> None:
    (device,) = await world.link(["a"])

    def is_full(state: DeviceState) -> bool:
        return state.battery.energy.charge_percent == 100

    waiting = asyncio.ensure_future(world.hub.wait(device, is_full, timedelta(seconds=60)))
    await asyncio.sleep(0)
    world.hub.observe([energy(device, 99)])
    await asyncio.sleep(0)
    assert not waiting.done()
    world.hub.observe([energy(device, 100)])
    assert (await waiting).battery.energy.charge_percent == 100
    assert await world.hub.wait(device, is_full, timedelta(0)) == world.hub.get(device)


async def test_waiting_for_a_state_that_does_not_come_ends_in_time(world: World, clock: ForwardLoop) -> None:
    (device,) = await world.link(["a"])
    waiting = asyncio.ensure_future(world.hub.wait(device, lambda _: False, timedelta(seconds=60)))
    await clock.settle()
    await clock.forward(61)
    with pytest.raises(TimeoutError):
        await waiting


async def test_watchers_of_the_same_thing_share_what_is_encoded(world: World) -> None:
    (device,) = await world.link(["a"])
    watchers = [world.watcher(everything(), "battery.energy") for _ in range(3)]
    watchers.append(world.watcher(Selection("tenants/home", frozenset({device})), "battery.energy"))
    for watcher in watchers:
        read_all(watcher)
    world.hub.observe([energy(device, 50)])
    events = [read_all(watcher)[0].events for watcher in watchers]
    assert all(event == events[0] for event in events)


async def test_what_watchers_share_is_never_old_news(world: World) -> None:
    device, other = await world.link(["a", "b"])
    first, second, third = (world.watcher(everything()) for _ in range(3))
    for watcher in (first, second, third):
        read_all(watcher)
    world.hub.observe([energy(device, 50), energy(other, 50)])
    assert len(read_all(first)[0].events) == 2
    world.hub.observe([energy(device, 50)])
    (response,) = read_all(second)
    assert response.events[0].state == world.hub.get(device)
    await world.link(["a"])
    (response,) = read_all(third)
    assert [event.HasField("state") for event in response.events] == [True, False]


async def test_a_change_touches_only_watchers_whose_selection_holds_the_device(world: World) -> None:
    (first,) = await world.link(["a"])
    (second,) = await world.link(["a"], SECOND_CONNECTION)
    watcher = world.watcher(Selection("tenants/home", connection=SECOND_CONNECTION))
    read_all(watcher)
    world.hub.observe([energy(first, 50)])
    assert watcher.dirty_devices == 0
    world.hub.observe([energy(second, 50)])
    assert watcher.dirty_devices == 1
