"""The promises of WatchDeviceStates, by name."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from google.protobuf.duration_pb2 import Duration
from wattbus.v1.device_service_pb2 import DeviceStateCause, WatchDeviceStatesRequest
from wattbus.v1.reason_pb2 import Reason

from tests.state.clock import ForwardLoop
from tests.state.world import (
    OTHER_CONNECTION,
    World,
    energy,
    everything,
    later,
    read,
    read_all,
    reserve,
)
from wattbus_server.devices.selection import Selection
from wattbus_server.problem import Problem
from wattbus_server.state import watcher as watcher_module
from wattbus_server.state.watch import watch

SNAPSHOT = DeviceStateCause.DEVICE_STATE_CAUSE_SNAPSHOT
CHANGE = DeviceStateCause.DEVICE_STATE_CAUSE_CHANGE
REMOVED = DeviceStateCause.DEVICE_STATE_CAUSE_REMOVED


def stream(world: World, asked: WatchDeviceStatesRequest) -> AsyncGenerator[bytes, None]:
    return watch(world.hub, everything(), asked, world.draining)


async def test_fresh_a_state_is_read_when_its_response_is_built(world: World) -> None:
    (device,) = await world.link(["a"])
    watcher = world.watcher(everything())
    world.hub.observe([energy(device, 10)])
    world.hub.observe([energy(device, 20)])
    (response,) = read_all(watcher)
    assert response.events[0].state == world.hub.get(device)
    assert response.events[0].state.battery.energy.charge_percent == 20


async def test_ordered_revisions_of_a_device_only_grow_across_resume_and_restart(world: World) -> None:
    (device,) = await world.link(["a"])
    revisions = []
    watcher = world.watcher(everything())
    for charge in range(5):
        world.hub.observe([energy(device, charge)])
        (response,) = read_all(watcher)
        revisions.append(response.events[0].revision)
        watcher.close()
        watcher = world.watcher(everything(), resume_token=response.resume_token)
        read_all(watcher)
    killed = await world.restart(killed=True)
    (response,) = read_all(killed.watcher(everything()))
    revisions.append(response.events[0].revision)
    assert revisions == sorted(set(revisions))


async def test_unique_no_revision_comes_twice_on_one_stream(world: World) -> None:
    devices = await world.link(["a", "b"])
    watcher = world.watcher(everything())
    seen = []
    for round_number in range(5):
        world.hub.observe(energy(device, round_number) for device in devices)
        # Unchanged values and another discovery are no news.
        world.hub.observe(energy(device, round_number) for device in devices)
        await world.link(["a", "b"])
        seen += [(event.device, event.revision) for response in read_all(watcher) for event in response.events]
    assert len(seen) == 10
    assert len(set(seen)) == len(seen)


async def test_convergent_the_last_state_or_removal_arrives(world: World) -> None:
    first, second = await world.link(["a", "b"])
    watcher = world.watcher(everything())
    read_all(watcher)
    for charge in range(30):
        world.hub.observe([energy(first, charge), energy(second, charge)])
    await world.link(["a"])
    events = {event.device: event for response in read_all(watcher) for event in response.events}
    assert events[first].state.battery.energy.charge_percent == 29
    assert events[second].cause == REMOVED
    assert not events[second].HasField("state")


async def test_synced_the_marker_comes_once_after_every_device_of_the_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "MAXIMUM_EVENTS", 2)
    devices = await world.link("abcdefg")
    watcher = world.watcher(everything())
    responses = [read(watcher.response())]
    world.hub.observe(energy(device, 50) for device in devices)
    responses += read_all(watcher)
    marked = [index for index, response in enumerate(responses) if response.in_sync]
    assert len(marked) == 1
    up_to_marker = [event for response in responses[: marked[0] + 1] for event in response.events]
    assert {event.device for event in up_to_marker if event.cause == SNAPSHOT} == set(devices)
    after = [event.cause for response in responses[marked[0] + 1 :] for event in response.events]
    assert set(after) <= {CHANGE}


async def test_synced_an_empty_selection_is_in_sync_at_once(world: World) -> None:
    response = read(world.watcher(everything()).response())
    assert response.in_sync
    assert not response.events
    assert response.resume_token


async def test_counted_merged_changes_of_watched_parts_are_counted(world: World) -> None:
    (device,) = await world.link(["a"])
    watcher = world.watcher(everything(), "battery.energy")
    read_all(watcher)
    for charge in (1, 2, 3, 4):
        world.hub.observe([energy(device, charge)])
        # Neither of these is a change of a watched part.
        world.hub.observe([energy(device, charge), reserve(device, charge)])
    (response,) = read_all(watcher)
    assert [event.merged_count for event in response.events] == [3]
    world.hub.observe([energy(device, 5)])
    (response,) = read_all(watcher)
    assert [event.merged_count for event in response.events] == [0]


async def test_resumable_a_token_brings_exactly_what_was_missed(world: World) -> None:
    first, second, third = await world.link(["a", "b", "c"])
    watcher = world.watcher(everything())
    token = read_all(watcher)[-1].resume_token
    watcher.close()
    world.hub.observe([energy(second, 77)])
    await world.link(["a", "b"])
    resumed = read_all(world.watcher(everything(), resume_token=token))
    events = {event.device: event for response in resumed for event in response.events}
    assert events.keys() == {second, third}
    assert first not in events
    assert events[second].state.battery.energy.charge_percent == 77
    assert events[second].cause == SNAPSHOT
    assert events[third].cause == REMOVED
    assert not any(response.reset for response in resumed)
    assert resumed[-1].in_sync


async def test_resumable_a_device_still_waiting_when_the_stream_breaks_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newer change is sent and the older one is not: a token that named the newest sent number would lose it."""
    monkeypatch.setattr(watcher_module, "MAXIMUM_EVENTS", 1)
    devices = await world.link(["a", "b", "c"])
    watcher = world.watcher(everything())
    read_all(watcher)
    world.hub.observe(energy(device, 60) for device in devices)
    world.hub.observe([energy(devices[0], 61)])
    sent = read(watcher.response())
    assert [event.device for event in sent.events] == [devices[0]]
    watcher.close()
    resumed = read_all(world.watcher(everything(), resume_token=sent.resume_token))
    assert {event.device for response in resumed for event in response.events} >= {devices[1], devices[2]}


