"""The poller, against a vendor that does what each test tells it to; everything else is real."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
import pytest_asyncio
from wattbus.v1.connection_pb2 import ConnectionState, Vendor
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import ConnectivityStatus, DeviceState

from tests.state.clock import ForwardLoop
from tests.state.world import CONNECTION, SECOND_CONNECTION, World, energy, later
from tests.turns import settled
from wattbus_server.connections.accounts import Accounts
from wattbus_server.connections.grants import GrantStore
from wattbus_server.connections.keeper import TokenKeeper
from wattbus_server.connections.store import ConnectionChangeKind, ConnectionStore
from wattbus_server.problem import Problem
from wattbus_server.state import poller as poller_module
from wattbus_server.state.poller import Poller
from wattbus_server.storage.encryption import Vault
from wattbus_server.vendors.contract import DeviceRecord, Poll, VendorAccount, VendorAdapter

MINUTE = timedelta(minutes=1)


class ScriptedVendor:
    """Wants one poll for each device and answers with a state of charge that grows, or with trouble."""

    vendor = Vendor.VENDOR_TESLA

    def __init__(self) -> None:
        self.calls: list[tuple[str, float]] = []
        self.trouble: dict[str, Exception] = {}
        self.stuck: set[str] = set()
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight: Counter[str] = Counter()
        self.released = asyncio.Event()
        self.charge = 0

    def polls(self, devices: Sequence[DeviceRecord]) -> list[Poll]:
        return [Poll(f"battery/{device.key}", MINUTE, (device.name,)) for device in devices]

    async def poll(self, account: VendorAccount, poll: Poll, _devices: Sequence[DeviceRecord]) -> list[DeviceState]:
        return await self.answer(account.connection, poll.devices[0])

    async def read(
        self, account: VendorAccount, device: DeviceRecord, siblings: Sequence[DeviceRecord]
    ) -> list[DeviceState]:
        assert device in siblings
        return await self.answer(account.connection, device.name)

    async def answer(self, connection: str, device: str) -> list[DeviceState]:
        self.calls.append((device, asyncio.get_running_loop().time()))
        for key in (connection, "all"):
            self.in_flight[key] += 1
            self.most_in_flight[key] = max(self.most_in_flight[key], self.in_flight[key])
        try:
            if connection in self.stuck:
                await self.released.wait()
            if device in self.trouble:
                raise self.trouble[device]
        finally:
            self.in_flight[connection] -= 1
            self.in_flight["all"] -= 1
        self.charge += 1
        return [energy(device, self.charge)]

    def times(self, device: str) -> list[float]:
        return [time for name, time in self.calls if name == device]


class Polled:
    """A poller with its surroundings."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.vendor = ScriptedVendor()
        self.connections = ConnectionStore(world.engine)
        adapters = {Vendor.VENDOR_TESLA: cast(VendorAdapter, self.vendor)}
        vault = Vault.from_settings(base64.b64encode(bytes(32)).decode())
        keeper = TokenKeeper(self.connections, GrantStore(world.engine, vault), adapters)
        self.problems: list[tuple[str, Sequence[str], Problem]] = []
        self.poller = Poller(
            world.hub, world.registry, Accounts(self.connections, keeper, adapters), self.connections, self.met
        )

    async def met(self, connection: str, devices: Sequence[str], problem: Problem) -> None:
        self.problems.append((connection, devices, problem))

    async def stands(self, connection: str, kind: ConnectionChangeKind, **changes: Any) -> None:
        await self.connections.change(connection, kind, **changes)


@pytest_asyncio.fixture
async def polled(world: World) -> AsyncIterator[Polled]:
    polled = Polled(world)
    await polled.connections.load()
    polled.poller.start()
    yield polled
    polled.vendor.released.set()
    await polled.poller.close()


async def test_polls_bring_states_in_at_their_pace(polled: Polled, clock: ForwardLoop) -> None:
    (device,) = await polled.world.link(["a"])
    await clock.forward(1)
    assert polled.world.hub.get(device).battery.energy.charge_percent == 1
    for _ in range(4):
        await clock.forward(66)
    times = polled.vendor.times(device)
    assert len(times) == 5
    assert polled.world.hub.get(device).battery.energy.charge_percent == 5


async def test_polls_are_spread_and_not_in_step(polled: Polled, clock: ForwardLoop) -> None:
    devices = await polled.world.link([str(number) for number in range(30)])
    for _ in range(20):
        await clock.forward(0.05)
    firsts = [polled.vendor.times(device)[0] for device in devices]
    assert max(firsts) - min(firsts) > 0.3


