"""Free reads: what can be asked of Tesla about a device without cost and without waking it."""

from wattbus.v1.state_pb2 import ConnectivityStatus, DeviceState

from wattbus_server.problem import Problem
from wattbus_server.shared_work import SharedWork
from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.discovery import list_products, vin_of
from wattbus_server.vendors.tesla.normalize.fields import lookup
from wattbus_server.vendors.tesla.polling import TeslaReader, vehicle_path

_UNREACHABLE = (ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP, ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE)


class FreeReads:
    """Reads that Tesla does not charge for. All raise what Tesla gives as `Problem`."""

    def __init__(self, api: FleetApi, reader: TeslaReader) -> None:
        self._api = api
        self._reader = reader
        self._batteries: SharedWork[str, DeviceState] = SharedWork()

    async def in_service(self, account: VendorAccount, device: DeviceRecord) -> bool:
        """Say whether a vehicle is in service, by its record."""
        record = await self._api.get(account, vehicle_path(device), device=device)
        return lookup(record, "in_service") is True

    async def mobile_access_disabled(self, account: VendorAccount, device: DeviceRecord) -> bool:
        """Say whether mobile access is switched off in a vehicle, by the list of products."""
        entries = await list_products(self._api, account)
        return any(
            vin_of(entry) == device.vendor_id and entry.get("mobile_access_disabled") is True for entry in entries
        )

    async def products(self, account: VendorAccount) -> None:
        """Make the cheapest call that shows that account, application and Tesla's service work together."""
        await list_products(self._api, account)

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

    async def _read_battery(self, account: VendorAccount, device: DeviceRecord) -> DeviceState:
        merged = DeviceState()
        for state in await self._reader.read(account, device, ()):
            merged.MergeFrom(state)
        return merged


def reachable(state: DeviceState) -> bool:
    """Say whether a device is not known to be away; a vehicle that sleeps often calls itself offline."""
    return state.connectivity.status not in _UNREACHABLE