async def test_resumable_a_device_held_back_when_the_stream_breaks_is_not_lost(
    world: World, clock: ForwardLoop
) -> None:
    held, other = await world.link(["a", "b"])
    watcher = world.watcher(everything(), minimum_interval=60)
    read_all(watcher)
    world.hub.observe([energy(held, 1)])
    assert watcher.response() is None
    await world.link(["a"])
    response = read(watcher.response())
    assert [event.device for event in response.events] == [other]
    watcher.close()
    resumed = read_all(world.watcher(everything(), resume_token=response.resume_token))
    assert held in {event.device for item in resumed for event in item.events}


async def test_resumable_in_the_middle_of_a_first_picture_the_whole_picture_comes_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "MAXIMUM_EVENTS", 1)
    devices = await world.link(["a", "b"])
    first = read(world.watcher(everything()).response())
    assert not first.in_sync
    again = read_all(world.watcher(everything(), resume_token=first.resume_token))
    assert {event.device for response in again for event in response.events} == set(devices)


async def test_resumable_after_a_restart_the_stream_begins_with_reset(world: World) -> None:
    (device,) = await world.link(["a"])
    token = read_all(world.watcher(everything()))[-1].resume_token
    again = await world.restart()
    responses = read_all(again.watcher(everything(), resume_token=token))
    assert [response.reset for response in responses] == [True]
    assert [event.device for event in responses[0].events] == [device]
    assert responses[0].in_sync


async def test_alive_silence_never_exceeds_the_heartbeat_interval_by_more_than_a_tenth(
    world: World, clock: ForwardLoop
) -> None:
    await world.link(["a"])
    answers = stream(world, WatchDeviceStatesRequest(heartbeat_interval=Duration(seconds=20)))
    assert read(await anext(answers)).in_sync
    for _ in range(3):
        beat = asyncio.ensure_future(anext(answers))
        await clock.settle()
        await clock.forward(19.9)
        assert not beat.done()
        await clock.forward(20 * 1.1 - 19.9)
        assert beat.done()
        response = read(beat.result())
        assert not response.events
        assert response.resume_token
        assert response.HasField("server_time")
    await answers.aclose()


