"""Durable sessions and counters of signed vehicle commands, shared by all replicas."""

from sqlalchemy import case, delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbus_server.storage.tables import signing_counters, signing_sessions
from wattbus_server.storage.upsert import insert_for, upsert
from wattbus_server.vendors.tesla.signing import Domain, StoredSession

_COUNTER_KEY = [column.name for column in signing_counters.primary_key]


class SqlSessionStore:
    """Implements `vendors.tesla.signing.SessionStore` in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self, vin: str, domain: Domain, key_fingerprint: str) -> StoredSession | None:
        """Return the session saved last, or None."""
        table = signing_sessions.c
        query = select(signing_sessions).where(
            table.vin == vin, table.domain == int(domain), table.key_fingerprint == key_fingerprint
        )
        async with self._engine.connect() as database:
            row = (await database.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        return StoredSession(**{**row, "domain": Domain(row["domain"])})

    async def save(self, session: StoredSession) -> None:
        """Store a session in place of the one before, and delete the counters of other epochs."""
        values = {field: getattr(session, field) for field in StoredSession.__dataclass_fields__}
        values["domain"] = int(session.domain)
        table = signing_counters.c
        others = delete(signing_counters).where(
            table.vin == session.vin,
            table.domain == int(session.domain),
            table.key_fingerprint == session.key_fingerprint,
            table.epoch != session.epoch,
        )
        async with self._engine.begin() as database:
            await database.execute(upsert(self._engine.dialect, signing_sessions, values))
            await database.execute(others)

    async def forget(self, vin: str) -> None:
        """Delete everything about a vehicle."""
        async with self._engine.begin() as database:
            for table in (signing_sessions, signing_counters):
                await database.execute(delete(table).where(table.c.vin == vin))

    async def reserve_counter(self, vin: str, domain: Domain, key_fingerprint: str, epoch: bytes, floor: int) -> int:
        """Reserve a counter, durably.

        One statement reads, raises and returns it, so two replicas never get the same one.

        Returns:
            A number greater than `floor` and greater than every number returned before for the same epoch.
        """
        counter = signing_counters.c.counter
        statement = insert_for(self._engine.dialect, signing_counters).values(
            vin=vin, domain=int(domain), key_fingerprint=key_fingerprint, epoch=epoch, counter=floor + 1
        )
        raised = case((counter > floor, counter), else_=floor) + 1
        statement = statement.on_conflict_do_update(index_elements=_COUNTER_KEY, set_={"counter": raised})
        async with self._engine.begin() as database:
            return int((await database.execute(statement.returning(counter))).scalar_one())
