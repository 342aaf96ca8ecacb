"""Sample bodies, and records of devices to read them for."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wattbus.v1.connection_pb2 import Vendor
from wattbus.v1.device_pb2 import DeviceKind

from wattbus_server.vendors.contract import DeviceRecord

DATA = Path(__file__).resolve().parents[2] / "data" / "tesla"
RECEIVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VIN = "LRW3E7EK5PC000101"
SITE = "20260001"


def body(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def response(name: str) -> Any:
    return body(name)["response"]


def record(kind: DeviceKind.ValueType, key: str, vendor_id: str, **facts: str) -> DeviceRecord:
    return DeviceRecord(
        name=f"devices/{key.replace('/', '-').lower()}",
        tenant="tenants/t",
        connection="connections/c",
        external_user_id="user-1",
        vendor=Vendor.VENDOR_TESLA,
        kind=kind,
        vendor_id=vendor_id,
        key=key,
        display_name="",
        model="",
        site="" if kind == DeviceKind.DEVICE_KIND_VEHICLE else "sites/s",
        vendor_facts=facts,
        create_time=RECEIVED,
        discover_time=RECEIVED,
    )


def vehicle(vin: str = VIN) -> DeviceRecord:
    return record(DeviceKind.DEVICE_KIND_VEHICLE, f"vehicle/{vin}", vin, command_signing="required")


def battery(site: str = SITE) -> DeviceRecord:
    return record(DeviceKind.DEVICE_KIND_BATTERY, f"site/{site}/battery", site, energy_site_id=site)


def solar(site: str = SITE) -> DeviceRecord:
    return record(DeviceKind.DEVICE_KIND_SOLAR_INVERTER, f"site/{site}/solar", site, energy_site_id=site)


def meter(site: str = SITE) -> DeviceRecord:
    return record(DeviceKind.DEVICE_KIND_METER, f"site/{site}/meter", site, energy_site_id=site)


def charger(din: str, site: str = SITE) -> DeviceRecord:
    key = f"site/{site}/charger/{din}"
    return record(DeviceKind.DEVICE_KIND_CHARGER, key, site, energy_site_id=site, din=din)
