"""The promises under random changes, masks, slow readers, broken streams, resumes from any token, and restarts.

A model knows what really happened; every client records what it was told; the promises are checked on the records.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from wattbus.v1.device_service_pb2 import DeviceStateCause, DeviceStateEvent, WatchDeviceStatesResponse
from wattbus.v1.state_pb2 import DeviceState

from tests.state.clock import ForwardLoop
from tests.state.world import CONNECTION, SECOND_CONNECTION, TENANT, World, energy, read, reserve
from wattbus_server.devices.registry import device_name
from wattbus_server.devices.selection import Selection
from wattbus_server.state import watcher as watcher_module
from wattbus_server.state.watcher import Watcher
from wattbus_server.storage.database import open_engine

T = TypeVar("T")
Values = tuple[float, float]

KEYS = "ab"
NAMES = [device_name(connection, key) for connection in (CONNECTION, SECOND_CONNECTION) for key in KEYS]
NEVER = "devices/never"
REMOVED = DeviceStateCause.DEVICE_STATE_CAUSE_REMOVED

SELECTIONS = (
    Selection(TENANT),
    Selection(TENANT, connection=CONNECTION),
    Selection(TENANT, external_user_id="robin"),
    Selection(TENANT, frozenset({NAMES[0], NAMES[3], NEVER})),
    Selection(TENANT, frozenset({NAMES[1]}), external_user_id="sam"),
)
# Each mask with what of (charge, reserve) it shows.
MASKS: dict[tuple[str, ...], tuple[bool, bool]] = {
    (): (True, True),
    ("battery.energy",): (True, False),
    ("battery.settings.reserve_percent",): (False, True),
    ("connectivity",): (False, False),
}

devices = st.sampled_from(NAMES)
numbers = st.integers(0, 3).map(float)


def values_of(state: DeviceState) -> Values:
    return state.battery.energy.charge_percent, state.battery.settings.reserve_percent


@dataclass
class Client:
    """One client, over all its streams: what it knows, and what it may expect."""

    selection: Selection
    paths: tuple[str, ...]
    minimum_interval: float
    stream: Watcher = field(init=False)
    picture: dict[str, Values] = field(default_factory=dict)
    """What it knows now."""
    bookmarks: list[tuple[str, dict[str, Values], dict[str, int]]] = field(default_factory=list)
    """Every token with what was known at that response."""
    highest: dict[str, int] = field(default_factory=dict)
    """By device, the highest revision until a reset."""
    told: set[tuple[str, int]] = field(default_factory=set)
    """Revisions of this stream."""
    changes: Counter[str] = field(default_factory=Counter)
    """By device, accepted changes of watched parts since the stream last told of it."""
    expected: set[str] = field(default_factory=set)
    """What must come before `in_sync`."""
    synced: int = 0

    def shown(self, values: Values) -> Values:
        shows_charge, shows_reserve = MASKS[self.paths]
        return values[0] if shows_charge else 0.0, values[1] if shows_reserve else 0.0

    def start(self, stream: Watcher, expected: set[str]) -> None:
        self.stream = stream
        self.told = set()
        self.changes = Counter()
        self.expected = expected
        self.synced = 0


class Promises(RuleBasedStateMachine):
    """Does random things to a hub and its clients."""

    template: Path
    clients = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner(loop_factory=ForwardLoop)
        self.everybody: list[Client] = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @initialize()
    def begin(self) -> None:
        path = Path(self.directory.name) / "states.db"
        shutil.copy(self.template, path)
        self.engine = open_engine(f"sqlite+aiosqlite:///{path}")
        self.world = self.run(self.load())

    async def load(self) -> World:
        world = await World(self.engine).load()
        for connection in (CONNECTION, SECOND_CONNECTION):
            await world.link(KEYS, connection, "robin")
        return world

    # What happens

    @rule(
        connection=st.sampled_from((CONNECTION, SECOND_CONNECTION)),
        keys=st.sets(st.sampled_from(KEYS)),
        user=st.sampled_from(("robin", "sam")),
    )
    def link(self, connection: str, keys: set[str], user: str) -> None:
        before = {client_id: self.members(client) for client_id, client in enumerate(self.everybody)}
        self.run(self.world.link(sorted(keys), connection, user))
        for client_id, client in enumerate(self.everybody):
            for name in before[client_id] ^ self.members(client):
                client.changes[name] += 1

    @rule(device=devices, charge=numbers)
    def observe_energy(self, device: str, charge: float) -> None:
        self.observe(energy(device, charge), shown_in=0)

    @rule(device=devices, percent=numbers)
    def observe_reserve(self, device: str, percent: float) -> None:
        self.observe(reserve(device, percent), shown_in=1)

    def observe(self, observation: DeviceState, shown_in: int) -> None:
        device = observation.device
        record = self.world.registry.find(device)
        before = DeviceState()
        if record is not None:
            before.CopyFrom(self.world.hub.get(device))
        self.run(self.observe_now(observation))
        if record is None:
            return
        after = self.world.hub.get(device)
        group = ("energy", "settings")[shown_in]
        appeared = not before.battery.HasField(group)  # type: ignore[arg-type]  # one of two literal names
        for client in self.everybody:
            watched = MASKS[client.paths][shown_in]
            # A new group is a change of the group, but not of a field in it that was 0 as before... it was absent.
            if watched and client.selection.matches(record) and (appeared or values_of(before) != values_of(after)):
                client.changes[device] += 1

    async def observe_now(self, observation: DeviceState) -> None:
        self.world.hub.observe([observation])

    @rule(
        target=clients,
        selection=st.sampled_from(SELECTIONS),
        paths=st.sampled_from(sorted(MASKS)),
        minimum_interval=st.sampled_from((0.0, 0.0, 10.0)),
    )
    def connect(self, selection: Selection, paths: tuple[str, ...], minimum_interval: float) -> Client:
        client = Client(selection, paths, minimum_interval)
        client.start(self.open(client, ""), self.members(client))
        self.everybody.append(client)
        return client

    @rule(client=clients)
    def somebody_reads_one(self, client: Client) -> None:
        self.read_one(client)

    def read_one(self, client: Client) -> bool:
        response = self.run(self.response(client))
        if response is not None:
            self.check(client, read(response))
        return response is not None

    def read_all(self, client: Client) -> None:
        while self.read_one(client):
            pass

    @rule()
    def everybody_reads_all(self) -> None:
        for client in self.everybody:
            self.read_all(client)

    @rule(client=clients, back=st.sampled_from((1, 1, 1, 2, 4)))
    def resume(self, client: Client, back: int) -> None:
        """Break the stream and come back, perhaps with an older token."""
        client.stream.close()
        known = client.bookmarks[-back:]
        token, picture, highest = known[0] if known else ("", {}, {})
        client.picture, client.highest = dict(picture), dict(highest)
        client.bookmarks = client.bookmarks[: len(client.bookmarks) - len(known) + 1] if known else []
        expected = self.members(client) if not token else set()
        client.start(self.open(client, token), expected)

    @rule(client=consumes(clients))
    def disconnect(self, client: Client) -> None:
        client.stream.close()
        self.everybody.remove(client)

    @rule(seconds=st.sampled_from((4.0, 11.0)))
    def pass_time(self, seconds: float) -> None:
        loop = self.runner.get_loop()
        assert isinstance(loop, ForwardLoop)
        loop.ahead += seconds

    @rule(killed=st.booleans())
    def restart(self, killed: bool) -> None:
        for client in self.everybody:
            client.stream.close()
        self.world = self.run(self.world.restart(killed=killed))
        for client in self.everybody:
            token, client.picture, client.highest = client.bookmarks[-1] if client.bookmarks else ("", {}, {})
            client.start(self.open(client, token), self.members(client))
            client.bookmarks = []

    def open(self, client: Client, token: str) -> Watcher:
        async def watcher() -> Watcher:
            return self.world.watcher(
                client.selection, *client.paths, resume_token=token, minimum_interval=client.minimum_interval
            )

        return self.run(watcher())

    async def response(self, client: Client) -> bytes | None:
        return client.stream.response()

    # What was promised

    def check(self, client: Client, response: WatchDeviceStatesResponse) -> None:
        if response.reset:
            client.picture, client.highest = {}, {}
        for event in response.events:
            self.check_event(client, event)
        if response.in_sync:
            client.synced += 1
            assert client.synced == 1, "Synced: one marker"
            gone = client.expected - self.members(client)
            assert client.expected - gone <= {device for device, _ in client.told}, (
                "Synced: everything before the marker"
            )
        client.bookmarks.append((response.resume_token, dict(client.picture), dict(client.highest)))

    def check_event(self, client: Client, event: DeviceStateEvent) -> None:
        device, revision = event.device, event.revision
        assert (device, revision) not in client.told, "Unique"
        client.told.add((device, revision))
        assert revision >= client.highest.get(device, 0), "Ordered"
        client.highest[device] = revision
        if event.cause == REMOVED:
            assert device not in self.members(client), "Removed: only what is gone"
            client.picture.pop(device, None)
        else:
            assert device in self.members(client), "Removed: nothing that is gone"
            state = self.world.hub.get(device)
            assert revision == event.state.revision == state.revision, "Fresh"
            assert values_of(event.state) == client.shown(values_of(state)), "Fresh"
            client.picture[device] = values_of(event.state)
        changes = client.changes.pop(device, 0)
        merged = changes if event.cause == DeviceStateCause.DEVICE_STATE_CAUSE_SNAPSHOT else max(changes - 1, 0)
        if client.synced or event.cause != REMOVED:
            assert event.merged_count == merged, "Counted"

    def members(self, client: Client) -> set[str]:
        return {record.name for record in self.world.registry.select(client.selection)}

    @invariant()
    def memory_is_bounded(self) -> None:
        for client in self.everybody:
            assert client.stream.dirty_devices <= len(NAMES) + 1

    def teardown(self) -> None:
        try:
            self.check_the_end()
        finally:
            self.run(self.engine.dispose())
            self.runner.close()
            self.directory.cleanup()

    def check_the_end(self) -> None:
        self.pass_time(11)
        for client in self.everybody:
            self.read_all(client)
            expected = {device: client.shown(values_of(self.world.hub.get(device))) for device in self.members(client)}
            assert client.picture == expected, "Convergent, Resumable"
            assert client.synced == 1, "Synced"


def test_every_promise_holds_over_random_lives(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "MAXIMUM_EVENTS", 1)
    monkeypatch.setattr(Promises, "template", template, raising=False)
    run_state_machine_as_test(
        Promises,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
