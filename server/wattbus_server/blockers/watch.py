"""The stream of blockers: the open ones, a marker, then those that open, change or are resolved."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from wattbus.v1.blocker_pb2 import Blocker, BlockerState
from wattbus.v1.device_service_pb2 import WatchBlockersRequest, WatchBlockersResponse
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.blockers.rows import StoredBlocker
from wattbus_server.devices.selection import Selection
from wattbus_server.problem import Problem
from wattbus_server.waiting import first_of

_DEFAULT_HEARTBEAT_SECONDS = 30.0
_BATCH = 50


class BlockerSource(Protocol):
    """What the stream needs of the ledger."""

    def open_blockers(self) -> list[StoredBlocker]:
        """Return the open blockers of all tenants."""

    def selected(self, selection: Selection, blocker: Blocker) -> bool:
        """Say whether a selection means a blocker of its tenant."""

    def listen(self, listener: Callable[[StoredBlocker], None]) -> Callable[[], None]:
        """Tell a listener about every blocker that opens, changes or is resolved."""


class _News:
    """The newest version of every blocker that the reader has yet to be told, so that memory is bounded."""

    def __init__(self, source: BlockerSource, selection: Selection) -> None:
        self._source = source
        self._selection = selection
        self._waiting: dict[str, Blocker] = {}
        self._told: set[str] = set()
        self.arrived = asyncio.Event()

    def add(self, stored: StoredBlocker) -> None:
        """Take what is meant by the selection, and the end of what was told although its device may be gone."""
        blocker = stored.blocker
        if stored.tenant != self._selection.tenant:
            return
        if blocker.name in self._told or self._source.selected(self._selection, blocker):
            self._waiting[blocker.name] = blocker
            self._told.add(blocker.name)
            if blocker.state == BlockerState.BLOCKER_STATE_RESOLVED:
                self._told.discard(blocker.name)
            self.arrived.set()

    def take(self) -> list[Blocker]:
        """Return the next blockers to tell, oldest news first."""
        names = list(self._waiting)[:_BATCH]
        taken = [self._waiting.pop(name) for name in names]
        if not self._waiting:
            self.arrived.clear()
        return taken


async def watch_blockers(
    source: BlockerSource, selection: Selection, request: WatchBlockersRequest, draining: asyncio.Event
) -> AsyncIterator[WatchBlockersResponse]:
    """Yield the responses of WatchBlockers.

    Raises:
        Problem: SERVER_DRAINING when the server shuts down.
    """
    heartbeat = _DEFAULT_HEARTBEAT_SECONDS
    if request.HasField("heartbeat_interval"):
        heartbeat = request.heartbeat_interval.ToTimedelta().total_seconds()
    news = _News(source, selection)
    stop_listening = source.listen(news.add)
    try:
        own = [stored for stored in source.open_blockers() if stored.tenant == selection.tenant]
        for stored in sorted(own, key=lambda stored: stored.key):
            news.add(stored)
        while blockers := news.take():
            yield WatchBlockersResponse(blockers=blockers)
        yield WatchBlockersResponse(in_sync=True)
        while True:
            await first_of(news.arrived, draining, seconds=heartbeat)
            blockers = news.take()
            if blockers or not draining.is_set():
                yield WatchBlockersResponse(blockers=blockers)
            if draining.is_set() and not news.arrived.is_set():
                raise Problem(Reason.REASON_SERVER_DRAINING, "The server is shutting down; connect again.")
    finally:
        stop_listening()
