"""Vehicle endpoints: the list, one record, live data, wake, and the state of the application's key.

Source: Tesla Fleet API documentation, vehicle-endpoints.
"""

from starlette.responses import Response

from tesla_sandbox.billing import Price
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.live_data import COMBINATION, GROUPS, LOCATION, read_groups
from tesla_sandbox.cars.rendering import vehicle_record
from tesla_sandbox.cars.security.keychain import encoded_point
from tesla_sandbox.fleet_api import fields
from tesla_sandbox.fleet_api.answers import answer, invalid_field, json_answer
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable
from tesla_sandbox.fleet_api.pagination import page_number, pagination
from tesla_sandbox.fleet_api.rate_limits import RateClass
from tesla_sandbox.fleet_api.vehicle_access import remote_car
from tesla_sandbox.scopes import Scope

VEHICLE_ENDPOINTS = EndpointTable()

LARGEST_PAGE = 100
MOST_VINS = 100

_DEVICE_DATA = (Scope.VEHICLE_DEVICE_DATA,)
_WAKING = (Scope.VEHICLE_DEVICE_DATA, Scope.VEHICLE_CMDS)
_ENDPOINT_NAMES = frozenset(GROUPS) | {LOCATION, COMBINATION}


@VEHICLE_ENDPOINTS.endpoint("GET", "/api/1/vehicles", any_of=_DEVICE_DATA)
async def vehicles(call: FleetCall) -> Response:
    """One page of the account's cars."""
    user = call.require_user()
    size = page_number(call, "page_size", LARGEST_PAGE)
    page = page_number(call, "page", 1)
    if size > LARGEST_PAGE:
        raise invalid_field("page_size", f"must be at most {LARGEST_PAGE}")
    shown = list(user.vins)[(page - 1) * size : page * size]
    return json_answer(
        {
            "response": [vehicle_record(call.world.cars[vin], user) for vin in shown],
            "pagination": pagination(len(user.vins), page, size),
            "count": len(shown),
        }
    )


@VEHICLE_ENDPOINTS.endpoint("GET", "/api/1/vehicles/{vin}", any_of=_DEVICE_DATA)
async def vehicle(call: FleetCall) -> Response:
    """One car's record; tells whether it is online without waking it."""
    return answer(vehicle_record(call.car(), call.require_user()))


@VEHICLE_ENDPOINTS.endpoint(
    "GET",
    "/api/1/vehicles/{vin}/vehicle_data",
    any_of=_DEVICE_DATA,
    price=Price.DATA,
    rate=RateClass.DATA,
)
async def vehicle_data(call: FleetCall) -> Response:
    """Live data of an awake car, which this call keeps awake."""
    wanted = _wanted_groups(call)
    if LOCATION in wanted:
        call.require_scopes(all_of=(Scope.VEHICLE_LOCATION,))
    car = remote_car(call)
    car.touch()
    record = vehicle_record(car, call.require_user())
    return answer({**record, **read_groups(car, wanted)})


@VEHICLE_ENDPOINTS.endpoint(
    "POST",
    "/api/1/vehicles/{vin}/wake_up",
    any_of=_WAKING,
    price=Price.WAKE,
    rate=RateClass.WAKE,
    parameterless=True,
)
async def wake_up(call: FleetCall) -> Response:
    """Begin to wake the car; the record in the answer shows its state at this moment."""
    car = call.car()
    car.wake()
    return answer(vehicle_record(car, call.require_user()))


@VEHICLE_ENDPOINTS.endpoint("POST", "/api/1/vehicles/fleet_status", any_of=_DEVICE_DATA)
async def fleet_status(call: FleetCall) -> Response:
    """Whether the application's key is on each of the account's cars that the body names."""
    vins = fields.texts(await call.json(), "vins", most=MOST_VINS)
    user = call.require_user()
    cars = {vin: car for vin in vins if (car := call.world.car_of(user, vin)) is not None}
    key = call.application.public_key
    point = encoded_point(key) if key is not None else b""
    paired = [car.vin for car in cars.values() if car.keychain.is_paired(point)]
    return answer(
        {
            "key_paired_vins": paired,
            "unpaired_vins": [car.vin for car in cars.values() if car.vin not in paired],
            "vehicle_info": {car.vin: _fleet_info(car, alone=len(vins) == 1) for car in cars.values()},
        }
    )


def _fleet_info(car: Car, *, alone: bool) -> dict[str, object]:
    info: dict[str, object] = {
        "firmware_version": car.firmware,
        "vehicle_command_protocol_required": car.protocol_required,
        "fleet_telemetry_version": car.spec.telemetry_version or "unknown",
        "total_number_of_keys": len(car.keychain),
        "safety_screen_streaming_toggle_enabled": car.streaming_toggle,
    }
    if alone:
        info["discounted_device_data"] = False
    return info


def _wanted_groups(call: FleetCall) -> frozenset[str]:
    names = frozenset(filter(None, call.query.get("endpoints", "").split(";")))
    unknown = sorted(names - _ENDPOINT_NAMES)
    if unknown:
        raise invalid_field("endpoints", f"contains the unknown value {unknown[0][:50]}")
    return names