async def test_one_slow_connection_delays_nobody(polled: Polled, clock: ForwardLoop) -> None:
    polled.vendor.stuck.add(CONNECTION)
    await polled.world.link([str(number) for number in range(60)])
    (quick,) = await polled.world.link(["q"], SECOND_CONNECTION)
    await clock.forward(1)
    for _ in range(3):
        await clock.forward(67)
    assert len(polled.vendor.times(quick)) >= 3
    assert polled.vendor.most_in_flight[CONNECTION] == poller_module.CALLS_OF_CONNECTION


async def test_calls_in_flight_are_bounded_over_all_connections(
    world: World, clock: ForwardLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller_module, "CALLS_AT_ONCE", 3)
    polled = Polled(world)
    await polled.connections.load()
    polled.poller.start()
    polled.vendor.stuck |= {CONNECTION, SECOND_CONNECTION}
    await world.link("abcdef")
    await world.link("abcdef", SECOND_CONNECTION)
    await clock.forward(1)
    assert polled.vendor.in_flight["all"] == polled.vendor.most_in_flight["all"] == 3
    polled.vendor.released.set()
    await clock.settle()
    assert len(polled.vendor.calls) == 12
    assert polled.vendor.most_in_flight["all"] == 3
    await polled.poller.close()


async def test_trouble_is_reported_and_states_keep_their_times(polled: Polled, clock: ForwardLoop) -> None:
    (device,) = await polled.world.link(["a"])
    await clock.forward(1)
    known = polled.world.hub.get(device)
    polled.vendor.trouble[device] = Problem(Reason.REASON_VENDOR_UNAVAILABLE, "down")
    await clock.forward(67)
    assert polled.world.hub.get(device) is known
    ((connection, devices, problem),) = polled.problems
    assert (connection, devices, problem.reason) == (CONNECTION, (device,), Reason.REASON_VENDOR_UNAVAILABLE)


async def test_failures_slow_a_poll_down_and_success_brings_the_pace_back(polled: Polled, clock: ForwardLoop) -> None:
    (device,) = await polled.world.link(["a"])
    polled.vendor.trouble[device] = Problem(Reason.REASON_VENDOR_UNAVAILABLE, "down")
    for _ in range(600):
        await clock.forward(5)
    times = polled.vendor.times(device)
    waits = [after - before for before, after in pairwise(times)]
    for wait, expected in zip(waits, (60, 120, 240, 480, 900), strict=False):
        assert expected <= wait <= expected * 1.1 + 6
    assert len(waits) >= 4
    polled.vendor.trouble.clear()
    await clock.forward(1000)
    calls = len(polled.vendor.times(device))
    await clock.forward(67)
    assert len(polled.vendor.times(device)) == calls + 1


async def test_the_vendors_advice_when_to_come_back_is_honoured(polled: Polled, clock: ForwardLoop) -> None:
    (device,) = await polled.world.link(["a"])
    advice = timedelta(minutes=10)
    polled.vendor.trouble[device] = Problem(Reason.REASON_VENDOR_RATE_LIMITED, "slow down", retry_delay=advice)
    await clock.forward(1)
    await clock.forward(599)
    assert len(polled.vendor.times(device)) == 1
    await clock.forward(62)
    assert len(polled.vendor.times(device)) == 2


async def test_what_a_failure_tells_about_a_device_is_taken_over(polled: Polled, clock: ForwardLoop) -> None:
    (device,) = await polled.world.link(["a"])
    seen = DeviceState(device=device)
    seen.connectivity.observe_time.CopyFrom(later())
    seen.connectivity.status = ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE
    polled.vendor.trouble[device] = Problem(Reason.REASON_DEVICE_OFFLINE, "away", observed=(seen,))
    await clock.forward(1)
    assert polled.world.hub.get(device).connectivity.status == ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE


async def test_polls_end_with_their_device_and_begin_with_a_new_one(polled: Polled, clock: ForwardLoop) -> None:
    first, second = await polled.world.link(["a", "b"])
    await clock.forward(1)
    await polled.world.link(["b", "c"])
    await clock.forward(1)
    await clock.forward(67)
    assert len(polled.vendor.times(first)) == 1
    assert len(polled.vendor.times(second)) == 2
    await polled.world.registry.remove_connection(CONNECTION)
    calls = len(polled.vendor.calls)
    await clock.forward(67)
    assert len(polled.vendor.calls) == calls


