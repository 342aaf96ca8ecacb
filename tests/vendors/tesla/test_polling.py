from datetime import timedelta

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import ConnectivityStatus, DeviceState

from tests.vendors.tesla.account import ALL_SCOPES, MemoryAccount
from tests.vendors.tesla.conftest import MakeApi, tesla_settings
from tests.vendors.tesla.samples import VIN, battery, body, charger, meter, solar, vehicle
from tests.vendors.tesla.tiny_server import Answering, TinyServer, tiny_server
from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import DeviceRecord, Poll
from wattbus_server.vendors.tesla.polling import TeslaReader

ONLINE = ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE
ASLEEP = ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP
HOME = [battery(), solar(), meter(), charger("abd-123"), charger("gone")]


def cloud(state: str = "online", live: str = "live_status_battery_discharging") -> Answering:
    async def answer(request: Request) -> Response:
        match request.url.path.rpartition("/")[2]:
            case "products":
                return JSONResponse({"response": [{"vin": VIN, "state": state}, {"vin": "OTHER", "state": "online"}]})
            case "vehicle_data":
                return JSONResponse(body("vehicle_data_full"))
            case "live_status":
                return JSONResponse(body(live))
            case "site_info":
                return JSONResponse(body("site_info_two_powerwall2"))
            case _:
                return JSONResponse({"response": {"vin": VIN, "state": state}})

    return answer


def reader(make_api: MakeApi, server: TinyServer, interval: timedelta | None = None) -> TeslaReader:
    settings = tesla_settings({"na": server.url}, vehicle_data_interval=interval)
    return TeslaReader(settings, make_api({"na": server.url}))


def by_device(states: list[DeviceState]) -> dict[str, DeviceState]:
    return {state.device: state for state in states}


def paths(server: TinyServer) -> list[str]:
    return [request.path.rpartition("/")[2] for request in server.seen]


async def test_polls_cover_every_device_and_bill_nothing_by_default(make_api: MakeApi) -> None:
    async with tiny_server(cloud()) as server:
        polls = {poll.key: poll for poll in reader(make_api, server).polls([vehicle(), *HOME, battery("7")])}
    assert set(polls) == {
        "products",
        "site/20260001/live_status",
        "site/20260001/site_info",
        "site/7/live_status",
        "site/7/site_info",
    }
    assert polls["products"].devices == (vehicle().name,)
    assert set(polls["site/20260001/live_status"].devices) == {device.name for device in HOME}
    assert polls["site/20260001/site_info"].devices == (battery().name,)
    assert polls["site/20260001/live_status"].interval == timedelta(seconds=30)


async def test_a_home_without_vehicles_is_not_asked_for_products(make_api: MakeApi) -> None:
    async with tiny_server(cloud()) as server:
        assert [poll.key for poll in reader(make_api, server).polls([solar()])] == ["site/20260001/live_status"]


async def test_products_tell_the_connectivity_of_vehicles(make_api: MakeApi) -> None:
    async with tiny_server(cloud("asleep")) as server:
        poll = Poll("products", timedelta(seconds=1), (vehicle().name,))
        (state,) = await reader(make_api, server).poll(MemoryAccount(), poll, [vehicle(), *HOME])
    assert state.device == vehicle().name
    assert state.connectivity.status == ASLEEP
    assert not state.HasField("vehicle")


async def test_one_live_status_serves_the_whole_site(make_api: MakeApi) -> None:
    async with tiny_server(cloud()) as server:
        poll = Poll("site/20260001/live_status", timedelta(seconds=1), tuple(device.name for device in HOME))
        states = by_device(await reader(make_api, server).poll(MemoryAccount(), poll, HOME))
    assert len(server.seen) == 1
    assert set(states) == {device.name for device in HOME}
    assert states[battery().name].battery.energy.power_w == -5060
    assert states[solar().name].solar_inverter.production.production_w == 1185
    assert states[meter().name].meter.flows.consumption_w == 6245
    assert states[charger("abd-123").name].charger.session.vendor_status == 2
    assert not states[charger("gone").name].HasField("charger")
    assert all(state.connectivity.status == ONLINE for state in states.values())
    # The gateway was there when it sent the sample; nobody knows about now.
    sampled = states[battery().name].battery.energy.observe_time
    assert all(state.connectivity.observe_time == sampled for state in states.values())


async def test_site_info_brings_the_settings_of_the_battery(make_api: MakeApi) -> None:
    async with tiny_server(cloud()) as server:
        poll = Poll("site/20260001/site_info", timedelta(seconds=1), (battery().name,))
        (state,) = await reader(make_api, server).poll(MemoryAccount(), poll, HOME)
    assert state.device == battery().name
    assert state.battery.settings.unit_count == 2
    assert not state.battery.HasField("energy")


async def test_reading_a_battery_brings_energy_and_settings(make_api: MakeApi) -> None:
    async with tiny_server(cloud()) as server:
        states = await reader(make_api, server).read(MemoryAccount(), battery(), [*HOME, vehicle(), meter("7")])
    assert paths(server) == ["live_status", "site_info"]
    own = [state for state in states if state.device == battery().name]
    assert any(state.battery.HasField("energy") for state in own)
    assert any(state.battery.HasField("settings") for state in own)
    assert {state.device for state in states} == {device.name for device in HOME}


