"""Grants in the database: encrypted tokens, and the version by which of several writers exactly one wins."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wattbus_server.storage.encryption import Vault
from wattbus_server.storage.tables import grants
from wattbus_server.vendors.contract import Grant


@dataclass(frozen=True)
class StoredGrant:
    """A grant as it was read."""

    grant: Grant
    version: int
    claim_expire_time: datetime | None

    def is_claimed(self) -> bool:
        """Say whether somebody may be spending the refresh token at this moment."""
        return self.claim_expire_time is not None and self.claim_expire_time > datetime.now(UTC)


class GrantStore:
    """Reads and writes grants."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def read(self, connection: str) -> StoredGrant | None:
        """Return the grant as the database has it now."""
        async with self._engine.connect() as database:
            row = (await database.execute(select(grants).where(grants.c.connection == connection))).one_or_none()
        if row is None:
            return None
        return StoredGrant(self._open(connection, row.tokens_encrypted), row.version, row.claim_expire_time)

    async def write(self, database: AsyncConnection, connection: str, grant: Grant) -> None:
        """Put a newly linked grant in place of any other, in the caller's transaction; a running renewal loses."""
        row = self._row(connection, grant)
        statement = update(grants).where(grants.c.connection == connection)
        renewed = await database.execute(statement.values(row | {"version": grants.c.version + 1}))
        if renewed.rowcount == 0:
            await database.execute(insert(grants).values(row | {"connection": connection, "version": 1}))

    async def claim(self, connection: str, version: int, lease: timedelta) -> int | None:
        """Take the right to spend the refresh token; None if the grant changed since it was read.

        The right ends by itself after `lease`, in case this process dies.
        """
        values = {"version": version + 1, "claim_expire_time": datetime.now(UTC) + lease}
        return version + 1 if await self._swap(connection, version, values) else None

    async def settle(self, connection: str, claimed_version: int, grant: Grant) -> bool:
        """Store a renewed grant and end the claim; False if the claim was lost, and nothing is stored then."""
        return await self._swap(
            connection, claimed_version, self._row(connection, grant) | {"version": claimed_version + 1}
        )

    async def release(self, connection: str, claimed_version: int) -> bool:
        """End a claim without a new grant; False if it was lost."""
        return await self._swap(
            connection, claimed_version, {"version": claimed_version + 1, "claim_expire_time": None}
        )

    async def remove(self, database: AsyncConnection, connection: str) -> None:
        """Wipe the tokens, in the caller's transaction."""
        await database.execute(delete(grants).where(grants.c.connection == connection))

    async def _swap(self, connection: str, version: int, values: dict[str, object]) -> bool:
        statement = update(grants).where(grants.c.connection == connection, grants.c.version == version)
        async with self._engine.begin() as database:
            return bool((await database.execute(statement.values(values))).rowcount == 1)

    def _row(self, connection: str, grant: Grant) -> dict[str, object]:
        tokens = {
            "access_token": grant.access_token,
            "refresh_token": grant.refresh_token,
            "expire_time": grant.expire_time.isoformat(),
            "scopes": sorted(grant.scopes),
            "subject": grant.subject,
            "region_hint": grant.region_hint,
        }
        return {
            "tokens_encrypted": self._vault.encrypt(json.dumps(tokens).encode(), _context(connection)),
            "scopes": " ".join(sorted(grant.scopes)),
            "claim_expire_time": None,
            "update_time": datetime.now(UTC),
        }

    def _open(self, connection: str, encrypted: bytes) -> Grant:
        tokens = json.loads(self._vault.decrypt(encrypted, _context(connection)))
        tokens["expire_time"] = datetime.fromisoformat(tokens["expire_time"])
        tokens["scopes"] = frozenset(tokens["scopes"])
        return Grant(**tokens)


def _context(connection: str) -> str:
    return f"grants/{connection}"
