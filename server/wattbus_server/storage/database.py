"""The database connection: SQLite in WAL mode by default, PostgreSQL for more than one replica."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from sqlalchemy import URL, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from wattbus_server.settings import ConfigurationError

VARIABLE = "WATTBUS_DATABASE_URL"
_EXAMPLE = "sqlite+aiosqlite:///wattbus.db"


def open_engine(database_url: str) -> AsyncEngine:
    """Return an engine for a SQLAlchemy URL, for example `sqlite+aiosqlite:///wattbus.db`.

    A committed write survives `kill -9` and power loss: SQLite runs in WAL mode with full synchronisation. Deleted rows
    are overwritten there. A new SQLite file is readable by its owner only: it tells where vehicles are. Values never
    show in error messages.

    Raises:
        ConfigurationError: the URL or its driver is unfit, or the file cannot be made.
    """
    try:
        url = make_url(database_url)
        engine = create_async_engine(url, hide_parameters=True)
    except ArgumentError:
        raise ConfigurationError(VARIABLE, f"is no SQLAlchemy URL of a known database; try {_EXAMPLE}") from None
    except InvalidRequestError:
        raise ConfigurationError(VARIABLE, f"names a driver that is not asynchronous; try {_EXAMPLE}") from None
    except ImportError as error:
        raise ConfigurationError(VARIABLE, f"names a driver that is not installed ({error}); install it") from None
    if url.get_backend_name() == "sqlite":
        _create_privately(url)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


@contextlib.contextmanager
def explained_connection(url: URL) -> Iterator[None]:
    """Explain by the setting why a database cannot be used.

    Raises:
        ConfigurationError: in place of what the driver raised.
    """
    try:
        yield
    except (DBAPIError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error.strerror or error
        shown = url.render_as_string(hide_password=True)
        raise ConfigurationError(
            VARIABLE, f"{shown} cannot be opened ({cause}); name a database that this process can read and write"
        ) from error


def _create_privately(url: URL) -> None:
    """Create the file before SQLite does, which gives the journals beside it the same permissions."""
    if url.database in (None, "", ":memory:") or "uri" in url.query:
        return
    with explained_connection(url), contextlib.suppress(FileExistsError):
        os.close(os.open(str(url.database), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


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
