"""Discovery: what devices an account has, when it is linked, when the caller asks, and again and again."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from wattbus.v1.blocker_pb2 import Blocker

from wattbus_server.connections.accounts import Accounts
from wattbus_server.connections.keeper import RecordProblem, record_nothing
from wattbus_server.connections.obstacles import Obstacles
from wattbus_server.connections.records import MAXIMUM_MESSAGE, ConnectionRecord, Standing
from wattbus_server.connections.store import ConnectionChange, ConnectionChangeKind, ConnectionStore
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.problem import Problem
from wattbus_server.shared_work import few_at_a_time

log = structlog.get_logger()

_FIRST_RETRY = timedelta(seconds=30)
_LONGEST_RETRY = timedelta(hours=1)
_CHECK_SECONDS = 5.0
_AT_ONCE = 4
"""Connections that are discovered at the same time in the background: a slow vendor account delays few others."""


class Discovery:
    """Finds the devices of connections, hands them to the registry, and has what stands in their way recorded.

    In the background every connection is discovered once an `interval`, so that new devices appear by themselves, and
    sooner if an attempt failed.
    """

    def __init__(
        self,
        connections: ConnectionStore,
        accounts: Accounts,
        registry: DeviceRegistry,
        obstacles: Obstacles,
        interval: timedelta,
    ) -> None:
        self._connections = connections
        self._accounts = accounts
        self._registry = registry
        self._obstacles = obstacles
        self._interval = interval
        self._retry_delays: dict[str, timedelta] = {}
        self._not_before: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None
        self.on_refused: RecordProblem = record_nothing
        connections.listen(self._connection_changed)

    def start(self) -> None:
        """Begin to discover in the background."""
        self._task = asyncio.create_task(self._run(), name="discovery")

    async def close(self) -> None:
        """Stop discovering in the background."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def discover(self, connection: str) -> Sequence[Blocker]:
        """Read the devices of a connection from the vendor and replace what is known.

        Returns what the end user is still to do at them, which is recorded, as is what the grant lacks.

        A failure leaves the devices as they are, and stands in the connection's `state_reason` until it succeeds.

        Raises:
            Problem: what the vendor's refusal means, or RESOURCE_NOT_FOUND.
        """
        async with self._connections.exclusive(connection):
            record = self._connections.existing(connection)
            adapter = self._accounts.adapter(record.vendor)
            try:
                found = await adapter.discover(self._accounts.account(connection))
            except Problem as problem:
                await self._failed(connection, problem)
                raise await self.on_refused(record.tenant, problem) from problem
            await self._registry.replace(record.identity, found)
            record = self._connections.existing(connection)
            standing = Standing.of_access(record.requested_access, adapter.granted_access(record.scopes))
            await self._connections.change(connection, sync_time=datetime.now(UTC), **standing.changes())
            self._forget(connection)
        await self._obstacles.of_grant(connection)
        return await self._obstacles.of_devices(connection)

    async def try_discover(self, connection: str) -> Sequence[Blocker] | None:
        """Discover; a failure is logged, stands in the connection, and is tried again in the background.

        Returns what `discover` does, or None if the devices could not be read.
        """
        try:
            return await self.discover(connection)
        except Problem as problem:
            log.warning("discovery_failed", connection=connection, reason=problem.reason_name)
        except Exception:
            # A defect met with one connection must not end the link flow, nor the discovery of all others.
            self._not_before[connection] = datetime.now(UTC) + _LONGEST_RETRY
            log.exception("discovery_defect", connection=connection)
        return None

    def retry(self, tenant: str, connection: str = "") -> None:
        """Discover what failed once more soon, because something that stood in the way is gone.

        Args:
            tenant: `tenants/…`.
            connection: `connections/…`; empty for all of the tenant.
        """
        for name in list(self._not_before):
            record = self._connections.find(name)
            if record is not None and record.tenant == tenant and connection in ("", name):
                del self._not_before[name]

    async def _failed(self, connection: str, problem: Problem) -> None:
        delay = self._retry_delays.get(connection, _FIRST_RETRY)
        self._retry_delays[connection] = min(delay * 2, _LONGEST_RETRY)
        self._not_before[connection] = datetime.now(UTC) + max(delay, problem.retry_delay or timedelta(0))
        record = self._connections.existing(connection)
        if not record.needs_reauthorization:
            await self._connections.change(
                connection, state_reason=problem.reason, state_message=problem.message[:MAXIMUM_MESSAGE]
            )

    def _connection_changed(self, change: ConnectionChange) -> None:
        if change.kind is ConnectionChangeKind.REMOVED:
            self._forget(change.record.name)

    def _forget(self, connection: str) -> None:
        self._retry_delays.pop(connection, None)
        self._not_before.pop(connection, None)

    async def _run(self) -> None:
        while True:
            due = [record.name for record in self._connections.all() if self._is_due(record)]
            await few_at_a_time(_AT_ONCE, due, self.try_discover)
            await asyncio.sleep(_CHECK_SECONDS)

    def _is_due(self, record: ConnectionRecord) -> bool:
        now = datetime.now(UTC)
        if record.needs_reauthorization or now < self._not_before.get(record.name, now):
            return False
        return record.sync_time is None or record.name in self._retry_delays or now - record.sync_time >= self._interval
