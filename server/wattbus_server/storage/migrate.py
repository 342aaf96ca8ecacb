"""Brings the database to the tables of this version, at every start."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any fixed number: replicas that start together take turns on it.
_POSTGRESQL_LOCK = 7_290_331


async def migrate(engine: AsyncEngine) -> None:
    """Apply the migrations that are missing, all or none. Processes that start together wait for one another."""
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _POSTGRESQL_LOCK})
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
