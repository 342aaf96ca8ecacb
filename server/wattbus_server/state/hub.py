"""The hub: the newest state of every device, in memory, and the one place where states change.

Every change gets a higher number of one sequence, which is also the revision of the device. The numbers follow the
clock: counted one by one they would tell every tenant how much changes at the others. Whoever watches learns *that* a
device changed; what it is now is read when it is sent.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.devices.registry import DeviceChange, DeviceChangeKind, DeviceRegistry
from wattbus_server.devices.selection import Selection
from wattbus_server.problem import not_found
from wattbus_server.state import metrics
from wattbus_server.state.archive import StateArchive, StoredState
from wattbus_server.state.audience import Audience
from wattbus_server.state.audiences import Audiences
from wattbus_server.state.departures import Departures
from wattbus_server.state.dirty import DirtyMap
from wattbus_server.state.entry import DeviceEntry
from wattbus_server.state.mask import StateMask
from wattbus_server.state.merge import NANOSECONDS, VALUES_OF_KIND, Merged, merge
from wattbus_server.state.tokens import EPOCH_BYTES, ResumeTokens
from wattbus_server.vendors.contract import DeviceRecord

log = structlog.get_logger()

UNSTORED_REVISIONS = 1 << 26
"""More than revisions grow, about one for each microsecond, before they are stored."""

StateListener = Callable[[DeviceState, bool], None]
"""Called with a state after an observation was taken over; False: only its observation times are new."""


class StateHub:
    """Holds the newest states. Reads never wait; everything happens on one event loop."""

    def __init__(self, engine: AsyncEngine, registry: DeviceRegistry, token_key: bytes) -> None:
        """Prepare an empty hub.

        Args:
            engine: the database in which states outlive the process.
            registry: knows which devices there are; loaded before the hub.
            token_key: secret that encrypts resume tokens, at least 16 bytes, the same after a restart.
        """
        self._registry = registry
        self._archive = StateArchive(engine, self._stored)
        self._entries: dict[str, DeviceEntry] = {}
        self._audiences = Audiences()
        self._listeners: list[StateListener] = []
        self._sequence = 0
        self._refreshed = 0
        self._departures = Departures(0)
        self._stop_listening: Callable[[], None] | None = None
        self.tokens = ResumeTokens(token_key, secrets.token_bytes(EPOCH_BYTES))
        """Issues and reads the resume tokens of this process."""

    async def load(self) -> None:
        """Take over the stored states of the devices in the registry, and follow the registry from now on.

        Every device gets a new revision: what was told shortly before the process was killed may not have been stored,
        and revisions must not go back. They are stored before anybody sees them, so that the next start begins above
        them whenever it comes. The clock keeps the numbers growing when rows are gone.
        """
        rows = await self._archive.read()
        highest = max((row.revision for row in rows), default=0)
        self._sequence = max(highest + UNSTORED_REVISIONS, time.time_ns() // 1000)
        self._departures = Departures(self._sequence)
        stored = {row.device: row.state for row in rows}
        self._stop_listening = self._registry.listen(self._on_device)
        for record in self._registry.every():
            entry = self._entries[record.name] = DeviceEntry(record, _read_state(record, stored.get(record.name)))
            self._restamp(entry)
        for device in stored.keys() - self._entries.keys():
            self._archive.changed(device)
        await self._archive.flush()

    def start(self) -> None:
        """Begin to store changes."""
        self._archive.start()

    async def close(self) -> None:
        """Store what is not stored yet."""
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        await self._archive.close()

    # Reading

    def get(self, device: str) -> DeviceState:
        """Return the newest state. The message is shared: never change it. It is replaced by the next change.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        return self._entry(device).state

    def encoded(self, device: str) -> bytes:
        """Return the newest state, serialised.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        return self._entry(device).encoded

    def listen(self, listener: StateListener) -> Callable[[], None]:
        """Tell a listener about every observation that was taken over; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def wait(self, device: str, predicate: Callable[[DeviceState], bool], time_limit: timedelta) -> DeviceState:
        """Wait until a state fulfils a predicate, now or after an observation, and return it.

        Raises:
            Problem: RESOURCE_NOT_FOUND if there is no such device.
            TimeoutError: it did not happen in time.
        """
        if predicate(self.get(device)):
            return self.get(device)
        fulfilled: asyncio.Future[DeviceState] = asyncio.get_running_loop().create_future()

        def look(state: DeviceState, _changed: bool) -> None:
            if state.device == device and not fulfilled.done() and predicate(state):
                fulfilled.set_result(state)

        stop = self.listen(look)
        try:
            async with asyncio.timeout(time_limit.total_seconds()):
                return await fulfilled
        finally:
            stop()

    # Changing

    def observe(self, observations: Iterable[DeviceState]) -> None:
        """Take over what was observed: each message holds `device` and the observed groups, nothing else.

        Older groups are dropped, unchanged values wake nobody, devices that are gone are ignored.

        Raises:
            ValueError: an observation that no device of its kind can give, which is a defect of its source.
        """
        for observation in observations:
            entry = self._entries.get(observation.device)
            if entry is None:
                metrics.UNKNOWN_DEVICES.inc()
                continue
            self._observe(entry, observation)

    def _observe(self, entry: DeviceEntry, observation: DeviceState) -> None:
        merged = merge(entry.record.kind, entry.state, observation, time.time_ns())
        _count(merged)
        if merged.changed:
            before = entry.state
            self._stamp(entry, merged.state)
            for audience in tuple(entry.audiences):
                if audience.mask.touched_by(merged.changed, before, merged.state):
                    audience.changed(entry)
            self._archive.changed(entry.name)
        elif merged.refreshed:
            entry.replace(merged.state)
            self._refreshed += 1
            self._archive.refreshed(entry.name)
        else:
            return
        for listener in tuple(self._listeners):
            listener(entry.state, bool(merged.changed))

    def _next_sequence(self) -> int:
        self._sequence = max(self._sequence + 1, time.time_ns() // 1000)
        return self._sequence

    def _stamp(self, entry: DeviceEntry, state: DeviceState) -> None:
        """Make a message that nobody else holds the newest state, under the next revision."""
        state.revision = self._next_sequence()
        state.update_time.seconds, state.update_time.nanos = divmod(time.time_ns(), NANOSECONDS)
        entry.replace(state)

    def _restamp(self, entry: DeviceEntry) -> None:
        """Give a device a new revision without new values."""
        state = DeviceState()
        state.CopyFrom(entry.state)
        self._stamp(entry, state)
        self._archive.changed(entry.name)

    # Following the registry

    def _on_device(self, change: DeviceChange) -> None:
        entry = self._entries.get(change.record.name)
        if change.kind is DeviceChangeKind.REMOVED:
            if entry is not None:
                self._remove(entry)
        elif entry is None:
            self._add(change.record)
        else:
            self._update(entry, change.record)
        if change.state is not None:
            self.observe([change.state])

    def _add(self, record: DeviceRecord) -> None:
        entry = self._entries[record.name] = DeviceEntry(record, DeviceState(device=record.name))
        self._restamp(entry)
        self._audiences.welcome(entry)

    def _update(self, entry: DeviceEntry, record: DeviceRecord) -> None:
        before, entry.record = entry.record, record
        if _selectable(before) == _selectable(record):
            return
        self._restamp(entry)
        self._departures.add(self._sequence, before, time.monotonic())
        for audience in tuple(entry.audiences):
            if not audience.selection.matches(record):
                audience.dismiss(entry, self._sequence)
        self._audiences.welcome(entry)

    def _remove(self, entry: DeviceEntry) -> None:
        del self._entries[entry.name]
        self._next_sequence()
        self._departures.add(self._sequence, entry.record, time.monotonic())
        for audience in tuple(entry.audiences):
            audience.dismiss(entry, self._sequence)
        self._audiences.forget(entry.name)
        self._archive.changed(entry.name)

    # Watching

    @property
    def sequence(self) -> int:
        """The number of the latest change."""
        return self._sequence

    @property
    def version(self) -> int:
        """A number that is another one after anything changed, observation times included."""
        return self._sequence + self._refreshed

    @property
    def watcher_count(self) -> int:
        """How many streams watch now."""
        return len(self._audiences)

    def join(self, selection: Selection, mask: StateMask, dirty: DirtyMap) -> Audience:
        """From now on note in a dirty map what changes in a selection."""

        def members() -> list[DeviceEntry]:
            return [self._entries[record.name] for record in self._registry.select(selection)]

        return self._audiences.join(selection, mask, dirty, members)

    def leave(self, audience: Audience, dirty: DirtyMap) -> None:
        """Note nothing more in a dirty map; harmless if it was left before."""
        self._audiences.leave(audience, dirty)

    def departure_revision(self, device: str, tenant: str) -> int:
        """Return the revision under which a device left a selection; 0 if it left too long ago.

        Also 0 if it never existed for this tenant: a device of another one must look the same.
        """
        entry = self._entries.get(device)
        if entry is None:
            return self._departures.revision(device, tenant)
        return entry.state.revision if entry.record.tenant == tenant else 0

    def changed_since(self, audience: Audience, sequence: int) -> list[str] | None:
        """Return the devices, also departed ones, that changed for an audience after a sequence number.

        None if that is too long ago to know.
        """
        if not self._departures.reach_back_to(sequence, time.monotonic()):
            return None
        left = self._departures.since(sequence, audience.selection)
        departed = (name for name in left if name not in audience.members)
        changed = (name for name, entry in audience.members.items() if entry.state.revision > sequence)
        return [*dict.fromkeys(departed), *sorted(changed)]

    def _entry(self, device: str) -> DeviceEntry:
        entry = self._entries.get(device)
        if entry is None:
            raise not_found("device", device)
        return entry

    def _stored(self, device: str) -> StoredState | None:
        entry = self._entries.get(device)
        return None if entry is None else StoredState(device, entry.state.revision, entry.encoded)


def _selectable(record: DeviceRecord) -> tuple[str, str, str, int]:
    """Return what selections look at, beside the name."""
    return record.tenant, record.connection, record.external_user_id, record.kind


def _read_state(record: DeviceRecord, stored: bytes | None) -> DeviceState:
    """Parse a stored state; a device without one starts with an empty state."""
    state = DeviceState.FromString(stored) if stored is not None else DeviceState()
    if state.WhichOneof("values") not in (None, VALUES_OF_KIND[record.kind]):
        log.warning("stored_state_of_other_kind", device=record.name)
        state = DeviceState()
    state.device = record.name
    return state


def _count(merged: Merged) -> None:
    if merged.dropped:
        metrics.DROPPED_GROUPS.inc(merged.dropped)
    if merged.clamped:
        metrics.CLAMPED_GROUPS.inc(merged.clamped)
