"""Verification: open blockers close by themselves once the vendor shows that their cause is gone."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from google.protobuf.message import Message
from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.connection_pb2 import Vendor
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.catalogue_entry import Healing
from wattbus_server.blockers.identity import blocks
from wattbus_server.blockers.ledger import BlockerLedger
from wattbus_server.blockers.rows import StoredBlocker
from wattbus_server.devices.owners import ConnectionIdentity, KnownConnections
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.problem import Problem
from wattbus_server.shared_work import SharedWork, few_at_a_time
from wattbus_server.vendors.contract import DeviceRecord, VendorAccount, VendorAdapter

log = structlog.get_logger()

_AT_ONCE = 8
"""Verifications that run at the same time, over all connections."""
_AT_ONCE_IN_A_ROUND = 4
"""Those of a regular round; the other places are for callers who wait for the answer."""
_WITNESSES = 5
"""Connections that are asked about a blocker of all connections, until one of them can tell."""

RESOLVED_RETENTION = timedelta(days=30)
"""How long a resolved blocker can still be listed, counted from when it opened."""


class VendorAccess(Protocol):
    """How vendors are reached; the connections stand behind it."""

    def account(self, connection: str) -> VendorAccount:
        """Return the account of a connection."""

    def adapter(self, vendor: Vendor.ValueType) -> VendorAdapter:
        """Return the adapter of a vendor."""


class BlockerVerifier:
    """Asks the vendor whether open blockers still stand: regularly, on demand, and when something hints at a change."""

    def __init__(
        self,
        ledger: BlockerLedger,
        registry: DeviceRegistry,
        connections: KnownConnections,
        accounts: VendorAccess,
        interval: timedelta,
    ) -> None:
        self._ledger = ledger
        self._registry = registry
        self._connections = connections
        self._accounts = accounts
        self._interval = interval.total_seconds()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._running: SharedWork[str, bool] = SharedWork()
        self._seen: dict[str, bytes] = {}
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to verify regularly."""
        self._loop = asyncio.get_running_loop().create_task(self._verify_regularly())

    async def close(self) -> None:
        """Stop; what is being verified is left undecided."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await self._running.cancel()

    async def verify(self, tenant: str, connection: str) -> None:
        """Verify everything that is open for a connection, and return when that is done."""
        await self._verify_all(
            stored
            for stored in self._ledger.open_blockers()
            if stored.tenant == tenant and stored.blocker.connection in ("", connection)
        )

    async def still_stands(self, name: str) -> bool:
        """Ask the vendor now whether a blocker still stands. Those who ask at the same time share the answer."""
        return await self._running.join(name, lambda: self._verify_one(name))

    def doubt(self, device: DeviceRecord, kind: ActionKind.ValueType) -> None:
        """Verify soon what blocks an action on a device, because the action got through."""
        for blocker in self._ledger.open_for(device):
            stored = self._ledger.get_open(blocker.name)
            if stored is not None and blocks(blocker, kind):
                self._verify_soon(stored)

    def connection_changed(self, connection: str) -> None:
        """Verify soon what is open for a connection, because its grant or its devices changed."""
        for stored in self._ledger.open_blockers():
            if stored.blocker.connection == connection:
                self._verify_soon(stored)

    def state_changed(self, state: DeviceState) -> None:
        """Verify soon what is open for a device, if a group changed in which causes show."""
        record = self._registry.find(state.device)
        if record is None:
            return
        affected = self._ledger.open_at(record.name)
        if not affected:
            self._seen.pop(record.name, None)
            return
        picture = _telling_picture(state)
        if self._seen.get(record.name) == picture:
            return
        self._seen[record.name] = picture
        for stored in affected:
            self._verify_soon(stored)

    async def _verify_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._interval * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, guards nothing
            try:
                await self._ledger.refresh_links()
                await self._verify_all(self._ledger.open_blockers())
                await self._ledger.prune(datetime.now(UTC) - RESOLVED_RETENTION)
            except Exception:
                # The database may be busy or away for a moment; the next round comes all the same.
                log.exception("blockers_not_verified")

    async def _verify_all(self, blockers: Iterable[StoredBlocker]) -> None:
        """Verify few at a time: a command of one tenant must not wait for the blockers of all others."""
        names = [stored.blocker.name for stored in blockers if _can_be_asked(stored)]
        await few_at_a_time(_AT_ONCE_IN_A_ROUND, names, self.still_stands)

    def _verify_soon(self, stored: StoredBlocker) -> None:
        if _can_be_asked(stored):
            # The task is kept by `_running` until it is done.
            started = asyncio.get_running_loop().create_task(self.still_stands(stored.blocker.name))
            started.add_done_callback(_ignore_cancellation)

    async def _verify_one(self, name: str) -> bool:
        async with self._slots:
            if (stored := self._ledger.get_open(name)) is None:
                return False
            try:
                blocked = await self._ask(stored)
            except Problem as problem:
                # Not being able to ask proves nothing.
                log.debug("blocker_not_verified", blocker=name, reason=problem.reason_name)
                return True
            except Exception:
                log.exception("blocker_verification_failed", blocker=name)
                return True
            if blocked:
                self._ledger.confirm(name)
            else:
                await self._ledger.resolve(name)
            return blocked

    async def _ask(self, stored: StoredBlocker) -> bool:
        blocker = stored.blocker
        device = self._registry.find(blocker.device) if blocker.device else None
        trouble: Problem | None = None
        for witness in self._witnesses(stored, device):
            account = self._accounts.account(witness.name)
            try:
                return await self._accounts.adapter(witness.vendor).still_blocked(account, device, blocker)
            except Problem as problem:
                trouble = problem
        if trouble is not None:
            raise trouble
        return True

    def _witnesses(self, stored: StoredBlocker, device: DeviceRecord | None) -> Sequence[ConnectionIdentity]:
        """Return connections by which the vendor can be asked about a blocker; the first that can tell is enough."""
        blocker = stored.blocker
        if blocker.device and device is None:
            return ()
        connection = blocker.connection or (device.connection if device is not None else "")
        if connection:
            known = self._connections.identity(connection)
            return () if known is None else (known,)
        # Every connection is affected alike. One whose grant is dead cannot tell, so others are asked.
        everyone = self._connections.identities(stored.tenant)
        return random.sample(everyone, min(_WITNESSES, len(everyone)))


def _can_be_asked(stored: StoredBlocker) -> bool:
    return catalogue.entry(stored.blocker.reason).healing is Healing.VERIFIED


def _telling_picture(state: DeviceState) -> bytes:
    """Return bytes that change when a group changes in which causes show.

    Power and charge change all the time and prove nothing; nor does the time of observation.
    """
    groups: tuple[Message, ...] = (state.battery.settings, state.battery.overrides, state.vehicle.information)
    return str(state.connectivity.status).encode() + b"/".join(_without_time(group) for group in groups)


def _without_time(group: Message) -> bytes:
    copy = type(group)()
    copy.CopyFrom(group)
    copy.ClearField("observe_time")
    return copy.SerializeToString(deterministic=True)


def _ignore_cancellation(task: "asyncio.Task[bool]") -> None:
    if not task.cancelled():
        task.exception()
