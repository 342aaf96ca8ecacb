"""The directory of tenants and API keys: in memory for every call, in the database for ever."""

import asyncio
import secrets
from datetime import UTC, datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.admin_service_pb2 import ApiKey, Tenant

from wattbus_server.problem import not_found
from wattbus_server.storage.tables import api_keys, tenants
from wattbus_server.tenants.secrets import hash_secret, is_well_formed, new_secret

TENANT_ID_BYTES = 10


class TenantDirectory:
    """Knows every tenant and every API key.

    Calls are authenticated from memory. A key that another process created or revoked is seen after `load`, which the
    server repeats every few seconds.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._tenants: dict[str, Tenant] = {}
        self._keys: dict[str, ApiKey] = {}
        self._key_by_hash: dict[bytes, str] = {}
        # What `load` read before a change must not overwrite the change: a revoked key would work again.
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Read everything from the database."""
        async with self._changing:
            await self._load()

    async def _load(self) -> None:
        async with self._engine.connect() as connection:
            tenant_rows = (await connection.execute(select(tenants))).all()
            key_rows = (await connection.execute(select(api_keys))).all()
        self._tenants = {row.name: _tenant(row.name, row.display_name, row.create_time) for row in tenant_rows}
        self._keys = {row.name: _api_key(row.name, row.display_name, row.create_time) for row in key_rows}
        for row in key_rows:
            if row.revoke_time is not None:
                self._keys[row.name].revoke_time.FromDatetime(row.revoke_time)
        self._key_by_hash = {row.secret_hash: row.name for row in key_rows}

    def authenticate(self, secret: str) -> ApiKey | None:
        """Return the working key that has this secret, or None."""
        if not is_well_formed(secret):
            return None
        name = self._key_by_hash.get(hash_secret(secret))
        return self._keys[name] if name is not None and self.is_working(name) else None

    def is_working(self, key_name: str) -> bool:
        """Say whether a key exists and is not revoked."""
        key = self._keys.get(key_name)
        return key is not None and not key.HasField("revoke_time")

    def get_tenant(self, name: str) -> Tenant:
        """Return a tenant.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        if name not in self._tenants:
            raise not_found("tenant", name)
        return self._tenants[name]

    def all_tenants(self) -> list[Tenant]:
        """Return all tenants, ordered by name."""
        return [self._tenants[name] for name in sorted(self._tenants)]

    def keys_of(self, tenant: str) -> list[ApiKey]:
        """Return the keys of a tenant, ordered by name."""
        self.get_tenant(tenant)
        return [self._keys[name] for name in sorted(self._keys) if tenant_of(name) == tenant]

    async def create_tenant(self, display_name: str) -> Tenant:
        """Create a tenant with a random name."""
        tenant = _tenant(f"tenants/{secrets.token_hex(TENANT_ID_BYTES)}", display_name, datetime.now(UTC))
        values = {
            "name": tenant.name,
            "display_name": display_name,
            "create_time": tenant.create_time.ToDatetime(tzinfo=UTC),
        }
        async with self._changing:
            async with self._engine.begin() as connection:
                await connection.execute(insert(tenants).values(values))
            self._tenants[tenant.name] = tenant
        return tenant

    async def create_key(self, tenant: str, display_name: str) -> tuple[ApiKey, str]:
        """Create a key; the second part of the answer is its secret, which is not kept.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        self.get_tenant(tenant)
        secret = new_secret()
        key = _api_key(f"{tenant}/apiKeys/{secrets.token_hex(TENANT_ID_BYTES)}", display_name, datetime.now(UTC))
        values = {
            "name": key.name,
            "tenant": tenant,
            "display_name": display_name,
            "secret_hash": hash_secret(secret),
            "create_time": key.create_time.ToDatetime(tzinfo=UTC),
        }
        async with self._changing:
            async with self._engine.begin() as connection:
                await connection.execute(insert(api_keys).values(values))
            self._keys[key.name] = key
            self._key_by_hash[hash_secret(secret)] = key.name
        return key, secret

    async def revoke_key(self, name: str) -> ApiKey:
        """Revoke a key at once. Revoking a revoked key changes nothing.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        async with self._changing:
            key = self._keys.get(name)
            if key is None:
                raise not_found("API key", name)
            if self.is_working(name):
                now = datetime.now(UTC)
                async with self._engine.begin() as connection:
                    await connection.execute(update(api_keys).where(api_keys.c.name == name).values(revoke_time=now))
                key.revoke_time.FromDatetime(now)
            return key


def tenant_of(key_name: str) -> str:
    """Return the tenant of a key's name."""
    return key_name.split("/apiKeys/", 1)[0]


def _tenant(name: str, display_name: str, create_time: datetime) -> Tenant:
    tenant = Tenant(name=name, display_name=display_name)
    tenant.create_time.FromDatetime(create_time)
    return tenant


def _api_key(name: str, display_name: str, create_time: datetime) -> ApiKey:
    key = ApiKey(name=name, display_name=display_name)
    key.create_time.FromDatetime(create_time)
    return key
