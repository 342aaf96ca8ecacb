"""The latest states in the database, written behind the changes in batches."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import structlog
from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbus_server.storage.tables import device_states

log = structlog.get_logger()

FLUSH_DELAY_SECONDS = 0.2
"""How long the first change of a batch waits for others."""
RETRY_DELAY_SECONDS = 2.0
"""How long to wait when the database did not take a batch."""
_BATCH = 500


@dataclass(frozen=True, slots=True)
class StoredState:
    """One row."""

    device: str
    revision: int
    state: bytes
    """Serialised DeviceState."""


class StateArchive:
    """Writes states some milliseconds after they changed, many in one transaction.

    `kill -9` loses at most what changed in that time. The next observation brings it back, and revisions never go back.
    """

    def __init__(self, engine: AsyncEngine, current: Callable[[str], StoredState | None]) -> None:
        """Prepare; nothing is written before `start`.

        Args:
            engine: the database.
            current: gives the newest state of a device, or None if its row is to go.
        """
        self._engine = engine
        self._current = current
        self._pending: set[str] = set()
        self._due = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def read(self) -> list[StoredState]:
        """Read all rows."""
        async with self._engine.connect() as database:
            rows = await database.execute(select(device_states))
            return [StoredState(row.device, row.revision, row.state) for row in rows]

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="state-archive")

    async def close(self) -> None:
        """Write what is pending and stop."""
        self._closing.set()
        self._due.set()
        if self._task is not None:
            await self._task
            self._task = None
        await self.flush()

    def changed(self, device: str) -> None:
        """Write this device soon."""
        self._pending.add(device)
        self._due.set()

    def refreshed(self, device: str) -> None:
        """Write this device together with the next change; nothing but observation times is new."""
        self._pending.add(device)

    async def _run(self) -> None:
        while not self._closing.is_set():
            await self._due.wait()
            await self._pause(FLUSH_DELAY_SECONDS)
            self._due.clear()
            try:
                await self.flush()
            except SQLAlchemyError:
                log.exception("states_not_stored", devices=len(self._pending))
                self._due.set()
                await self._pause(RETRY_DELAY_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def flush(self) -> None:
        """Write all that is pending in one transaction; if that fails it stays pending."""
        devices, self._pending = self._pending, set()
        if not devices:
            return
        try:
            await self._write(sorted(devices))
        except BaseException:
            self._pending |= devices
            raise

    async def _write(self, devices: list[str]) -> None:
        async with self._engine.begin() as database:
            for start in range(0, len(devices), _BATCH):
                batch = devices[start : start + _BATCH]
                await database.execute(
                    delete(device_states).where(device_states.c.device == bindparam("name")),
                    [{"name": name} for name in batch],
                )
                rows = self._rows(batch)
                if rows:
                    await database.execute(insert(device_states), rows)

    def _rows(self, devices: Iterable[str]) -> list[dict[str, str | int | bytes]]:
        states = (self._current(device) for device in devices)
        return [
            {"device": stored.device, "revision": stored.revision, "state": stored.state}
            for stored in states
            if stored is not None
        ]
