"""Free reads: what can be asked of Tesla about a device without cost and without waking it."""

from collections.abc import Collection
from typing import Literal

from wattbus.v1.state_pb2 import BatteryState, ConnectivityStatus, DeviceState

from wattbus_server.problem import Problem
from wattbus_server.shared_work import SharedWork
from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.discovery import vin_of
from wattbus_server.vendors.tesla.normalize.fields import lookup
from wattbus_server.vendors.tesla.polling import TeslaReader

SiteGroup = Literal["settings", "overrides"]
SITE_GROUPS: tuple[SiteGroup, ...] = ("settings", "overrides")
"""The groups of a battery in which conditions of its site show."""

_MEMORY_LIMIT = 10_000
_UNREACHABLE = (ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP, ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE)


class FreeReads:
    """Reads that Tesla does not charge for. All raise what Tesla gives as `Problem`."""

    def __init__(self, reader: TeslaReader) -> None:
        self._reader = reader
        self._batteries: SharedWork[str, DeviceState] = SharedWork()
        self._latest: dict[str, DeviceState] = {}

    async def in_service(self, account: VendorAccount, device: DeviceRecord) -> bool:
        """Say whether a vehicle is in service, by its record."""
        return lookup(await self._reader.record(account, device), "in_service") is True

    async def mobile_access_disabled(self, account: VendorAccount, device: DeviceRecord) -> bool:
        """Say whether mobile access is switched off in a vehicle, by the list of products."""
        entries = await self._reader.products(account)
        return any(
            vin_of(entry) == device.vendor_id and entry.get("mobile_access_disabled") is True for entry in entries
        )

    async def products(self, account: VendorAccount) -> None:
        """Make the cheapest call that shows that account, application and Tesla's service work together."""
        await self._reader.products(account)

    async def connectivity(self, account: VendorAccount, device: DeviceRecord) -> DeviceState | None:
        """Read whether a device is reachable; None if that cannot be told now."""
        try:
            return await self._reader.connectivity(account, device)
        except Problem:
            return None

    async def battery(self, account: VendorAccount, device: DeviceRecord) -> DeviceState:
        """Read the settings of a battery's site, and what overrides them now.

        Those who ask at the same time share the answer: Tesla limits the reads of a site, and several blockers of one
        battery are verified together. The answer is shared; nobody may change it.
        """
        return await self._batteries.join(device.name, lambda: self._read_battery(account, device))

    def newest(self, device: DeviceRecord, known: DeviceState) -> DeviceState:
        """Return the known state of a battery with what was read here after it was polled."""
        read = self._latest.get(device.name)
        return known if read is None else refreshed(known, read, _later_groups(known.battery, read.battery))

    async def _read_battery(self, account: VendorAccount, device: DeviceRecord) -> DeviceState:
        merged = DeviceState()
        for state in await self._reader.read(account, device, ()):
            merged.MergeFrom(state)
        if len(self._latest) >= _MEMORY_LIMIT:
            self._latest.clear()
        self._latest[device.name] = merged
        return merged


def reachable(state: DeviceState) -> bool:
    """Say whether a device is not known to be away; a vehicle that sleeps often calls itself offline."""
    return state.connectivity.status not in _UNREACHABLE


def refreshed(known: DeviceState, read: DeviceState, groups: Collection[SiteGroup] = SITE_GROUPS) -> DeviceState:
    """Return a known state with groups of a battery that were read again."""
    told = [group for group in groups if read.battery.HasField(group)]
    if not told:
        return known
    result = DeviceState()
    result.CopyFrom(known)
    for group in told:
        getattr(result.battery, group).CopyFrom(getattr(read.battery, group))
    return result


def _later_groups(known: BatteryState, read: BatteryState) -> list[SiteGroup]:
    return [group for group in SITE_GROUPS if _time(known, group) < _time(read, group)]


def _time(battery: BatteryState, group: SiteGroup) -> tuple[int, int]:
    """Return when a group was observed; a group that is not known was observed before all others."""
    observed = getattr(battery, group).observe_time
    return observed.seconds, observed.nanos
