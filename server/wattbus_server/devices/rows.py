"""How device records are written to and read from the database."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbus_server.storage.tables import devices
from wattbus_server.vendors.contract import DeviceRecord


async def read_devices(database: AsyncConnection, connection: str | None = None) -> list[DeviceRecord]:
    """Read the devices of one connection, or all."""
    query = select(devices)
    if connection is not None:
        query = query.where(devices.c.connection == connection)
    return [_record(row) for row in (await database.execute(query)).mappings()]


async def write_devices(database: AsyncConnection, connection: str, records: Sequence[DeviceRecord]) -> None:
    """Make these records the devices of a connection, in the transaction that the caller opened."""
    await database.execute(delete(devices).where(devices.c.connection == connection))
    if records:
        await database.execute(insert(devices), [_row(record) for record in records])


def _row(record: DeviceRecord) -> dict[str, Any]:
    row = dict(vars(record))
    row["vendor_facts"] = json.dumps(dict(record.vendor_facts)).encode()
    return row


def _record(row: RowMapping) -> DeviceRecord:
    values = dict(row)
    values["vendor_facts"] = json.loads(values["vendor_facts"])
    return DeviceRecord(**values)