async def test_alive_a_heartbeat_is_due_thirty_seconds_after_the_last_response_by_default(
    world: World, clock: ForwardLoop
) -> None:
    (device,) = await world.link(["a"])
    answers = stream(world, WatchDeviceStatesRequest())
    await anext(answers)
    await clock.forward(25)
    world.hub.observe([energy(device, 5)])
    assert read(await anext(answers)).events
    beat = asyncio.ensure_future(anext(answers))
    await clock.settle()
    await clock.forward(29)
    assert not beat.done()
    await clock.forward(2)
    assert not read(await beat).events
    await answers.aclose()


async def test_isolated_a_slow_reader_delays_nobody_and_holds_no_more_than_its_devices(world: World) -> None:
    devices = await world.link("abcdefgh")
    slow, quick = world.watcher(everything()), world.watcher(everything())
    read_all(quick)
    for charge in range(200):
        world.hub.observe(energy(device, charge) for device in devices)
        (response,) = read_all(quick)
        assert {event.state.battery.energy.charge_percent for event in response.events} == {charge}
        assert all(event.merged_count == 0 for event in response.events)
        assert slow.dirty_devices <= len(devices)
    (response,) = read_all(slow)
    assert [event.merged_count for event in response.events] == [200] * len(devices)


async def test_removed_deleted_unmatched_and_foreign_devices_are_told_in_one_way(world: World) -> None:
    deleted, kept = await world.link(["a", "b"])
    (foreign,) = await world.link(["x"], OTHER_CONNECTION)
    named = Selection("tenants/home", frozenset({deleted, kept, foreign, "devices/never"}))
    watcher = world.watcher(named)
    first = {event.device: event for response in read_all(watcher) for event in response.events}
    assert {name for name, event in first.items() if event.cause == REMOVED} == {foreign, "devices/never"}
    assert first[foreign].revision == first["devices/never"].revision == 0, "another tenant's device looks like none"
    of_user = world.watcher(Selection("tenants/home", external_user_id="user"))
    read_all(of_user)
    await world.link(["b"])
    (response,) = read_all(watcher)
    assert [(event.device, event.cause) for event in response.events] == [(deleted, REMOVED)]
    read_all(of_user)
    await world.link(["b"], user="somebody else")
    (response,) = read_all(of_user)
    assert [(event.device, event.cause) for event in response.events] == [(kept, REMOVED)]


async def test_removed_a_name_that_comes_into_being_appears(world: World) -> None:
    (device,) = await world.link(["a"])
    await world.link([])
    watcher = world.watcher(Selection("tenants/home", frozenset({device})))
    (response,) = read_all(watcher)
    assert [event.cause for event in response.events] == [REMOVED]
    assert response.in_sync
    await world.link(["a"])
    (response,) = read_all(watcher)
    assert [(event.device, event.cause) for event in response.events] == [(device, CHANGE)]
    assert response.events[0].revision > 0


async def test_a_change_outside_of_the_mask_sends_nothing(world: World) -> None:
    (device,) = await world.link(["a"])
    watcher = world.watcher(everything(), "battery.settings")
    read_all(watcher)
    world.hub.observe([energy(device, 10)])
    assert watcher.response() is None
    world.hub.observe([reserve(device, 20)])
    (response,) = read_all(watcher)
    state = response.events[0].state
    assert state.device == device
    assert state.revision == response.events[0].revision == world.hub.get(device).revision
    assert state.battery.settings.reserve_percent == 20
    assert not state.battery.HasField("energy")
    assert not state.HasField("update_time")


