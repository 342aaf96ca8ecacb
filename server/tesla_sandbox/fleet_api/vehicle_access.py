"""What stands between a request and a car: sleep, service, the mobile access setting, faults."""

from tesla_sandbox.cars.car import Car
from tesla_sandbox.fleet_api.answers import ApiRefusal, refusal, vehicle_unavailable
from tesla_sandbox.fleet_api.call import FleetCall


def reachable_car(call: FleetCall) -> Car:
    """The car of the path, awake.

    Raises:
        ApiRefusal: 408 when it sleeps or has no network, 540 when a fault says so.
    """
    car = call.car()
    if not car.reachable() or call.world.faults.take("phantom_sleep", car.vin):
        raise vehicle_unavailable()
    if call.world.faults.take("vehicle_error", car.vin):
        raise ApiRefusal(540, {"error": "vehicle_error"})
    return car


def operable_car(call: FleetCall) -> Car:
    """The car of the path, awake and not in service.

    Raises:
        ApiRefusal: As `reachable_car`; 405 in service.
    """
    car = reachable_car(call)
    if car.in_service:
        raise refusal(405, "vehicle is currently in service")
    return car


def remote_car(call: FleetCall) -> Car:
    """The car of the path, awake, not in service and with mobile access switched on.

    Raises:
        ApiRefusal: As `operable_car`; 401 without mobile access.
    """
    car = operable_car(call)
    if not car.mobile_access:
        raise refusal(401, "mobile_access_disabled")
    return car