async def test_reading_a_meter_asks_only_for_the_flows(make_api: MakeApi) -> None:
    async with tiny_server(cloud()) as server:
        await reader(make_api, server).read(MemoryAccount(), meter(), [])
    assert paths(server) == ["live_status"]


@pytest.mark.parametrize(
    ("scopes", "located"), [(ALL_SCOPES, True), (ALL_SCOPES - {"vehicle_location"}, False)], ids=["granted", "not"]
)
async def test_the_position_is_asked_for_only_with_its_scope(
    make_api: MakeApi, scopes: frozenset[str], located: bool
) -> None:
    async with tiny_server(cloud()) as server:
        (state,) = await reader(make_api, server).read(MemoryAccount(scopes=scopes), vehicle(), [])
    assert ("location_data" in server.seen[-1].query) == located
    assert "charge_state" in server.seen[-1].query
    assert state.device == vehicle().name
    assert state.vehicle.charge.charge_percent == 77
    assert state.connectivity.status == ONLINE


@pytest.mark.parametrize(
    ("word", "reason"),
    [("asleep", Reason.REASON_VEHICLE_ASLEEP), ("offline", Reason.REASON_DEVICE_OFFLINE)],
)
async def test_a_vehicle_that_is_away_is_neither_billed_nor_woken(
    make_api: MakeApi, word: str, reason: Reason.ValueType
) -> None:
    async with tiny_server(cloud(word)) as server:
        with pytest.raises(Problem) as caught:
            await reader(make_api, server).read(MemoryAccount(), vehicle(), [])
    assert caught.value.reason == reason
    assert caught.value.retry_delay is not None
    (seen,) = caught.value.observed
    assert (seen.device, seen.connectivity.vendor_status) == (vehicle().name, word)
    assert paths(server) == [VIN]


async def test_a_vehicle_that_falls_asleep_in_between_is_told(make_api: MakeApi) -> None:
    async def answer(request: Request) -> Response:
        if request.url.path.endswith("vehicle_data"):
            return JSONResponse({"error": "vehicle unavailable: vehicle is offline or asleep"}, 408)
        return JSONResponse({"response": {"state": "online"}})

    async with tiny_server(answer) as server:
        with pytest.raises(Problem) as caught:
            await reader(make_api, server).read(MemoryAccount(), vehicle(), [])
    assert caught.value.reason == Reason.REASON_VEHICLE_ASLEEP
    assert caught.value.observed[0].connectivity.status == ASLEEP


@pytest.mark.parametrize(("word", "asked"), [("online", [VIN, "vehicle_data"]), ("asleep", [VIN])])
async def test_regular_vehicle_data_reads_only_a_vehicle_that_is_awake(
    make_api: MakeApi, word: str, asked: list[str]
) -> None:
    async with tiny_server(cloud(word)) as server:
        reading = reader(make_api, server, timedelta(minutes=5))
        (poll,) = [poll for poll in reading.polls([vehicle()]) if poll.key != "products"]
        assert poll.interval == timedelta(minutes=5)
        (state,) = await reading.poll(MemoryAccount(), poll, [vehicle()])
    assert paths(server) == asked
    assert state.connectivity.vendor_status == word


@pytest.mark.parametrize("device", [vehicle(), meter()], ids=["vehicle", "meter"])
async def test_connectivity_is_cheap(make_api: MakeApi, device: DeviceRecord) -> None:
    async with tiny_server(cloud()) as server:
        state = await reader(make_api, server).connectivity(MemoryAccount(), device)
    assert state.connectivity.status == ONLINE
    assert state.WhichOneof("values") is None
    assert len(server.seen) == 1


async def test_a_poll_whose_devices_are_gone_asks_nothing(make_api: MakeApi) -> None:
    async with tiny_server(cloud()) as server:
        poll = Poll("products", timedelta(seconds=1), ("devices/gone",))
        assert await reader(make_api, server).poll(MemoryAccount(), poll, [vehicle()]) == []
    assert server.seen == []


async def test_an_empty_live_status_does_not_call_the_site_online(make_api: MakeApi) -> None:
    async def answer(_: Request) -> Response:
        return JSONResponse({"response": None})

    async with tiny_server(answer) as server:
        (state,) = await reader(make_api, server).read(MemoryAccount(), meter(), [])
    assert state == DeviceState(device=meter().name)


async def test_a_site_without_its_gateway_is_offline_with_all_its_devices(make_api: MakeApi) -> None:
    async def answer(_: Request) -> Response:
        return JSONResponse({"response": None, "error": "upstream internal error"}, 500)

    async with tiny_server(answer) as server:
        with pytest.raises(Problem) as caught:
            await reader(make_api, server).read(MemoryAccount(), battery(), HOME)
    assert caught.value.reason == Reason.REASON_DEVICE_OFFLINE
    assert {state.device for state in caught.value.observed} == {device.name for device in HOME}
    offline = ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE
    assert all(state.connectivity.status == offline for state in caught.value.observed)
