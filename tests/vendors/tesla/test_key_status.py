"""The key status of many vehicles, asked in few calls."""

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from wattbus.v1.device_pb2 import DeviceKind

from tests.vendors.tesla.account import MemoryAccount
from tests.vendors.tesla.conftest import MakeApi
from tests.vendors.tesla.samples import record
from tests.vendors.tesla.tiny_server import tiny_server
from wattbus_server.vendors.tesla.control.key_status import KeyStatuses

CARS = [record(DeviceKind.DEVICE_KIND_VEHICLE, f"vehicle/{number}", f"VIN{number:014}") for number in range(120)]
PAIRED = {car.vendor_id for car in CARS[::3]}


async def test_a_large_fleet_is_asked_about_in_few_calls_and_told_in_order(make_api: MakeApi) -> None:
    async def answer(request: Request) -> Response:
        vins = (await request.json())["vins"]
        told = {
            "key_paired_vins": [vin for vin in vins if vin in PAIRED],
            "unpaired_vins": [vin for vin in vins if vin not in PAIRED],
            "vehicle_info": {vin: {"total_number_of_keys": int(vin[3:]) % 20} for vin in vins},
        }
        return JSONResponse({"response": told})

    async with tiny_server(answer) as server:
        keys = KeyStatuses(make_api({"na": server.url}))
        statuses = await keys.of_all(MemoryAccount(), CARS)
    assert [status.paired for status in statuses] == [car.vendor_id in PAIRED for car in CARS]
    assert [status.key_count for status in statuses] == [number % 20 for number in range(len(CARS))]
    asked = [json.loads(request.body)["vins"] for request in server.seen]
    assert sorted(vin for vins in asked for vin in vins) == sorted(car.vendor_id for car in CARS)
    assert len(asked) <= 3
    assert keys.known(CARS[0]).paired
