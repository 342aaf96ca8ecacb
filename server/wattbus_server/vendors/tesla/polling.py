"""Reading: what is asked regularly, and what is read on request. Nothing here wakes a vehicle.

Sources: Tesla Fleet API documentation, getting-started/best-practices (check the record before billed data) and
billing-and-limits (which calls cost).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.state_pb2 import Connectivity, ConnectivityStatus, DeviceState

from wattbus_server.problem import Problem
from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.contract import DeviceRecord, Poll, VendorAccount
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.discovery import list_products, vin_of
from wattbus_server.vendors.tesla.normalize import energy, vehicle
from wattbus_server.vendors.tesla.normalize.fields import Body
from wattbus_server.vendors.tesla.scopes import VEHICLE_LOCATION
from wattbus_server.vendors.tesla.vehicle_flags import IN_PRODUCTS, IN_RECORD, VehicleFlags

_PRODUCTS = "products"
_LIVE_STATUS = "live_status"
_SITE_INFO = "site_info"
_VEHICLE_DATA = "vehicle_data"

_DATA_GROUPS = ("charge_state", "climate_state", "drive_state", "vehicle_config", "vehicle_state")


class TeslaReader:
    """Reads devices of linked accounts."""

    def __init__(self, settings: TeslaSettings, api: FleetApi) -> None:
        self._settings = settings
        self._api = api
        self.flags = VehicleFlags()
        """What answers told of vehicles as a whole."""

    def polls(self, devices: Sequence[DeviceRecord]) -> list[Poll]:
        """Say what to read regularly for the devices of one connection."""
        vehicles = [device for device in devices if _is_vehicle(device)]
        polls: list[Poll] = []
        if vehicles:
            polls.append(Poll(_PRODUCTS, self._settings.products_interval, _names(vehicles)))
        if interval := self._settings.vehicle_data_interval:
            polls.extend(Poll(f"{vehicle.key}/{_VEHICLE_DATA}", interval, (vehicle.name,)) for vehicle in vehicles)
        for site in sorted({site_of(device) for device in devices if not _is_vehicle(device)}):
            here = [device for device in devices if not _is_vehicle(device) and site_of(device) == site]
            polls.append(Poll(f"site/{site}/{_LIVE_STATUS}", self._settings.live_status_interval, _names(here)))
            if batteries := [device for device in here if device.kind == DeviceKind.DEVICE_KIND_BATTERY]:
                polls.append(Poll(f"site/{site}/{_SITE_INFO}", self._settings.site_info_interval, _names(batteries)))
        return polls

    async def poll(self, account: VendorAccount, poll: Poll, devices: Sequence[DeviceRecord]) -> list[DeviceState]:
        """Carry out one poll."""
        covered = [device for device in devices if device.name in poll.devices]
        if not covered:
            return []
        match poll.key.rpartition("/")[2]:
            case "products":
                return await self._connectivity_of_all(account, covered)
            case "live_status":
                return await self._live_status(account, covered[0], covered)
            case "site_info":
                return await self._site_info(account, covered[0], covered)
            case _:
                return await self._vehicle_data_if_awake(account, covered[0])

    async def read(
        self, account: VendorAccount, device: DeviceRecord, siblings: Sequence[DeviceRecord]
    ) -> list[DeviceState]:
        """Read one device now; what the same answers tell of its siblings comes along.

        Raises:
            Problem: VEHICLE_ASLEEP or DEVICE_OFFLINE, with the connectivity in `observed`, and every other refusal.
        """
        if _is_vehicle(device):
            return await self._vehicle_data(account, device)
        here = [other for other in siblings if not _is_vehicle(other) and site_of(other) == site_of(device)]
        together = {other.name: other for other in (device, *here)}.values()
        states = await self._live_status(account, device, together)
        if device.kind == DeviceKind.DEVICE_KIND_BATTERY:
            states += await self._site_info(account, device, together)
        return states

    async def connectivity(self, account: VendorAccount, device: DeviceRecord) -> DeviceState:
        """Read only whether the device is reachable; not billed."""
        if not _is_vehicle(device):
            (state, *_) = await self._live_status(account, device, [device])
            return DeviceState(device=device.name, connectivity=state.connectivity)
        record = await self.record(account, device)
        found = vehicle.connectivity(record, datetime.now(UTC))
        if found is None:
            raise self._api.refusals.unclear(account, device)
        return DeviceState(device=device.name, connectivity=found)

    async def products(self, account: VendorAccount) -> list[Body]:
        """Read the list of products; the flags of its vehicles are remembered. Not billed, wakes nothing."""
        entries = await list_products(self._api, account)
        for entry in entries:
            if vin := vin_of(entry):
                self.flags.note(account.connection, vin, entry, IN_PRODUCTS)
        return entries

    async def record(self, account: VendorAccount, device: DeviceRecord) -> object:
        """Read a vehicle's record; its flags are remembered. Not billed, wakes nothing."""
        record = await self._api.get(account, vehicle_path(device), device=device)
        self.flags.note(account.connection, device.vendor_id, record, IN_RECORD)
        return record

    async def _connectivity_of_all(self, account: VendorAccount, vehicles: Sequence[DeviceRecord]) -> list[DeviceState]:
        entries = {vin_of(entry): entry for entry in await self.products(account)}
        received = datetime.now(UTC)
        states = []
        for device in vehicles:
            found = vehicle.connectivity(entries.get(device.vendor_id), received)
            if found is not None:
                states.append(DeviceState(device=device.name, connectivity=found))
        return states

    async def _vehicle_data_if_awake(self, account: VendorAccount, device: DeviceRecord) -> list[DeviceState]:
        try:
            return await self._vehicle_data(account, device)
        except Problem as problem:
            if problem.observed:
                return list(problem.observed)
            raise

    async def _vehicle_data(self, account: VendorAccount, device: DeviceRecord) -> list[DeviceState]:
        """Read the vehicle in full (billed), after its record (free) has said that it is online."""
        seen = await self.connectivity(account, device)
        if away := self._api.refusals.away(account, device, seen):
            raise away
        groups = (*_DATA_GROUPS, "location_data") if VEHICLE_LOCATION in account.scopes else _DATA_GROUPS
        path = f"{vehicle_path(device)}/{_VEHICLE_DATA}"
        data = await self._api.get(account, path, {"endpoints": ";".join(groups)}, device=device)
        return [_named(vehicle.from_vehicle_data(data, datetime.now(UTC)), device)]

    async def _live_status(
        self, account: VendorAccount, asked: DeviceRecord, devices: Iterable[DeviceRecord]
    ) -> list[DeviceState]:
        try:
            body = await self._api.get(account, f"{site_path(asked)}/{_LIVE_STATUS}", device=asked)
        except Problem as problem:
            problem.observed = _of_the_whole_site(problem.observed, devices)
            raise
        flows = energy.from_live_status(body, datetime.now(UTC))
        return [_site_state(device, flows) for device in devices]

    async def _site_info(
        self, account: VendorAccount, asked: DeviceRecord, devices: Iterable[DeviceRecord]
    ) -> list[DeviceState]:
        body = await self._api.get(account, f"{site_path(asked)}/{_SITE_INFO}", device=asked)
        settings = energy.from_site_info(body, datetime.now(UTC))
        states = []
        for device in devices:
            if device.kind == DeviceKind.DEVICE_KIND_BATTERY and settings is not None:
                state = DeviceState(device=device.name)
                state.battery.settings.CopyFrom(settings)
                states.append(state)
        return states


