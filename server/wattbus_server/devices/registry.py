"""The registry: every device of every tenant, in memory, and stored before it becomes visible."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.connection_pb2 import Vendor
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.devices.owners import ConnectionIdentity
from wattbus_server.devices.rows import read_devices, write_devices
from wattbus_server.devices.selection import Selection
from wattbus_server.problem import not_found
from wattbus_server.resource_names import derived_id
from wattbus_server.vendors.contract import DeviceRecord, DiscoveredDevice


class DeviceChangeKind(Enum):
    """What happened to a device."""

    ADDED = "added"
    UPDATED = "updated"
    """It was discovered again; its record may be the same but for `discover_time`."""
    REMOVED = "removed"


@dataclass(frozen=True)
class DeviceChange:
    """News of one device."""

    kind: DeviceChangeKind
    record: DeviceRecord
    state: DeviceState | None = None
    """What the discovery already told about the state, with `device` filled in."""


DeviceListener = Callable[[DeviceChange], None]


class DeviceRegistry:
    """Knows all devices. Reads are from memory and never wait; writes go to the database first."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._records: dict[str, DeviceRecord] = {}
        self._by_tenant: defaultdict[str, dict[str, DeviceRecord]] = defaultdict(dict)
        self._by_connection: defaultdict[str, dict[str, DeviceRecord]] = defaultdict(dict)
        self._listeners: list[DeviceListener] = []
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Read all devices from the database, once, at start."""
        async with self._engine.connect() as database:
            for record in await read_devices(database):
                self._remember(record)

    def get(self, tenant: str, name: str) -> DeviceRecord:
        """Return a device of a tenant.

        Raises:
            Problem: RESOURCE_NOT_FOUND, also for devices of other tenants.
        """
        record = self._records.get(name)
        if record is None or record.tenant != tenant:
            raise not_found("device", name)
        return record

    def find(self, name: str) -> DeviceRecord | None:
        """Return a device of any tenant, for the server's own use."""
        return self._records.get(name)

    def every(self) -> list[DeviceRecord]:
        """Return the devices of all tenants, ordered by name, for the server's own use."""
        return [self._records[name] for name in sorted(self._records)]

    def select(self, selection: Selection) -> list[DeviceRecord]:
        """Return the selected devices, ordered by name."""
        return sorted(filter(selection.matches, self._candidates(selection)), key=lambda record: record.name)

    def of_connection(self, connection: str) -> list[DeviceRecord]:
        """Return the devices of a connection, ordered by name."""
        return sorted(self._by_connection.get(connection, {}).values(), key=lambda record: record.name)

    def siblings(self, record: DeviceRecord) -> list[DeviceRecord]:
        """Return the devices at the same site that the same connection reaches, including this one, ordered by name."""
        if not record.site:
            return [record]
        return [other for other in self.of_connection(record.connection) if other.site == record.site]

    async def replace(self, connection: ConnectionIdentity, discovered: Sequence[DiscoveredDevice]) -> None:
        """Take over what the vendor lists for a connection: new devices come, known ones are updated, others go.

        Names depend only on the connection and the device, so a device that comes back has its old name.
        """
        async with self._writing:
            async with self._engine.begin() as database:
                before = {record.name: record for record in await read_devices(database, connection.name)}
                now = datetime.now(UTC)
                found = {device_name(connection.name, item.key): item for item in discovered}
                after = {
                    name: _record(name, connection, item, before[name].create_time if name in before else now, now)
                    for name, item in found.items()
                }
                await write_devices(database, connection.name, list(after.values()))
            self._forget(record for name, record in before.items() if name not in after)
            for name, record in after.items():
                self._remember(record)
                kind = DeviceChangeKind.UPDATED if name in before else DeviceChangeKind.ADDED
                self._tell(DeviceChange(kind, record, _state(name, found[name])))

    async def remove_connection(self, connection: str) -> None:
        """Remove all devices of a connection."""
        async with self._writing:
            async with self._engine.begin() as database:
                await write_devices(database, connection, [])
            self._forget(self.of_connection(connection))
            self._by_connection.pop(connection, None)

    def listen(self, listener: DeviceListener) -> Callable[[], None]:
        """Tell a listener about every change after it became visible; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _candidates(self, selection: Selection) -> Iterable[DeviceRecord]:
        if selection.devices:
            return [self._records[name] for name in selection.devices if name in self._records]
        if selection.connection:
            return self._by_connection.get(selection.connection, {}).values()
        return self._by_tenant.get(selection.tenant, {}).values()

    def _remember(self, record: DeviceRecord) -> None:
        self._records[record.name] = record
        self._by_tenant[record.tenant][record.name] = record
        self._by_connection[record.connection][record.name] = record

    def _forget(self, records: Iterable[DeviceRecord]) -> None:
        for record in list(records):
            if self._records.pop(record.name, None) is None:
                continue
            self._by_tenant[record.tenant].pop(record.name)
            self._by_connection[record.connection].pop(record.name)
            self._tell(DeviceChange(DeviceChangeKind.REMOVED, record))

    def _tell(self, change: DeviceChange) -> None:
        for listener in tuple(self._listeners):
            listener(change)


def device_name(connection: str, key: str) -> str:
    """Return the resource name of a device, always the same for the same connection and vendor key."""
    return f"devices/{derived_id(connection, key)}"


def site_name(tenant: str, vendor: Vendor.ValueType, site_key: str) -> str:
    """Return the resource name of a site; people of one home who link separately see the same one."""
    return f"sites/{derived_id(tenant, Vendor.Name(vendor), site_key)}" if site_key else ""


def _record(
    name: str, connection: ConnectionIdentity, item: DiscoveredDevice, create_time: datetime, discover_time: datetime
) -> DeviceRecord:
    return DeviceRecord(
        name=name,
        tenant=connection.tenant,
        connection=connection.name,
        external_user_id=connection.external_user_id,
        vendor=connection.vendor,
        kind=item.kind,
        vendor_id=item.vendor_id,
        key=item.key,
        display_name=item.display_name[:256],
        model=item.model[:128],
        site=site_name(connection.tenant, connection.vendor, item.site_key),
        vendor_facts=dict(item.vendor_facts),
        create_time=create_time,
        discover_time=discover_time,
    )


def _state(name: str, item: DiscoveredDevice) -> DeviceState | None:
    if item.state is None:
        return None
    state = DeviceState()
    state.CopyFrom(item.state)
    state.device = name
    return state
