"""Obstacles: what a new grant and the discovered devices are known to lack, recorded before anybody sends a command."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from wattbus.v1.blocker_pb2 import Blocker

from wattbus_server.connections.accounts import Accounts
from wattbus_server.connections.store import ConnectionChange, ConnectionChangeKind, ConnectionStore
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.problem import Problem

log = structlog.get_logger()

_NEW_GRANT = frozenset({ConnectionChangeKind.ADDED, ConnectionChangeKind.RENEWED, ConnectionChangeKind.SCOPES_CHANGED})

RecordBlockers = Callable[[str, Sequence[Blocker]], Awaitable[Sequence[Blocker]]]
"""Takes a tenant and blockers, and returns them as they were recorded."""


async def _unrecorded(_tenant: str, blockers: Sequence[Blocker]) -> Sequence[Blocker]:
    """Stand in until the recording is wired."""
    return blockers


class Obstacles:
    """Looks at grants and devices when they come or change. What it records closes by verification, as all blockers."""

    def __init__(self, connections: ConnectionStore, accounts: Accounts, registry: DeviceRegistry) -> None:
        self._connections = connections
        self._accounts = accounts
        self._registry = registry
        self._looking: set[asyncio.Task[None]] = set()
        self.record: RecordBlockers = _unrecorded
        self._stop_listening = connections.listen(self._connection_changed)

    async def close(self) -> None:
        """Finish what is being recorded."""
        self._stop_listening()
        await asyncio.gather(*self._looking, return_exceptions=True)

    async def of_grant(self, connection: str) -> None:
        """Record what the grant lacks of the access that was requested."""
        record = self._connections.find(connection)
        if record is None or record.needs_reauthorization:
            return
        adapter = self._accounts.adapter(record.vendor)
        missing = adapter.missing_access(self._accounts.account(connection), record.requested_access)
        await self.record(record.tenant, missing)

    async def of_devices(self, connection: str) -> Sequence[Blocker]:
        """Record and return what the end user is still to do at the devices."""
        record = self._connections.find(connection)
        if record is None:
            return ()
        devices = self._registry.of_connection(connection)
        try:
            steps = await self._accounts.adapter(record.vendor).next_steps(self._accounts.account(connection), devices)
        except Problem as problem:
            # What cannot be told now shows as a blocker later.
            log.warning("next_steps_unknown", connection=connection, reason=problem.reason_name)
            return ()
        return await self.record(record.tenant, steps)

    def _connection_changed(self, change: ConnectionChange) -> None:
        if change.kind in _NEW_GRANT:
            task = asyncio.get_running_loop().create_task(self.of_grant(change.record.name))
            self._looking.add(task)
            task.add_done_callback(self._looked)

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The next discovery looks again.
            log.error("grant_not_examined", error=repr(error))
