"""Commands over a real database, a real registry, hub and ledger, and a scripted vendor."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.action_pb2 import Action
from wattbus.v1.command_pb2 import Command, CommandState, Rung
from wattbus.v1.connection_pb2 import Vendor
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.device_service_pb2 import CreateCommandRequest
from wattbus.v1.state_pb2 import DeviceState

from tests.commands.vendor import ScriptedAccounts, ScriptedVendor, Vehicle
from tests.processes import PATIENCE_SECONDS
from tests.state.world import CONNECTION, TENANT, TOKEN_KEY
from wattbus_server.blockers.ledger import BlockerLedger
from wattbus_server.blockers.verification import BlockerVerifier
from wattbus_server.commands.pace import CommandPace
from wattbus_server.commands.service import CommandService
from wattbus_server.connections.store import ConnectionStore
from wattbus_server.devices.owners import ConnectionIdentity
from wattbus_server.devices.registry import DeviceRegistry, device_name
from wattbus_server.state.hub import StateHub
from wattbus_server.storage.database import open_engine
from wattbus_server.vendors.contract import DeviceRecord, DiscoveredDevice

PACE = CommandPace(
    wake_timeout=timedelta(seconds=10),
    wake_check_interval=timedelta(milliseconds=5),
    deadline_margin=timedelta(milliseconds=20),
    close_grace=timedelta(milliseconds=50),
)
VERIFIED_SELDOM = timedelta(hours=1)
QUEUE_LIMIT = 4


@dataclass
class House:
    """One server process's share of commands, blockers and states, over a database that outlives it."""

    engine: AsyncEngine
    vendor: ScriptedVendor = field(default_factory=ScriptedVendor)
    pace: CommandPace = PACE
    check_interval: timedelta = VERIFIED_SELDOM
    tenant: str = TENANT

    async def open(self) -> "House":
        accounts = ScriptedAccounts(self.vendor)
        self.registry = DeviceRegistry(self.engine)
        self.hub = StateHub(self.engine, self.registry, TOKEN_KEY)
        connections = ConnectionStore(self.engine)
        self.ledger = BlockerLedger(self.engine, self.registry, connections)
        self.verifier = BlockerVerifier(self.ledger, self.registry, connections, accounts, self.check_interval)
        self.commands = CommandService(
            self.engine,
            self.registry,
            accounts,
            self.hub,
            self.ledger,
            self.verifier,
            self._read_now,
            token_key=TOKEN_KEY,
            queue_limit=QUEUE_LIMIT,
            pace=self.pace,
        )
        self.draining = asyncio.Event()
        await connections.load()
        await self.registry.load()
        await self.hub.load()
        await self.ledger.load()
        self.hub.listen(self._state_told)
        await self.commands.start()
        return self

    async def close(self) -> None:
        await self.commands.close()
        await self.verifier.close()
        await self.ledger.close()
        await self.hub.close()

    async def killed(self, **changes: Any) -> "House":
        """Come up again on the same database, as after `kill -9`: the old life is not closed, it just does no more."""
        vendor = ScriptedVendor(vehicles=self.vendor.vehicles)
        return await replace(self, **{"vendor": vendor, **changes}).open()

    async def link(self, *keys: str, connection: str = CONNECTION, tenant: str = TENANT) -> list[str]:
        """Make these vehicles the devices of a connection."""
        found = [DiscoveredDevice(DeviceKind.DEVICE_KIND_VEHICLE, f"VIN-{key}", key) for key in keys]
        names = [device_name(connection, key) for key in keys]
        for name in names:
            self.vendor.vehicles.setdefault(name, Vehicle())
        await self.registry.replace(ConnectionIdentity(connection, tenant, "user", Vendor.VENDOR_TESLA), found)
        return names

    async def _read_now(self, record: DeviceRecord) -> Sequence[DeviceState]:
        account = ScriptedAccounts(self.vendor).account(record.connection)
        observed = await self.vendor.read(account, record, [record])
        self.hub.observe(observed)
        return observed

    def _state_told(self, state: DeviceState, _changed: bool) -> None:
        self.commands.observed(state)
        self.verifier.state_changed(state)

    async def create(
        self, device: str, action: Action | None = None, seconds_left: float | None = None, **fields: Any
    ) -> Command:
        request = CreateCommandRequest(parent=device, action=action or set_limit(80), **fields)
        return await self.commands.create(self.tenant, request, seconds_left, self.draining)

    async def queue(self, device: str, action: Action | None = None, **fields: Any) -> Command:
        """Create without waiting."""
        return await self.create(device, action, wait_for=Rung.RUNG_RECEIVED, **fields)

    async def get(self, name: str) -> Command:
        return await self.commands.get(self.tenant, name)

    async def until(self, name: str, fulfilled: Callable[[Command], bool]) -> Command:
        """Wait until a command fulfils a condition."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not fulfilled(command := await self.get(name)):  # noqa: ASYNC110 - callers poll GetCommand too
                await asyncio.sleep(0.003)
        return command

    async def ended(self, name: str) -> Command:
        return await self.until(name, lambda command: command.state >= CommandState.COMMAND_STATE_SUCCEEDED)


@asynccontextmanager
async def locked(engine: AsyncEngine) -> AsyncIterator[None]:
    """Keep everybody else from writing to the database for a while."""
    async with engine.connect() as database:
        await database.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        await database.rollback()


@asynccontextmanager
async def opened(template: Path, path: Path, **fields: Any) -> AsyncIterator[House]:
    """Yield a house over its own copy of a prepared database file."""
    shutil.copy(template, path)
    engine = open_engine(f"sqlite+aiosqlite:///{path}")
    before = asyncio.all_tasks()
    house = await House(engine, **fields).open()
    try:
        yield house
    finally:
        await house.close()
        # Lives that were killed hang where they were stopped.
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await engine.dispose()


def set_limit(percent: int) -> Action:
    action = Action()
    action.set_charge_limit.limit_percent = percent
    return action


def simple(name: str) -> Action:
    """An action without parameters."""
    action = Action()
    getattr(action, name).SetInParent()
    return action


def states(command: Command) -> str:
    return CommandState.Name(command.state).removeprefix("COMMAND_STATE_")


def ladder(command: Command) -> list[str]:
    return [Rung.Name(reached.rung).removeprefix("RUNG_") for reached in command.rungs]
