import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wattbus_server.storage.database import open_engine
from wattbus_server.storage.migrate import migrate
from wattbus_server.tenants.directory import TenantDirectory

ROUNDS = 20


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[TenantDirectory]:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path}/wattbus.db")
    await migrate(engine)
    directory = TenantDirectory(engine)
    await directory.load()
    yield directory
    await engine.dispose()


async def test_what_is_changed_while_everything_is_read_again_stays_changed(directory: TenantDirectory) -> None:
    tenant = await directory.create_tenant("Acme")
    for _ in range(ROUNDS):
        _, (key, secret) = await asyncio.gather(directory.load(), directory.create_key(tenant.name, ""))
        assert directory.authenticate(secret) == key
        await asyncio.gather(directory.load(), directory.revoke_key(key.name))
        assert directory.authenticate(secret) is None
