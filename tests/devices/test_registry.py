from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.connection_pb2 import Vendor
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import Connectivity, ConnectivityStatus, DeviceState

from wattbus_server.devices.owners import ConnectionIdentity
from wattbus_server.devices.registry import DeviceChange, DeviceChangeKind, DeviceRegistry
from wattbus_server.devices.selection import Selection
from wattbus_server.problem import Problem
from wattbus_server.storage.database import open_engine
from wattbus_server.storage.migrate import migrate
from wattbus_server.storage.tables import connections, tenants
from wattbus_server.vendors.contract import DiscoveredDevice

ANNA = ConnectionIdentity("connections/anna", "tenants/one", "anna", Vendor.VENDOR_TESLA)
BEN = ConnectionIdentity("connections/ben", "tenants/one", "ben", Vendor.VENDOR_TESLA)
STRANGER = ConnectionIdentity("connections/stranger", "tenants/two", "anna", Vendor.VENDOR_TESLA)

CAR = DiscoveredDevice(DeviceKind.DEVICE_KIND_VEHICLE, "VIN1", "vehicle/VIN1", vendor_facts={"signing": "yes"})
BATTERY = DiscoveredDevice(DeviceKind.DEVICE_KIND_BATTERY, "7", "site/7/battery", "Home", site_key="7")
METER = DiscoveredDevice(DeviceKind.DEVICE_KIND_METER, "7", "site/7/meter", "Home", site_key="7")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path}/wattbus.db")
    await migrate(engine)
    now = datetime.now(UTC)
    async with engine.begin() as database:
        for tenant in ("tenants/one", "tenants/two"):
            await database.execute(insert(tenants).values(name=tenant, display_name=tenant, create_time=now))
        for identity in (ANNA, BEN, STRANGER):
            row = {"subject": identity.name, "requested_access": "", "state": 1, "create_time": now, "update_time": now}
            await database.execute(insert(connections).values(vars(identity) | row))
    yield engine
    await engine.dispose()


@pytest.fixture
def registry(engine: AsyncEngine) -> DeviceRegistry:
    return DeviceRegistry(engine)


def selected(registry: DeviceRegistry, **fields: object) -> list[str]:
    selection = Selection("tenants/one", **fields)  # type: ignore[arg-type] # fields of the test
    return [record.key for record in registry.select(selection)]


async def test_devices_survive_a_restart_unchanged(engine: AsyncEngine, registry: DeviceRegistry) -> None:
    await registry.replace(ANNA, [CAR, BATTERY])
    restarted = DeviceRegistry(engine)
    await restarted.load()
    assert restarted.of_connection(ANNA.name) == registry.of_connection(ANNA.name)
    assert {record.key for record in restarted.of_connection(ANNA.name)} == {CAR.key, BATTERY.key}


async def test_what_could_not_be_stored_does_not_become_visible(registry: DeviceRegistry) -> None:
    changes: list[DeviceChange] = []
    registry.listen(changes.append)
    with pytest.raises(IntegrityError):
        await registry.replace(replace(ANNA, name="connections/unknown"), [CAR])
    assert registry.of_connection("connections/unknown") == []
    assert changes == []


async def test_new_known_and_vanished_devices_are_told_apart(registry: DeviceRegistry) -> None:
    await registry.replace(ANNA, [CAR, BATTERY])
    changes: list[DeviceChange] = []
    undo = registry.listen(changes.append)
    await registry.replace(ANNA, [replace(CAR, display_name="Comet"), METER])
    assert {(change.kind, change.record.key) for change in changes} == {
        (DeviceChangeKind.REMOVED, BATTERY.key),
        (DeviceChangeKind.UPDATED, CAR.key),
        (DeviceChangeKind.ADDED, METER.key),
    }
    undo()
    await registry.replace(ANNA, [])
    assert len(changes) == 3


async def test_a_device_keeps_its_name_and_creation_time(registry: DeviceRegistry) -> None:
    await registry.replace(ANNA, [CAR])
    (first,) = registry.of_connection(ANNA.name)
    await registry.replace(ANNA, [replace(CAR, display_name="Comet")])
    (second,) = registry.of_connection(ANNA.name)
    assert (second.name, second.create_time) == (first.name, first.create_time)
    assert second.discover_time > first.discover_time
    assert second.display_name == "Comet"
    assert second.vendor_facts == {"signing": "yes"}


async def test_what_the_listing_told_about_the_state_comes_with_the_device_filled_in(registry: DeviceRegistry) -> None:
    state = DeviceState(connectivity=Connectivity(status=ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP))
    changes: list[DeviceChange] = []
    registry.listen(changes.append)
    await registry.replace(ANNA, [replace(CAR, state=state), BATTERY])
    told = {change.record.key: change for change in changes}
    assert told[BATTERY.key].state is None
    observed = told[CAR.key].state
    assert observed is not None
    assert observed.device == told[CAR.key].record.name
    assert observed.connectivity == state.connectivity
    assert state.device == ""


async def test_another_tenants_device_does_not_exist(registry: DeviceRegistry) -> None:
    await registry.replace(STRANGER, [CAR])
    (record,) = registry.of_connection(STRANGER.name)
    assert registry.get("tenants/two", record.name) is record
    assert registry.find(record.name) is record
    with pytest.raises(Problem) as caught:
        registry.get("tenants/one", record.name)
    assert caught.value.reason == Reason.REASON_RESOURCE_NOT_FOUND
    assert selected(registry) == []
    assert selected(registry, devices=frozenset({record.name})) == []
    assert selected(registry, connection=STRANGER.name) == []


async def test_a_selection_matches_all_that_it_names(registry: DeviceRegistry) -> None:
    await registry.replace(ANNA, [CAR, BATTERY, METER])
    await registry.replace(BEN, [CAR])
    (bens,) = registry.of_connection(BEN.name)
    assert len(selected(registry)) == 4
    assert selected(registry, connection=BEN.name) == [CAR.key]
    assert selected(registry, external_user_id="ben") == [CAR.key]
    assert selected(registry, devices=frozenset({bens.name, "devices/unknown"})) == [CAR.key]
    assert selected(registry, devices=frozenset({bens.name}), external_user_id="anna") == []
    assert sorted(selected(registry, kinds=frozenset({DeviceKind.DEVICE_KIND_METER}))) == [METER.key]


async def test_lists_are_ordered_by_name(registry: DeviceRegistry) -> None:
    await registry.replace(ANNA, [CAR, BATTERY, METER])
    names = [record.name for record in registry.select(Selection("tenants/one"))]
    assert names == sorted(names)
    assert names == [record.name for record in registry.of_connection(ANNA.name)]


async def test_devices_at_one_site_are_siblings_and_a_car_stands_alone(registry: DeviceRegistry) -> None:
    await registry.replace(ANNA, [CAR, BATTERY, METER])
    await registry.replace(BEN, [BATTERY])
    by_key = {record.key: record for record in registry.of_connection(ANNA.name)}
    assert registry.siblings(by_key[CAR.key]) == [by_key[CAR.key]]
    assert {record.key for record in registry.siblings(by_key[BATTERY.key])} == {BATTERY.key, METER.key}
    assert by_key[CAR.key].site == ""
    (bens,) = registry.of_connection(BEN.name)
    assert bens.site == by_key[BATTERY.key].site
    assert bens.name != by_key[BATTERY.key].name


async def test_removing_a_connection_removes_its_devices_only(engine: AsyncEngine, registry: DeviceRegistry) -> None:
    await registry.replace(ANNA, [CAR, BATTERY])
    await registry.replace(BEN, [CAR])
    changes: list[DeviceChange] = []
    registry.listen(changes.append)
    await registry.remove_connection(ANNA.name)
    assert [change.kind for change in changes] == [DeviceChangeKind.REMOVED] * 2
    restarted = DeviceRegistry(engine)
    await restarted.load()
    assert {record.connection for record in restarted.select(Selection("tenants/one"))} == {BEN.name}


def test_equal_selections_have_equal_digests_and_others_do_not() -> None:
    one = Selection("tenants/one", frozenset({"devices/a", "devices/b"}), kinds=frozenset({1, 2}))
    same = Selection("tenants/one", frozenset({"devices/b", "devices/a"}), kinds=frozenset({2, 1}))
    assert one.digest() == same.digest()
    assert len({one.digest(), replace(one, tenant="tenants/two").digest(), replace(one, connection="x").digest()}) == 3