def vehicle_path(device: DeviceRecord) -> str:
    """Return the path of a vehicle's record."""
    return f"/api/1/vehicles/{quote(device.vendor_id, safe='')}"


def site_path(device: DeviceRecord) -> str:
    """Return the path under which the endpoints of a device's site stand."""
    return f"/api/1/energy_sites/{quote(site_of(device), safe='')}"


def site_of(device: DeviceRecord) -> str:
    """Return the number of a device's site."""
    return device.vendor_facts.get("energy_site_id", device.vendor_id)


def _site_state(device: DeviceRecord, flows: energy.SiteFlows) -> DeviceState:
    """Pick what a live status tells of one device. If it tells anything, the site's gateway was there when it sampled.

    Tesla goes on to answer with the last sample when the gateway is silent.
    """
    state = DeviceState(device=device.name)
    if flows.tell_something:
        online = ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE
        state.connectivity.CopyFrom(Connectivity(observe_time=flows.observe_time, status=online))
    match device.kind:
        case DeviceKind.DEVICE_KIND_BATTERY:
            if flows.energy is not None:
                state.battery.energy.CopyFrom(flows.energy)
            if flows.overrides is not None:
                state.battery.overrides.CopyFrom(flows.overrides)
        case DeviceKind.DEVICE_KIND_SOLAR_INVERTER if flows.production is not None:
            state.solar_inverter.production.CopyFrom(flows.production)
        case DeviceKind.DEVICE_KIND_METER if flows.flows is not None:
            state.meter.flows.CopyFrom(flows.flows)
        case DeviceKind.DEVICE_KIND_CHARGER:
            session = (flows.sessions or {}).get(device.vendor_facts.get("din", ""))
            if session is not None:
                state.charger.session.CopyFrom(session)
    return state


def _of_the_whole_site(observed: Iterable[DeviceState], devices: Iterable[DeviceRecord]) -> list[DeviceState]:
    """Tell of every device what was seen of one: they share the gateway that is away."""
    return [DeviceState(device=device.name, connectivity=seen.connectivity) for seen in observed for device in devices]


def _named(state: DeviceState, device: DeviceRecord) -> DeviceState:
    state.device = device.name
    return state


def _is_vehicle(device: DeviceRecord) -> bool:
    return device.kind == DeviceKind.DEVICE_KIND_VEHICLE


def _names(devices: Iterable[DeviceRecord]) -> tuple[str, ...]:
    return tuple(device.name for device in devices)