async def test_the_minimum_interval_holds_changes_back_but_no_first_state_and_no_removal(
    world: World, clock: ForwardLoop
) -> None:
    (device,) = await world.link(["a"])
    watcher = world.watcher(everything(), minimum_interval=10)
    assert len(read_all(watcher)) == 1
    world.hub.observe([energy(device, 1)])
    world.hub.observe([energy(device, 2)])
    assert watcher.response() is None
    await clock.forward(9)
    assert watcher.response() is None
    await clock.forward(1.1)
    (response,) = read_all(watcher)
    assert response.events[0].state.battery.energy.charge_percent == 2
    assert response.events[0].merged_count == 1
    added, _ = await world.link(["b", "a"])
    (response,) = read_all(watcher)
    assert [event.device for event in response.events] == [added]
    world.hub.observe([energy(added, 3)])
    assert watcher.response() is None
    await world.link(["a"])
    (response,) = read_all(watcher)
    assert [(event.device, event.cause) for event in response.events] == [(added, REMOVED)]


async def test_a_stream_wakes_when_a_device_that_was_held_back_is_due(world: World, clock: ForwardLoop) -> None:
    (device,) = await world.link(["a"])
    answers = stream(
        world, WatchDeviceStatesRequest(minimum_interval=Duration(seconds=10), heartbeat_interval=Duration(seconds=300))
    )
    await anext(answers)
    waiting = asyncio.ensure_future(anext(answers))
    await clock.settle()
    world.hub.observe([energy(device, 1)])
    await clock.forward(9)
    assert not waiting.done()
    await clock.forward(1.1)
    assert read(await waiting).events[0].device == device
    await answers.aclose()


async def test_a_draining_server_sends_what_is_dirty_with_its_token_and_ends(world: World) -> None:
    (device,) = await world.link(["a"])
    answers = stream(world, WatchDeviceStatesRequest())
    await anext(answers)
    waiting = asyncio.ensure_future(anext(answers))
    await asyncio.sleep(0)
    world.hub.observe([energy(device, 42)])
    world.draining.set()
    last = read(await waiting)
    assert last.events[0].state.battery.energy.charge_percent == 42
    with pytest.raises(Problem) as caught:
        await anext(answers)
    assert caught.value.reason == Reason.REASON_SERVER_DRAINING
    assert read_all(world.watcher(everything(), resume_token=last.resume_token))[0].in_sync


async def test_a_drain_ends_while_changes_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "MAXIMUM_EVENTS", 1)
    devices = await world.link("abcd")
    answers = stream(world, WatchDeviceStatesRequest())
    world.draining.set()
    tokens = []

    async def read_to_the_end() -> None:
        async for response in answers:
            tokens.append(read(response).resume_token)
            world.hub.observe(energy(device, len(tokens)) for device in devices)

    with pytest.raises(Problem):
        await read_to_the_end()
    assert len(tokens) <= len(devices) + 1
    resumed = read_all(world.watcher(everything(), resume_token=tokens[-1]))
    assert {event.device for response in resumed for event in response.events} == set(devices)


async def test_an_idle_stream_ends_at_once_when_the_server_drains(world: World, clock: ForwardLoop) -> None:
    answers = stream(world, WatchDeviceStatesRequest())
    await anext(answers)
    waiting = asyncio.ensure_future(anext(answers))
    await clock.settle()
    world.draining.set()
    await clock.settle()
    assert waiting.done()
    with pytest.raises(Problem):
        waiting.result()


async def test_closing_the_generator_leaves_the_hub_at_once(world: World) -> None:
    (device,) = await world.link(["a"])
    answers = stream(world, WatchDeviceStatesRequest())
    await anext(answers)
    assert world.hub.watcher_count == 1
    await answers.aclose()
    assert world.hub.watcher_count == 0
    world.hub.observe([energy(device, 1)])


async def test_a_refused_request_leaves_no_watcher_behind(world: World) -> None:
    with pytest.raises(Problem) as caught:
        await anext(stream(world, WatchDeviceStatesRequest(resume_token="nonsense")))
    assert caught.value.reason == Reason.REASON_RESUME_TOKEN_INVALID
    assert world.hub.watcher_count == 0


async def test_another_tenant_sees_nothing(world: World) -> None:
    await world.link(["a"])
    (foreign,) = await world.link(["x"], OTHER_CONNECTION)
    watcher = world.watcher(everything("tenants/other"))
    assert [event.device for response in read_all(watcher) for event in response.events] == [foreign]
    (device,) = await world.link(["a"])
    world.hub.observe([energy(device, 1, later())])
    assert watcher.response() is None
