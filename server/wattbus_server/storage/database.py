"""The database connection: SQLite in WAL mode by default, PostgreSQL for more than one replica."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def open_engine(database_url: str) -> AsyncEngine:
    """Return an engine for a SQLAlchemy URL, for example `sqlite+aiosqlite:///wattbus.db`.

    A committed write survives `kill -9` and power loss: SQLite runs in WAL mode with full synchronisation. Deleted rows
    are overwritten there. Values never show in error messages.
    """
    engine = create_async_engine(database_url, hide_parameters=True)
    if make_url(database_url).get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=10000",
        "secure_delete=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
