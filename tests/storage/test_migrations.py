import asyncio
import os
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from wattbus_server.storage.database import open_engine
from wattbus_server.storage.migrate import migrate
from wattbus_server.storage.tables import metadata

MIGRATE = """
import asyncio, sys
from wattbus_server.storage.database import open_engine
from wattbus_server.storage.migrate import migrate

async def main():
    engine = open_engine(sys.argv[1])
    await migrate(engine)
    await engine.dispose()

asyncio.run(main())
"""


def database_url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/wattbus.db"


async def test_migrations_lead_to_the_tables_of_this_version(tmp_path: Path) -> None:
    engine = open_engine(database_url(tmp_path))
    await migrate(engine)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    engine = open_engine(database_url(tmp_path))
    await migrate(engine)
    await migrate(engine)
    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert set(tables) == {*metadata.tables, "alembic_version"}
    await engine.dispose()


async def test_processes_that_start_together_all_come_up(tmp_path: Path) -> None:
    url = database_url(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", MIGRATE, url, env=environment) for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
