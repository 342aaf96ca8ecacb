"""How blockers are written to and read from the database."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import RowMapping, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.blocker_pb2 import Blocker, BlockerState

from wattbus_server.blockers.identity import identity
from wattbus_server.blockers.relink import without_link
from wattbus_server.paging import read_time_key, time_key
from wattbus_server.storage.tables import blockers

_BATCH = 500


@dataclass(frozen=True)
class StoredBlocker:
    """A blocker and the tenant that it belongs to."""

    tenant: str
    blocker: Blocker

    @property
    def key(self) -> str:
        """Where it stands in lists, oldest first."""
        return time_key(self.blocker.create_time.ToDatetime(UTC), self.blocker.name)


class BlockerRows:
    """The table of blockers. Links of link sessions are secrets and never get there."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read_open(self) -> list[StoredBlocker]:
        """Read every open blocker of every tenant."""
        async with self._engine.connect() as database:
            rows = await database.execute(select(blockers).where(blockers.c.open))
            return [_stored(row) for row in rows.mappings()]

    async def read(self, tenant: str, after: str, include_resolved: bool) -> AsyncIterator[StoredBlocker]:
        """Yield the blockers of a tenant whose key lies behind `after`, oldest first.

        Raises:
            Problem: PAGE_TOKEN_INVALID if `after` is no key.
        """
        order = (blockers.c.create_time, blockers.c.name)
        while True:
            query = select(blockers).where(blockers.c.tenant == tenant).order_by(*order).limit(_BATCH)
            if not include_resolved:
                query = query.where(blockers.c.open)
            if after:
                time, name = read_time_key(after)
                behind = and_(blockers.c.create_time == time, blockers.c.name > name)
                query = query.where(or_(blockers.c.create_time > time, behind))
            async with self._engine.connect() as database:
                batch = [_stored(row) for row in (await database.execute(query)).mappings()]
            for stored in batch:
                yield stored
            if len(batch) < _BATCH:
                return
            after = batch[-1].key

    async def find(self, name: str) -> StoredBlocker | None:
        """Read one blocker, or None if it is gone."""
        async with self._engine.connect() as database:
            row = (await database.execute(select(blockers).where(blockers.c.name == name))).mappings().one_or_none()
        return None if row is None else _stored(row)

    async def insert(self, stored: StoredBlocker) -> None:
        """Store a new blocker."""
        async with self._engine.begin() as database:
            await database.execute(insert(blockers).values(**_values(stored)))

    async def update(self, stored: StoredBlocker) -> None:
        """Store a new version of a blocker."""
        async with self._engine.begin() as database:
            row = blockers.c.name == stored.blocker.name
            await database.execute(update(blockers).where(row).values(**_values(stored)))

    async def delete_device(self, device: str) -> None:
        """Delete every blocker of a device, resolved ones too."""
        async with self._engine.begin() as database:
            await database.execute(delete(blockers).where(blockers.c.device == device))

    async def delete_connection(self, connection: str) -> None:
        """Delete every blocker of a connection and its devices, resolved ones too."""
        async with self._engine.begin() as database:
            await database.execute(delete(blockers).where(blockers.c.connection == connection))

    async def delete_named(self, names: Collection[str]) -> None:
        """Delete blockers by name."""
        async with self._engine.begin() as database:
            await database.execute(delete(blockers).where(blockers.c.name.in_(names)))

    async def delete_resolved_before(self, moment: datetime) -> None:
        """Delete blockers that are resolved and were created before a moment."""
        async with self._engine.begin() as database:
            await database.execute(delete(blockers).where(~blockers.c.open, blockers.c.create_time < moment))


def _values(stored: StoredBlocker) -> dict[str, object]:
    blocker = stored.blocker
    return {
        "name": blocker.name,
        "tenant": stored.tenant,
        "identity": identity(blocker),
        "connection": blocker.connection,
        "device": blocker.device,
        "open": blocker.state == BlockerState.BLOCKER_STATE_OPEN,
        "blocker": without_link(blocker).SerializeToString(),
        "create_time": blocker.create_time.ToDatetime(UTC),
    }


def _stored(row: RowMapping) -> StoredBlocker:
    return StoredBlocker(row["tenant"], Blocker.FromString(row["blocker"]))