async def test_another_discovery_does_not_begin_the_polls_anew(polled: Polled, clock: ForwardLoop) -> None:
    (device,) = await polled.world.link(["a"])
    await clock.forward(1)
    for _ in range(5):
        await polled.world.link(["a"])
        await clock.forward(2)
    assert len(polled.vendor.times(device)) == 1


async def test_a_dead_grant_stops_the_polls_until_the_end_user_links_again(polled: Polled, clock: ForwardLoop) -> None:
    (device,) = await polled.world.link(["a"])
    await clock.forward(1)
    dead = ConnectionState.CONNECTION_STATE_REAUTHORIZATION_REQUIRED
    await polled.stands(CONNECTION, ConnectionChangeKind.REAUTHORIZATION_REQUIRED, state=dead)
    await clock.forward(1000)
    assert len(polled.vendor.times(device)) == 1
    active = ConnectionState.CONNECTION_STATE_ACTIVE
    await polled.stands(CONNECTION, ConnectionChangeKind.RENEWED, state=active)
    await clock.forward(1)
    assert len(polled.vendor.times(device)) == 2


async def test_new_scopes_end_the_wait_after_failures(polled: Polled, clock: ForwardLoop) -> None:
    (device,) = await polled.world.link(["a"])
    polled.vendor.trouble[device] = Problem(Reason.REASON_SCOPE_MISSING, "not granted")
    for _ in range(3):
        await clock.forward(300)
    polled.vendor.trouble.clear()
    calls = len(polled.vendor.calls)
    await polled.stands(CONNECTION, ConnectionChangeKind.SCOPES_CHANGED)
    await clock.forward(1)
    assert len(polled.vendor.calls) == calls + 1


async def test_a_defect_in_one_poll_ends_neither_it_nor_others(polled: Polled, clock: ForwardLoop) -> None:
    broken, sound = await polled.world.link(["a", "b"])
    polled.vendor.trouble[broken] = ValueError("a defect")
    await clock.forward(1)
    polled.vendor.trouble.clear()
    await clock.forward(67)
    assert len(polled.vendor.times(broken)) == 2
    assert len(polled.vendor.times(sound)) == 2


async def test_a_vendor_that_never_answers_counts_as_failed(polled: Polled, clock: ForwardLoop) -> None:
    (device,) = await polled.world.link(["a"])
    polled.vendor.stuck.add(CONNECTION)
    await clock.forward(1)
    assert polled.vendor.in_flight["all"] == 1
    await clock.forward(poller_module.CALL_LIMIT.total_seconds())
    assert polled.vendor.in_flight["all"] == 0
    polled.vendor.stuck.clear()
    await clock.forward(67)
    assert len(polled.vendor.times(device)) == 2


async def test_closing_lets_calls_in_flight_end(polled: Polled, clock: ForwardLoop) -> None:
    (device,) = await polled.world.link(["a"])
    polled.vendor.stuck.add(CONNECTION)
    await clock.forward(1)
    closing = asyncio.ensure_future(polled.poller.close())
    await clock.settle()
    assert not closing.done()
    polled.vendor.released.set()
    await closing
    assert polled.world.hub.get(device).battery.energy.charge_percent == 1
    await clock.forward(1000)
    assert len(polled.vendor.calls) == 1


async def test_reading_now_takes_over_what_the_vendor_says(polled: Polled) -> None:
    (device,) = await polled.world.link(["a"])
    record = polled.world.registry.find(device)
    assert record is not None
    (observed,) = await polled.poller.read_now(record)
    assert observed.battery == polled.world.hub.get(device).battery
    assert observed.battery.energy.charge_percent == 1


async def test_those_who_read_at_the_same_time_share_the_next_read(polled: Polled) -> None:
    (device,) = await polled.world.link(["a"])
    record = polled.world.registry.find(device)
    assert record is not None
    polled.vendor.stuck.add(CONNECTION)
    readers = [asyncio.create_task(polled.poller.read_now(record))]
    await settled()
    readers += [asyncio.create_task(polled.poller.read_now(record)) for _ in range(20)]
    await settled()
    polled.vendor.released.set()
    await asyncio.gather(*readers)
    assert len(polled.vendor.times(device)) == 2, "the one that ran when they asked may be older than what they ask for"


async def test_reading_now_raises_and_reports_what_stands_in_the_way(polled: Polled) -> None:
    (device,) = await polled.world.link(["a"])
    record = polled.world.registry.find(device)
    assert record is not None
    polled.vendor.trouble[device] = Problem(Reason.REASON_SCOPE_MISSING, "not granted")
    with pytest.raises(Problem) as caught:
        await polled.poller.read_now(record)
    assert polled.problems == [(CONNECTION, (device,), caught.value)]
