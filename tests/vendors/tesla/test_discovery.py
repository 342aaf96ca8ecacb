from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import ConnectivityStatus

from tests.vendors.tesla.account import MemoryAccount
from tests.vendors.tesla.conftest import MakeApi
from tests.vendors.tesla.samples import RECEIVED, body, response
from tests.vendors.tesla.test_normalize_vehicle import JSON_VALUES
from tests.vendors.tesla.tiny_server import Answering, tiny_server
from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import DiscoveredDevice
from wattbus_server.vendors.tesla.discovery import devices_of, discover
from wattbus_server.vendors.tesla.normalize.fields import objects

KEYS = {
    "products_mixed_sites": [
        "vehicle/LRW3F7EK4NC700000",
        "site/123456/battery",
        "site/123456/solar",
        "site/123456/meter",
        "site/123456/charger/123-abc",
        "site/123456/charger/234-bcd",
    ],
    "products_vehicle_and_powerwall_2023": [
        "vehicle/1234",
        "site/12345/battery",
        "site/12345/solar",
        "site/12345/meter",
        "site/12345/charger/12345",
    ],
    "products_no_energy_left_2024": [
        "vehicle/LRW",
        "site/1234/battery",
        "site/1234/solar",
        "site/1234/meter",
        "site/1234/charger/qwfp",
    ],
    "products_legacy_vehicles_signing_off": ["vehicle/5YJSA000000000001", "vehicle/5YJSA000000000002"],
}


def found_in(name: str) -> dict[str, DiscoveredDevice]:
    return {device.key: device for device in devices_of(response(name), RECEIVED)}


@pytest.mark.parametrize("name", sorted(KEYS))
def test_every_list_of_products_becomes_devices(name: str) -> None:
    assert list(found_in(name)) == KEYS[name]


def test_a_vehicle_carries_what_the_list_tells() -> None:
    vehicle = found_in("products_mixed_sites")["vehicle/LRW3F7EK4NC700000"]
    assert vehicle.kind == DeviceKind.DEVICE_KIND_VEHICLE
    assert vehicle.vendor_id == "LRW3F7EK4NC700000"
    assert (vehicle.display_name, vehicle.model, vehicle.site_key) == ("Test", "model3", "")
    assert vehicle.vendor_facts == {
        "command_signing": "allowed",
        "access_type": "OWNER",
        "in_service": "false",
        "location_hidden": "false",
    }
    assert vehicle.state is not None
    assert vehicle.state.connectivity.status == ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP
    assert not vehicle.state.HasField("vehicle")


def test_switched_off_mobile_access_is_a_fact_of_the_vehicle() -> None:
    vehicle = found_in("products_legacy_vehicles_signing_off")["vehicle/5YJSA000000000001"]
    assert vehicle.vendor_facts["mobile_access_disabled"] == "true"
    assert vehicle.vendor_facts["command_signing"] == "off"


def test_devices_of_one_site_share_it_and_a_battery_knows_its_energy() -> None:
    found = found_in("products_mixed_sites")
    site = [device for key, device in found.items() if key.startswith("site/123456/")]
    assert {device.site_key for device in site} == {"123456"}
    assert {device.vendor_id for device in site} == {"123456"}
    assert {device.vendor_facts["energy_site_id"] for device in site} == {"123456"}
    battery = found["site/123456/battery"]
    assert battery.state is not None
    assert battery.state.battery.energy.power_w == -14990
    assert battery.state.battery.energy.energy_wh == pytest.approx(23286.105, abs=0.001)
    assert found["site/123456/charger/123-abc"].vendor_facts["din"] == "123-abc"


def test_absent_energy_stays_absent() -> None:
    battery = found_in("products_no_energy_left_2024")["site/1234/battery"]
    assert battery.state is not None
    assert not battery.state.battery.energy.HasField("energy_wh")
    assert battery.state.battery.energy.power_w == 1590


def test_a_site_with_only_a_wall_connector_gives_the_charger() -> None:
    entry: dict[str, Any] = {
        "energy_site_id": 5,
        "resource_type": "wall_connector",
        "components": {"battery": False, "solar": False, "wall_connectors": [{"din": "W"}, {"din": ""}, None]},
    }
    assert [device.key for device in devices_of([entry], RECEIVED)] == ["site/5/charger/W"]


def test_an_inactive_wall_connector_is_no_device() -> None:
    entry = {"energy_site_id": 5, "components": {"wall_connectors": [{"din": "W", "is_active": False}]}}
    assert devices_of([entry], RECEIVED) == []


@pytest.mark.parametrize("vin", ["../x", "", None, 5, "a b", "x" * 40, "<invalid>", "ü"])
def test_a_vin_that_cannot_stand_in_a_path_is_no_device(vin: object) -> None:
    assert devices_of([{"vin": vin}], RECEIVED) == []


@given(st.lists(JSON_VALUES, max_size=3), JSON_VALUES)
def test_any_list_of_products_is_read_without_an_error(entries: list[object], part: object) -> None:
    devices_of(objects(entries), RECEIVED)
    devices_of([{"energy_site_id": 1, "components": part}, {"vin": part}, {"energy_site_id": part}], RECEIVED)


def region_server(status: int = 200, region: object = None) -> Answering:
    async def answer(request: Request) -> Response:
        if request.url.path == "/api/1/users/region":
            return JSONResponse(region, status)
        return JSONResponse(body("products_mixed_sites"))

    return answer


async def test_the_region_is_asked_once_and_remembered(make_api: MakeApi) -> None:
    async with tiny_server(region_server()) as eu:
        told = {"response": {"region": "eu", "fleet_api_base_url": eu.url}}
        async with tiny_server(region_server(200, told)) as na:
            account = MemoryAccount()
            api = make_api({"na": na.url, "eu": eu.url})
            assert len(await discover(api, account)) == 6
            await discover(api, account)
    assert account.region == "eu"
    assert [request.path for request in na.seen] == ["/api/1/users/region"]
    assert [request.path for request in eu.seen] == ["/api/1/products"] * 2


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (403, {"error": "Unauthorized missing scopes user_data"}),
        (404, {"error": "not_found"}),
        (200, {"response": {"region": "eu", "fleet_api_base_url": "https://evil.example"}}),
        (200, {"response": None}),
    ],
)
async def test_without_a_trustworthy_region_the_home_region_is_used(
    make_api: MakeApi, status: int, told: object
) -> None:
    async with tiny_server(region_server(status, told)) as na:
        account = MemoryAccount()
        api = make_api({"na": na.url})
        assert len(await discover(api, account)) == 6
    assert account.region == ""


async def test_a_region_without_the_application_passes_the_question_on(make_api: MakeApi) -> None:
    unregistered = {"error": "Account x must be registered in the current region"}
    async with tiny_server(region_server()) as eu, tiny_server(region_server(412, unregistered)) as na:
        told = {"response": {"region": "eu", "fleet_api_base_url": eu.url}}
        async with tiny_server(region_server(200, told)) as third:
            account = MemoryAccount()
            api = make_api({"na": na.url, "other": third.url, "eu": eu.url})
            await discover(api, account)
    assert account.region == "eu"


async def test_an_application_without_any_region_is_told(make_api: MakeApi) -> None:
    unregistered = {"error": "Account x must be registered in the current region"}
    async with tiny_server(region_server(412, unregistered)) as na:
        api = make_api({"na": na.url})
        with pytest.raises(Problem) as caught:
            await discover(api, MemoryAccount())
    assert caught.value.reason == Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION
