"""Departures: what is remembered about devices that left selections."""

from dataclasses import replace
from datetime import UTC, datetime

from wattbus.v1.connection_pb2 import Vendor
from wattbus.v1.device_pb2 import DeviceKind

from wattbus_server.devices.selection import Selection
from wattbus_server.state.departures import KEPT_AT_MOST, KEPT_SECONDS, Departures
from wattbus_server.vendors.contract import DeviceRecord

RECORD = DeviceRecord(
    name="devices/a",
    tenant="tenants/home",
    connection="connections/one",
    external_user_id="robin",
    vendor=Vendor.VENDOR_TESLA,
    kind=DeviceKind.DEVICE_KIND_BATTERY,
    vendor_id="1",
    key="a",
    display_name="",
    model="",
    site="",
    vendor_facts={},
    create_time=datetime.now(UTC),
    discover_time=datetime.now(UTC),
)
EVERYTHING = Selection("tenants/home")


def test_departures_are_found_by_what_the_device_was_before() -> None:
    departures = Departures(100)
    departures.add(101, RECORD, 0.0)
    departures.add(102, replace(RECORD, name="devices/b", external_user_id="sam"), 0.0)
    assert list(departures.since(100, EVERYTHING)) == ["devices/b", "devices/a"]
    assert list(departures.since(101, EVERYTHING)) == ["devices/b"]
    assert list(departures.since(100, Selection("tenants/home", external_user_id="robin"))) == ["devices/a"]
    assert list(departures.since(100, Selection("tenants/other"))) == []
    assert departures.revision("devices/b", "tenants/home") == 102
    assert departures.revision("devices/b", "tenants/other") == 0
    assert departures.revision("devices/never", "tenants/home") == 0


def test_positions_before_the_process_or_the_last_day_are_too_old() -> None:
    departures = Departures(100)
    assert departures.reach_back_to(100, 0.0)
    assert not departures.reach_back_to(99, 0.0)
    departures.add(150, RECORD, 0.0)
    departures.add(160, RECORD, 10.0)
    assert departures.reach_back_to(100, KEPT_SECONDS)
    assert not departures.reach_back_to(149, KEPT_SECONDS + 1)
    assert departures.reach_back_to(150, KEPT_SECONDS + 1)
    assert departures.revision("devices/a", "tenants/home") == 160
    assert not departures.reach_back_to(150, KEPT_SECONDS + 11)
    assert departures.revision("devices/a", "tenants/home") == 0


def test_their_number_is_bounded() -> None:
    departures = Departures(0)
    for sequence in range(1, KEPT_AT_MOST + 11):
        departures.add(sequence, RECORD, 0.0)
    assert not departures.reach_back_to(9, 0.0)
    assert departures.reach_back_to(10, 0.0)
