"""The database connection: SQLite in WAL mode by default, PostgreSQL for more than one replica."""

import os
from typing import Any

from sqlalchemy import URL, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def open_engine(database_url: str) -> AsyncEngine:
    """Return an engine for a SQLAlchemy URL, for example `sqlite+aiosqlite:///wattbus.db`.

    A committed write survives `kill -9` and power loss: SQLite runs in WAL mode with full synchronisation. Deleted rows
    are overwritten there. A new SQLite file is readable by its owner only: it tells where vehicles are. Values never
    show in error messages.
    """
    url = make_url(database_url)
    engine = create_async_engine(url, hide_parameters=True)
    if url.get_backend_name() == "sqlite":
        _create_privately(url)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _create_privately(url: URL) -> None:
    """Create the file before SQLite does, which gives the journals beside it the same permissions."""
    if url.database in (None, "", ":memory:") or "uri" in url.query:
        return
    try:
        os.close(os.open(str(url.database), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return


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
