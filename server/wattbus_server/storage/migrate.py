"""Brings the database to the tables of this version, at every start."""

from contextlib import aclosing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbus_server.settings import ConfigurationError
from wattbus_server.storage.database import VARIABLE, explained_connection

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any fixed number: replicas that start together take turns on it.
_POSTGRESQL_LOCK = 7_290_331


async def migrate(engine: AsyncEngine) -> None:
    """Apply the migrations that are missing, all or none. Processes that start together wait for one another.

    Raises:
        ConfigurationError: the database cannot be opened, or a newer version has changed it.
    """
    with explained_connection(engine.url):
        connection = await engine.connect()
    async with aclosing(connection):
        with explained_connection(engine.url):
            await connection.run_sync(_take_turn)
        await connection.run_sync(_upgrade)
        await connection.commit()


def _take_turn(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _POSTGRESQL_LOCK})


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        # This version does not know the migration that the database is at.
        raise ConfigurationError(
            VARIABLE, f"a newer version has changed this database; run that, or restore a backup ({error})"
        ) from error
