"""The ledger: every open blocker, in memory, and stored before it is told.

Blockers that it gives out are shared: nobody may change them. A new version replaces the old one.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.blocker_pb2 import Blocker, BlockerState
from wattbus.v1.device_service_pb2 import (
    ListBlockersRequest,
    ListBlockersResponse,
    WatchBlockersRequest,
    WatchBlockersResponse,
)

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.completion import completed
from wattbus_server.blockers.identity import identity, merged, same_news
from wattbus_server.blockers.relink import (
    AccessOfScopes,
    LinkOffers,
    Relink,
    keep_link,
    link_of,
    put_link,
    without_link,
)
from wattbus_server.blockers.rows import BlockerRows, StoredBlocker
from wattbus_server.blockers.watch import watch_blockers
from wattbus_server.devices.owners import KnownConnections
from wattbus_server.devices.registry import DeviceChange, DeviceChangeKind, DeviceRegistry
from wattbus_server.devices.selection import Selection
from wattbus_server.paging import PageRequest
from wattbus_server.problem import Problem
from wattbus_server.resource_names import random_id
from wattbus_server.shared_work import few_at_a_time
from wattbus_server.vendors.contract import DeviceRecord

log = structlog.get_logger()

# Metadata of an error that has a field of its own in a blocker, or that belongs to the call rather than the blocker.
_KEYS_WITH_FIELDS = frozenset({"device", "connection", "requiredScopes", "grantedScopes", "missingScopes", "command"})

_LINKS_AT_ONCE = 8
"""Link sessions that are made at the same time when many blockers need one."""

BlockerListener = Callable[[StoredBlocker], None]


class BlockerLedger:
    """Knows what stands in the way, for every tenant."""

    def __init__(self, engine: AsyncEngine, registry: DeviceRegistry, connections: KnownConnections) -> None:
        self._rows = BlockerRows(engine)
        self._registry = registry
        self._connections = connections
        self._open: dict[str, StoredBlocker] = {}
        self._names: dict[tuple[str, str], str] = {}
        # Names of open blockers by what they block: a device, a connection, or a whole tenant.
        self._places: defaultdict[str, set[str]] = defaultdict(set)
        self._listeners: list[BlockerListener] = []
        self._relink: Relink | None = None
        self._writing = asyncio.Lock()
        self._cleaning: set[asyncio.Task[None]] = set()
        self._stop_listening = registry.listen(self._device_changed)

    async def load(self) -> None:
        """Read all open blockers, once, at start. Those of devices and connections that are gone are deleted."""
        orphans = []
        for stored in await self._rows.read_open():
            if self._is_orphan(stored.blocker):
                orphans.append(stored.blocker.name)
            else:
                self._remember(stored)
        await self._rows.delete_named(orphans)
        await self.refresh_links()

    async def close(self) -> None:
        """Finish what is being deleted."""
        self._stop_listening()
        if self._cleaning:
            await asyncio.gather(*self._cleaning)

    def attach_relink(self, offers: LinkOffers, access_of_scopes: AccessOfScopes) -> None:
        """Say how the end user links again; missing scopes and spent grants get that remedy."""
        self._relink = Relink(offers, access_of_scopes)

    # Writing

    async def record(self, tenant: str, blockers: Sequence[Blocker]) -> list[Blocker]:
        """Record blockers that were just met, and return them with names and times.

        One that is open already keeps its name and gets the news. Reasons that pass by themselves are returned without
        a name: they are no lasting blockers. Nor are those of a device or connection that was removed while it was
        asked: nothing could ever close them.
        """
        return [await self._record_one(tenant, blocker) for blocker in blockers]

    async def record_problem(self, tenant: str, problem: Problem) -> Problem:
        """Record the blockers of a problem, and return the problem with the recorded ones and what they taught."""
        blockers = [_with_metadata(blocker, problem) for blocker in problem.blockers]
        recorded = await self.record(tenant, blockers)
        return replace(problem, blockers=tuple(recorded), metadata=_with_learned(problem, recorded))

    async def resolve(self, name: str) -> None:
        """Close a blocker whose cause is verified gone. One that is not open any more stays as it is."""
        async with self._writing:
            if (stored := self._open.get(name)) is None:
                return
            resolved = without_link(stored.blocker)
            resolved.state = BlockerState.BLOCKER_STATE_RESOLVED
            resolved.resolve_time.FromDatetime(datetime.now(UTC))
            closed = StoredBlocker(stored.tenant, resolved)
            await self._rows.update(closed)
            if name not in self._open:
                # Its device or connection was removed meanwhile.
                return
            self._forget(name)
            self._tell(closed)
        log.info("blocker_resolved", blocker=name, reason=catalogue.entry(resolved.reason).name)

    def confirm(self, name: str) -> None:
        """Note that a blocker was verified to stand, now."""
        if (stored := self._open.get(name)) is not None:
            # Only in memory: the next verification after a restart brings it up to date.
            checked = _copy(stored.blocker)
            checked.check_time.FromDatetime(datetime.now(UTC))
            self._open[name] = StoredBlocker(stored.tenant, checked)

    async def refresh_links(self, connection: str = "") -> None:
        """Give every open blocker that linking heals a link that can be opened, if its own has ended or ends soon.

        Args:
            connection: `connections/…`, if only its blockers are meant.
        """
        if (relink := self._relink) is None:
            return
        asked = self._open_of_connection(connection) if connection else self._open.values()
        spent = await relink.spent([stored.blocker for stored in asked if relink.heals(stored.blocker)])
        await few_at_a_time(_LINKS_AT_ONCE, spent, lambda blocker: self._refresh_link(relink, blocker))

    async def remove_connection(self, connection: str) -> None:
        """Delete every blocker of a connection, because the connection is gone."""
        async with self._writing:
            gone = self._open_of_connection(connection)
            await self._rows.delete_connection(connection)
            self._withdraw(gone)

    def connection_removed(self, connection: str) -> None:
        """Withdraw what was recorded while the connection was being deleted; from now on nothing more can be."""
        gone = self._open_of_connection(connection)
        if gone:
            self._withdraw(gone)
            self._clean(self._rows.delete_named([stored.blocker.name for stored in gone]))

    async def prune(self, before: datetime) -> None:
        """Delete blockers that are resolved and were created before a moment."""
        await self._rows.delete_resolved_before(before)

    # Reading

    def get_open(self, name: str) -> StoredBlocker | None:
        """Return a blocker if it is open."""
        return self._open.get(name)

    def open_blockers(self) -> list[StoredBlocker]:
        """Return the open blockers of all tenants."""
        return list(self._open.values())

    def open_at(self, place: str) -> list[StoredBlocker]:
        """Return what is open for exactly one place: a device, a connection as a whole, or a tenant as a whole."""
        return [self._open[name] for name in self._places.get(place, ())]

    def open_for(self, device: DeviceRecord) -> list[Blocker]:
        """Return what blocks a device, most important first; blockers of its whole connection belong to that."""
        found = [stored for place in (device.name, device.connection, device.tenant) for stored in self.open_at(place)]
        found.sort(key=lambda stored: (catalogue.entry(stored.blocker.reason).importance, stored.key))
        return [stored.blocker for stored in found]

    async def identify(self, tenant: str, blockers: Iterable[Blocker]) -> list[Blocker]:
        """Give blockers the name, times and remedies of their open versions, without recording them."""
        return [await self._identified(tenant, blocker) for blocker in blockers]

    def describe(self, blocker: Blocker) -> Blocker:
        """Return a blocker that memory shows and that is not open, with its texts, at once.

        A link session would have to be made first. When its cause was verified is not known.
        """
        seen = _copy(blocker)
        if self._relink is not None and self._relink.heals(seen):
            self._relink.name_missing_access(seen)
        whole = completed(seen)
        whole.ClearField("check_time")
        return whole

    def with_links(self, blockers: Iterable[Blocker]) -> list[Blocker]:
        """Return blockers that were stored elsewhere, those that are open with the link that they carry now."""
        return [self._with_current_link(blocker) for blocker in blockers]

    def selected(self, selection: Selection, blocker: Blocker) -> bool:
        """Say whether a selection means a blocker of its tenant."""
        if selection == Selection(selection.tenant):
            return True
        if blocker.device:
            record = self._registry.find(blocker.device)
            return record is not None and selection.matches(record)
        if blocker.connection:
            connection = self._connections.identity(blocker.connection)
            whole = connection is not None and selection.matches_connection(connection)
            return whole or any(map(selection.matches, self._registry.of_connection(blocker.connection)))
        whole_ones = map(selection.matches_connection, self._connections.identities(selection.tenant))
        return any(whole_ones) or bool(self._registry.select(selection))

    async def list(self, selection: Selection, request: ListBlockersRequest) -> ListBlockersResponse:
        """List blockers, oldest first.

        Raises:
            Problem: PAGE_TOKEN_INVALID, FIELD_INVALID.
        """
        arguments = selection.digest() + bytes([request.include_resolved])
        page = PageRequest.parse(request.page_size, request.page_token, arguments)
        found: list[StoredBlocker] = []
        async for stored in self._rows.read(selection.tenant, page.after, request.include_resolved):
            current = await self._current(stored)
            if current is not None and _is_asked_for(current, request) and self.selected(selection, current.blocker):
                found.append(current)
            if len(found) > page.size:
                break
        chosen, token = page.cut(found, lambda stored: stored.key, lambda stored: stored.blocker)
        return ListBlockersResponse(blockers=chosen, next_page_token=token)

    def listen(self, listener: BlockerListener) -> Callable[[], None]:
        """Tell a listener about every blocker that opens, changes or is resolved; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def watch(
        self, selection: Selection, request: WatchBlockersRequest, draining: asyncio.Event
    ) -> AsyncIterator[WatchBlockersResponse]:
        """Stream the open blockers, the marker, then news; ends with SERVER_DRAINING."""
        return watch_blockers(self, selection, request, draining)

    # Inside

    async def _record_one(self, tenant: str, blocker: Blocker) -> Blocker:
        if not catalogue.entry(blocker.reason).lasting:
            return completed(blocker)
        seen = await self._with_link(tenant, blocker)
        async with self._writing:
            if self._is_orphan(seen):
                return seen
            known = self._known(tenant, seen)
            if known is None:
                return await self._open_new(tenant, seen)
            # The link of the open one is looked after; one that was made before waiting may have ended since.
            keep_link(known, seen)
            return await self._replace(tenant, known, merged(known, seen))

    async def _with_link(self, tenant: str, blocker: Blocker) -> Blocker:
        """Return the whole blocker, with a link session that can be opened if linking heals it."""
        seen = _copy(blocker)
        if self._relink is not None and self._relink.heals(seen):
            self._relink.name_missing_access(seen)
            known = self._known(tenant, seen)
            if known is None or not keep_link(known, seen):
                await self._relink.attach(seen)
        return completed(seen)

    async def _refresh_link(self, relink: Relink, blocker: Blocker) -> None:
        """Replace the link of an open blocker; if none can be made, at least the ended one goes."""
        fresh = without_link(blocker)
        await relink.attach(fresh)
        async with self._writing:
            if (current := self._open.get(blocker.name)) is None:
                return
            news = without_link(current.blocker)
            if (link := link_of(fresh)) is not None:
                put_link(news, link)
            await self._replace(current.tenant, current.blocker, news)

    def _with_current_link(self, blocker: Blocker) -> Blocker:
        current = self._open.get(blocker.name)
        if current is None or (link := link_of(current.blocker)) is None:
            return blocker
        result = _copy(blocker)
        put_link(result, link)
        return result

    def _open_of_connection(self, connection: str) -> Sequence[StoredBlocker]:
        return [stored for stored in self._open.values() if stored.blocker.connection == connection]

    def _is_orphan(self, blocker: Blocker) -> bool:
        """Say whether the device or the connection of a blocker is gone."""
        if blocker.device and self._registry.find(blocker.device) is None:
            return True
        return bool(blocker.connection) and self._connections.identity(blocker.connection) is None

    async def _replace(self, tenant: str, known: Blocker, news: Blocker) -> Blocker:
        stored = StoredBlocker(tenant, news)
        told = same_news(known, news)
        if not told:
            await self._rows.update(stored)
        if news.name not in self._open:
            # Its device or connection was removed meanwhile.
            return news
        self._remember(stored)
        if not told:
            self._tell(stored)
        return news

    async def _current(self, stored: StoredBlocker) -> StoredBlocker | None:
        """Return a stored blocker as it is now: what is open is fresher in memory."""
        name = stored.blocker.name
        if stored.blocker.state != BlockerState.BLOCKER_STATE_OPEN:
            return stored
        if (current := self._open.get(name)) is not None:
            return current
        # Since its row was read it was resolved, or its device was removed.
        again = await self._rows.find(name)
        return again if again is not None and again.blocker.state != BlockerState.BLOCKER_STATE_OPEN else None

    async def _open_new(self, tenant: str, blocker: Blocker) -> Blocker:
        blocker.name = f"blockers/{random_id()}"
        blocker.create_time.CopyFrom(blocker.check_time)
        stored = StoredBlocker(tenant, blocker)
        await self._rows.insert(stored)
        self._remember(stored)
        self._tell(stored)
        log.info("blocker_opened", blocker=blocker.name, reason=catalogue.entry(blocker.reason).name)
        return blocker

    def _known(self, tenant: str, blocker: Blocker) -> Blocker | None:
        name = self._names.get((tenant, identity(blocker)))
        return self._open[name].blocker if name is not None else None

    async def _identified(self, tenant: str, blocker: Blocker) -> Blocker:
        seen = await self._with_link(tenant, blocker)
        known = self._known(tenant, seen)
        return seen if known is None else merged(known, seen)

    def _device_changed(self, change: DeviceChange) -> None:
        if change.kind is not DeviceChangeKind.REMOVED:
            return
        device = change.record.name
        self._withdraw(self.open_at(device))
        self._clean(self._rows.delete_device(device))

    def _withdraw(self, gone: Iterable[StoredBlocker]) -> None:
        """Forget blockers whose device or connection is gone; to watchers they are resolved."""
        for stored in gone:
            last = without_link(stored.blocker)
            last.state = BlockerState.BLOCKER_STATE_RESOLVED
            last.resolve_time.FromDatetime(datetime.now(UTC))
            self._forget(last.name)
            self._tell(StoredBlocker(stored.tenant, last))

    def _clean(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._cleaning.add(task)
        task.add_done_callback(self._cleaned)

    def _cleaned(self, task: asyncio.Task[None]) -> None:
        self._cleaning.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The rows stay behind; the next start deletes them.
            log.error("blocker_cleaning_failed", error=repr(error))

    def _remember(self, stored: StoredBlocker) -> None:
        self._open[stored.blocker.name] = stored
        self._names[stored.tenant, identity(stored.blocker)] = stored.blocker.name
        self._places[_place(stored)].add(stored.blocker.name)

    def _forget(self, name: str) -> None:
        stored = self._open.pop(name)
        self._names.pop((stored.tenant, identity(stored.blocker)), None)
        place = _place(stored)
        self._places[place].discard(name)
        if not self._places[place]:
            del self._places[place]

    def _tell(self, stored: StoredBlocker) -> None:
        for listener in tuple(self._listeners):
            listener(stored)


def _is_asked_for(stored: StoredBlocker, request: ListBlockersRequest) -> bool:
    return request.include_resolved or stored.blocker.state == BlockerState.BLOCKER_STATE_OPEN


def _place(stored: StoredBlocker) -> str:
    return stored.blocker.device or stored.blocker.connection or stored.tenant


def _copy(blocker: Blocker) -> Blocker:
    copy = Blocker()
    copy.CopyFrom(blocker)
    return copy


def _with_metadata(blocker: Blocker, problem: Problem) -> Blocker:
    """Let a blocker keep what its problem knows, so that it can be told again later."""
    if blocker.reason != problem.reason:
        return blocker
    result = _copy(blocker)
    for key, value in problem.metadata.items():
        if key not in _KEYS_WITH_FIELDS:
            result.metadata.setdefault(key, value)
    return result


def _with_learned(problem: Problem, recorded: Iterable[Blocker]) -> Mapping[str, str]:
    """Return a problem's metadata with what its recorded blocker knows beyond, such as the missing access."""
    own: Mapping[str, str] = next((blocker.metadata for blocker in recorded if blocker.reason == problem.reason), {})
    learned = {key: own[key] for key in catalogue.entry(problem.reason).metadata_keys if key in own}
    return {**learned, **problem.metadata}
