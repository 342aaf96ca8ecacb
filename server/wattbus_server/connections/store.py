"""All connections of all tenants, in memory, and stored before a change becomes visible."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wattbus_server.connections.records import ConnectionRecord, connection_record, connection_row
from wattbus_server.devices.owners import ConnectionIdentity
from wattbus_server.problem import not_found
from wattbus_server.storage.tables import connections, grants
from wattbus_server.storage.upsert import upsert


class ConnectionChangeKind(Enum):
    """What happened to a connection."""

    ADDED = "added"
    RENEWED = "renewed"
    """The end user linked it again."""
    SCOPES_CHANGED = "scopes_changed"
    """The latest token grants other scopes than the one before."""
    REAUTHORIZATION_REQUIRED = "reauthorization_required"
    """The grant is dead."""
    REMOVED = "removed"


@dataclass(frozen=True)
class ConnectionChange:
    """News of one connection."""

    kind: ConnectionChangeKind
    record: ConnectionRecord


ConnectionListener = Callable[[ConnectionChange], None]


class ConnectionStore:
    """Knows all connections. Reads are from memory; writes go to the database first."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._records: dict[str, ConnectionRecord] = {}
        self._listeners: list[ConnectionListener] = []
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def load(self) -> None:
        """Read all connections, once, at start."""
        query = select(connections, grants.c.scopes).outerjoin(grants, grants.c.connection == connections.c.name)
        async with self._engine.connect() as database:
            rows = (await database.execute(query)).mappings().all()
        self._records = {record.name: record for record in map(connection_record, rows)}

    def get(self, tenant: str, name: str) -> ConnectionRecord:
        """Return a connection of a tenant.

        Raises:
            Problem: RESOURCE_NOT_FOUND, also for connections of other tenants.
        """
        record = self._records.get(name)
        if record is None or record.tenant != tenant:
            raise not_found("connection", name)
        return record

    def find(self, name: str) -> ConnectionRecord | None:
        """Return a connection of any tenant, for the server's own use."""
        return self._records.get(name)

    def existing(self, name: str) -> ConnectionRecord:
        """Return a connection of any tenant.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        record = self._records.get(name)
        if record is None:
            raise not_found("connection", name)
        return record

    def identity(self, connection: str) -> ConnectionIdentity | None:
        """Return who a connection is, or None if there is none of that name."""
        record = self._records.get(connection)
        return record.identity if record is not None else None

    def identities(self, tenant: str) -> Sequence[ConnectionIdentity]:
        """Return every connection of a tenant."""
        return [record.identity for record in self._records.values() if record.tenant == tenant]

    def all(self) -> Iterable[ConnectionRecord]:
        """Return every connection of every tenant."""
        return tuple(self._records.values())

    def exclusive(self, name: str) -> asyncio.Lock:
        """Return the lock under which a connection's devices are discovered or everything of it is deleted."""
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock

    async def write(self, database: AsyncConnection, record: ConnectionRecord) -> None:
        """Insert or overwrite the row in the caller's transaction; call `adopt` after it is committed."""
        row = connection_row(vars(record))
        await database.execute(upsert(self._engine.dialect, connections, row, keep=("create_time",)))

    def adopt(self, record: ConnectionRecord) -> None:
        """Make a record visible that was written and committed, and tell whether it is new or renewed."""
        known = record.name in self._records
        self._records[record.name] = record
        self._tell(ConnectionChangeKind.RENEWED if known else ConnectionChangeKind.ADDED, record)

    async def change(self, name: str, kind: ConnectionChangeKind | None = None, **changes: Any) -> None:
        """Change fields of a connection, in the database and then in memory; tell listeners if `kind` is given.

        A connection that was deleted meanwhile stays deleted.
        """
        changes["update_time"] = datetime.now(UTC)
        statement = update(connections).where(connections.c.name == name).values(connection_row(changes))
        async with self._engine.begin() as database:
            await database.execute(statement)
        record = self._records.get(name)
        if record is None:
            return
        self._records[name] = record = replace(record, **changes)
        if kind is not None:
            self._tell(kind, record)

    async def remove(self, database: AsyncConnection, name: str) -> None:
        """Delete the row in the caller's transaction; call `forget` after it is committed."""
        await database.execute(delete(connections).where(connections.c.name == name))

    def forget(self, name: str) -> None:
        """Make a removal visible."""
        record = self._records.pop(name, None)
        if record is not None:
            self._tell(ConnectionChangeKind.REMOVED, record)

    def listen(self, listener: ConnectionListener) -> Callable[[], None]:
        """Tell a listener about every change after it became visible; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self, kind: ConnectionChangeKind, record: ConnectionRecord) -> None:
        for listener in tuple(self._listeners):
            listener(ConnectionChange(kind, record))
