"""A hub with a real registry and a real SQLite file, and short words for what tests do with them."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.connection_pb2 import Vendor
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.device_service_pb2 import WatchDeviceStatesResponse
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.devices.owners import ConnectionIdentity
from wattbus_server.devices.registry import DeviceRegistry, device_name
from wattbus_server.devices.selection import Selection
from wattbus_server.state.hub import StateHub
from wattbus_server.state.mask import StateMask
from wattbus_server.state.watcher import Watcher
from wattbus_server.storage.database import open_engine
from wattbus_server.storage.migrate import migrate
from wattbus_server.storage.tables import connections, tenants
from wattbus_server.vendors.contract import DiscoveredDevice

TENANT = "tenants/home"
OTHER_TENANT = "tenants/other"
CONNECTION = "connections/one"
SECOND_CONNECTION = "connections/two"
OTHER_CONNECTION = "connections/foreign"
TOKEN_KEY = b"a key that outlives the process!"

_OWNERS = {CONNECTION: TENANT, SECOND_CONNECTION: TENANT, OTHER_CONNECTION: OTHER_TENANT}


async def make_database(path: Path) -> None:
    """Create the tables, two tenants and three connections."""
    engine = open_engine(f"sqlite+aiosqlite:///{path}")
    await migrate(engine)
    now = datetime.now(UTC)
    async with engine.begin() as database:
        for tenant in (TENANT, OTHER_TENANT):
            await database.execute(insert(tenants).values(name=tenant, display_name=tenant, create_time=now))
        for name, tenant in _OWNERS.items():
            await database.execute(
                insert(connections).values(
                    name=name,
                    tenant=tenant,
                    external_user_id="user",
                    vendor=Vendor.VENDOR_TESLA,
                    subject=name,
                    requested_access="",
                    state=0,
                    create_time=now,
                    update_time=now,
                )
            )
    await engine.dispose()


class World:
    """What one server process holds about states, and the database that outlives it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.registry = DeviceRegistry(engine)
        self.hub = StateHub(engine, self.registry, TOKEN_KEY)
        self.draining = asyncio.Event()

    async def load(self) -> "World":
        await self.registry.load()
        await self.hub.load()
        return self

    async def restart(self, *, killed: bool = False) -> "World":
        """Come back as a new process; killed: whatever was not stored yet is lost."""
        if not killed:
            await self.hub.close()
        return await World(self.engine).load()

    async def link(
        self,
        keys: Iterable[str],
        connection: str = CONNECTION,
        user: str = "user",
        kind: DeviceKind.ValueType = DeviceKind.DEVICE_KIND_BATTERY,
    ) -> list[str]:
        """Make these the devices of a connection."""
        found = [DiscoveredDevice(kind=kind, vendor_id=key, key=key) for key in keys]
        identity = ConnectionIdentity(connection, _OWNERS[connection], user, Vendor.VENDOR_TESLA)
        await self.registry.replace(identity, found)
        return [device_name(connection, item.key) for item in found]

    def watcher(
        self, selection: Selection, *paths: str, resume_token: str = "", minimum_interval: float = 0.0
    ) -> Watcher:
        mask = StateMask.parse(FieldMask(paths=paths))
        return Watcher(self.hub, selection, mask, resume_token, minimum_interval)


@asynccontextmanager
async def opened(template: Path, path: Path) -> AsyncIterator[World]:
    """Yield a world over its own copy of a prepared database file."""
    shutil.copy(template, path)
    engine = open_engine(f"sqlite+aiosqlite:///{path}")
    world = await World(engine).load()
    try:
        yield world
    finally:
        await engine.dispose()


def everything(tenant: str = TENANT) -> Selection:
    return Selection(tenant)


def at(moment: datetime) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(moment)
    return time


_YESTERDAY = datetime.now(UTC) - timedelta(days=1)
_milliseconds = count()


def later() -> Timestamp:
    """Return a time after all times that it returned before."""
    return at(_YESTERDAY + timedelta(milliseconds=next(_milliseconds)))


def energy(device: str, charge_percent: float, time: Timestamp | None = None) -> DeviceState:
    """Observe a battery's state of charge."""
    state = DeviceState(device=device)
    state.battery.energy.observe_time.CopyFrom(time or later())
    state.battery.energy.charge_percent = charge_percent
    return state


def reserve(device: str, reserve_percent: float, time: Timestamp | None = None) -> DeviceState:
    """Observe a battery's reserve, which is in another group."""
    state = DeviceState(device=device)
    state.battery.settings.observe_time.CopyFrom(time or later())
    state.battery.settings.reserve_percent = reserve_percent
    return state


def read(response: bytes | None) -> WatchDeviceStatesResponse:
    assert response is not None
    return WatchDeviceStatesResponse.FromString(response)


def read_all(watcher: Watcher) -> list[WatchDeviceStatesResponse]:
    """Read until nothing is left to send."""
    found = []
    while (response := watcher.response()) is not None:
        found.append(read(response))
    return found
