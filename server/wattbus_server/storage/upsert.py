"""Insert or update in one statement, in the dialects that Wattbus runs on."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect


def insert_for(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that knows `on_conflict_do_update`."""
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def upsert(
    dialect: Dialect, table: Table, values: Mapping[str, Any], *, keep: Collection[str] = ()
) -> sqlite.Insert | postgresql.Insert:
    """Insert a row, or overwrite the one with the same primary key except for the columns to `keep`."""
    statement = insert_for(dialect, table).values(dict(values))
    key = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in values if name not in key and name not in keep}
    return statement.on_conflict_do_update(index_elements=key, set_=changed)
