"""One stream: turns what is dirty into responses, each with the token from which the next stream can go on."""

import asyncio

from wattbus_server.devices.selection import Selection
from wattbus_server.state.audience import Joined
from wattbus_server.state.dirty import MARKER, DirtyMap
from wattbus_server.state.events import CHANGE, SNAPSHOT, closing, removal
from wattbus_server.state.hub import StateHub
from wattbus_server.state.mask import StateMask
from wattbus_server.state.tokens import OTHER_EPOCH

MAXIMUM_EVENTS = 256
MAXIMUM_BYTES = 256 * 1024
"""A response ends with the event that reaches one of these."""


class Watcher:
    """A watcher of a selection. Not a coroutine: it never waits, except in `sleep`."""

    def __init__(
        self, hub: StateHub, selection: Selection, mask: StateMask, resume_token: str, minimum_interval: float
    ) -> None:
        """Join the hub; `close` must follow.

        Args:
            hub: where the states are.
            selection: which devices.
            mask: which parts.
            resume_token: token of an earlier stream, or empty.
            minimum_interval: shortest time between two changes of one device, in seconds.

        Raises:
            Problem: RESUME_TOKEN_INVALID.
        """
        self._hub = hub
        self._clock = asyncio.get_running_loop().time
        self._alarm: asyncio.Future[None] | None = None
        self._dirty = DirtyMap(self.ring, self._clock, minimum_interval)
        self._audience = hub.join(selection, mask, self._dirty)
        self._sealed_at: int | None = None
        self._reset = False
        # In the middle of a first picture the token leads to a reset: what the reader knows of it must be forgotten.
        self._first_token = hub.tokens.issue(0, self._audience.digest)
        try:
            self._begin(resume_token)
        except BaseException:
            self.close()
            raise

    def _begin(self, resume_token: str) -> None:
        """Make the whole selection dirty, or what changed since the token. There is no other snapshot."""
        changed: list[str] | None = None
        if resume_token:
            position = self._hub.tokens.read(resume_token, self._audience.digest)
            if position is not OTHER_EPOCH:
                changed = self._hub.changed_since(self._audience, position)
            self._reset = changed is None
            if changed is not None:
                self._first_token = resume_token
        if changed is None:
            changed = [*sorted(self._audience.members), *self._audience.missing()]
        self._dirty.begin(changed, self._hub.sequence)

    def close(self) -> None:
        """Leave the hub at once."""
        self._hub.leave(self._audience, self._dirty)

    def seal(self) -> None:
        """Take nothing new from now on, so that what is dirty has an end; tokens do not go beyond this point."""
        self._dirty.seal()
        self._sealed_at = self._hub.sequence

    @property
    def dirty_devices(self) -> int:
        """How many devices wait to be sent, with those held back."""
        return len(self._dirty)

    def response(self) -> bytes | None:
        """Return a response with what is dirty, the states as they are now; None if there is nothing to send."""
        batch = self._dirty.ready(MAXIMUM_EVENTS)
        if not batch:
            return None
        events, number = self._joined(batch)
        sent = batch[:number]
        self._dirty.take(sent, self._audience.members)
        reset, self._reset = self._reset, False
        return events + closing(self._token(), in_sync=MARKER in sent, reset=reset)

    def _joined(self, batch: list[str]) -> tuple[bytes, int]:
        """Return the joined events of a batch, and how many of its entries they tell.

        Watchers of the same thing that keep up are told the same, so the first one joins it for all.
        """
        audience = self._audience
        keeps_up = not self._dirty.beginning and not self._dirty.merged
        joined = audience.joined(self._hub.version, batch) if keeps_up else None
        if joined is None:
            events = self._events(batch)
            joined = Joined(batch, b"".join(events), len(events))
            if keeps_up:
                audience.remember(joined)
        return joined.events, joined.number

    def _events(self, batch: list[str]) -> list[bytes]:
        """Return the events of a batch, up to the one that reaches the size limit. The marker is an empty one."""
        members, view, merged = self._audience.members, self._audience.view, self._dirty.merged
        cause = SNAPSHOT if self._dirty.beginning else CHANGE
        events: list[bytes] = []
        size = 0
        for device in batch:
            entry = members.get(device)
            if entry is not None:
                event = view.event(entry, cause, merged.get(device, 0))
            elif device == MARKER:
                event, cause = b"", CHANGE
            else:
                revision = self._hub.departure_revision(device, self._audience.selection.tenant)
                event = removal(device, revision, merged.get(device, 0))
            events.append(event)
            size += len(event)
            if size >= MAXIMUM_BYTES:
                break
        return events

    def heartbeat(self) -> bytes:
        """Return a response without events."""
        return closing(self._token())

    def _token(self) -> str:
        """Return the token after which everything that is not sent yet is sent again."""
        if self._dirty.beginning:
            return self._first_token
        latest = self._hub.sequence if self._sealed_at is None else self._sealed_at
        oldest = self._dirty.oldest()
        return self._hub.tokens.issue(latest if oldest is None else oldest - 1, self._audience.digest)

    async def sleep(self, until: float) -> None:
        """Wait until there may be something to send, `ring` is called, or the event loop's clock says `until`."""
        due = self._dirty.next_due()
        loop = asyncio.get_running_loop()
        self._alarm = loop.create_future()
        timer = loop.call_at(until if due is None else min(until, due), self.ring)
        try:
            await self._alarm
        finally:
            timer.cancel()
            self._alarm = None

    def ring(self) -> None:
        """End the sleep."""
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)
