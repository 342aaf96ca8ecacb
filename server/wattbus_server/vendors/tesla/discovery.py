"""Discovery: the list of products becomes devices.

Source: Tesla Fleet API documentation, endpoints/vehicle-endpoints and endpoints/energy (products).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import BatteryState, DeviceState

from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import DiscoveredDevice, VendorAccount
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.normalize import energy, vehicle
from wattbus_server.vendors.tesla.normalize.fields import Body, lookup, mapping, objects, text
from wattbus_server.vendors.tesla.region import USERS_REGION_PATH

PRODUCTS_PATH = "/api/1/products"

_NO_REGION_TOLD = frozenset({"403", "404"})
_LONGEST_VIN = 32


async def discover(api: FleetApi, account: VendorAccount) -> list[DiscoveredDevice]:
    """Find where the account lives, if nobody knows yet, and list its devices."""
    await find_region(api, account)
    products = await list_products(api, account)
    return devices_of(products, datetime.now(UTC))


async def list_products(api: FleetApi, account: VendorAccount) -> list[Body]:
    """Read the list of products. Not billed, wakes nothing."""
    return objects(await api.get(account, PRODUCTS_PATH))


async def find_region(api: FleetApi, account: VendorAccount) -> None:
    """Ask Tesla where the account lives and remember it; without an answer the home region stays the guess.

    A region whose gateway does not know the application cannot tell, so the next one is asked.
    """
    if account.region in api.regions.in_order():
        return
    refused: Problem | None = None
    for region in api.regions.in_order():
        try:
            response = await api.get(account, USERS_REGION_PATH, region=region)
        except Problem as problem:
            if problem.reason == Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION:
                refused = refused or problem
                continue
            if problem.metadata.get("httpStatus") in _NO_REGION_TOLD:
                return
            raise
        told = api.regions.told(response)
        if told is not None:
            await account.remember_region(told)
        return
    if refused is not None:
        raise refused


def devices_of(products: Sequence[Body], received: datetime) -> list[DiscoveredDevice]:
    """Turn entries of the list into devices; newer lists tell the kind, all tell it by `energy_site_id` or `vin`."""
    found: list[DiscoveredDevice] = []
    for entry in products:
        if site := site_id(entry):
            found.extend(_site_devices(entry, site, received))
        elif vin := vin_of(entry):
            found.append(_vehicle(entry, vin, received))
    return found


def vin_of(entry: Body) -> str:
    """Return the VIN of an entry; empty if it has none that can stand in a path."""
    vin = text(entry.get("vin"))
    return vin if vin.isascii() and vin.isalnum() and len(vin) <= _LONGEST_VIN else ""


def site_id(entry: Body) -> str:
    """Return the number of a site; empty if the entry has none."""
    value = entry.get("energy_site_id")
    number = str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e18 else text(value)
    return number if number.isascii() and number.isdigit() else ""


def _vehicle(entry: Body, vin: str, received: datetime) -> DiscoveredDevice:
    state = DeviceState()
    connectivity = vehicle.connectivity(entry, received)
    if connectivity is not None:
        # Groups replace each other as a whole: the little that the list knows of the others would erase what is known.
        state.connectivity.CopyFrom(connectivity)
    return DiscoveredDevice(
        kind=DeviceKind.DEVICE_KIND_VEHICLE,
        vendor_id=vin,
        key=f"vehicle/{vin}",
        display_name=text(entry.get("display_name")),
        model=text(lookup(entry, "vehicle_config.car_type")),
        vendor_facts=_facts(
            entry,
            command_signing="command_signing",
            access_type="access_type",
            in_service="in_service",
            mobile_access_disabled="mobile_access_disabled",
            location_hidden="granular_access.hide_private",
        ),
        state=state if state.ListFields() else None,
    )


def _site_devices(entry: Body, site: str, received: datetime) -> Iterator[DiscoveredDevice]:
    parts = mapping(entry.get("components"))
    resource = text(entry.get("resource_type"))

    def device(
        kind: DeviceKind.ValueType, part: str, model: str, state: DeviceState | None = None, **facts: str
    ) -> DiscoveredDevice:
        return DiscoveredDevice(
            kind=kind,
            vendor_id=site,
            key=f"site/{site}/{part}",
            display_name=text(entry.get("site_name")),
            model=model,
            site_key=site,
            vendor_facts={"energy_site_id": site, **facts},
            state=state,
        )

    if parts.get("battery") is True or resource == "battery":
        model = text(parts.get("battery_type")) or text(entry.get("battery_type"))
        yield device(DeviceKind.DEVICE_KIND_BATTERY, "battery", model, _battery_state(entry, received))
    if parts.get("solar") is True or resource == "solar":
        yield device(DeviceKind.DEVICE_KIND_SOLAR_INVERTER, "solar", text(parts.get("solar_type")))
    if parts.get("load_meter") is True or parts.get("grid") is True:
        yield device(DeviceKind.DEVICE_KIND_METER, "meter", "")
    for connector in objects(parts.get("wall_connectors")):
        din = text(connector.get("din"))
        if din and connector.get("is_active") is not False:
            model = text(connector.get("part_name")) or text(connector.get("part_number"))
            yield device(DeviceKind.DEVICE_KIND_CHARGER, f"charger/{din}", model, din=din)


def _battery_state(entry: Body, received: datetime) -> DeviceState | None:
    found = energy.from_product(entry, received)
    return None if found is None else DeviceState(battery=BatteryState(energy=found))


def _facts(entry: Body, **paths: str) -> Mapping[str, str]:
    """Keep texts and booleans (as `true` and `false`) of an entry, by their own names."""
    facts: dict[str, str] = {}
    for name, path in paths.items():
        value = lookup(entry, path)
        word = str(value).lower() if isinstance(value, bool) else text(value)
        if word:
            facts[name] = word
    return facts
