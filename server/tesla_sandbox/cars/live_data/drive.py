"""The group `drive_state`, and position and route that join it. Miles, mph, kW, degrees."""

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.charging import ChargingState
from tesla_sandbox.cars.live_data.group import Group, timestamp


def drive_state(car: Car) -> Group:
    """Motion without position."""
    moving = car.drive.moving
    kilowatts = car.drive.speed * car.model.rated_kwh_per_mile if moving else -_charge_kw(car)
    return {
        "power": round(kilowatts),
        "shift_state": "D" if moving else None,
        "speed": round(car.drive.speed) if moving else None,
        "timestamp": timestamp(car),
    }


def _charge_kw(car: Car) -> float:
    if car.charging.state is not ChargingState.CHARGING:
        return 0.0
    return car.charging.wall_power(car.auxiliary_power())


def location_data(car: Car) -> Group:
    """Position and route, which current servers merge into `drive_state`."""
    drive = car.drive
    latitude, longitude = round(drive.latitude, 6), round(drive.longitude, 6)
    route: Group = {}
    if drive.destination is not None:
        route = {
            "active_route_destination": drive.destination_name,
            "active_route_latitude": drive.destination[0],
            "active_route_longitude": drive.destination[1],
            "active_route_miles_to_arrival": round(drive.miles_left(), 6),
            "active_route_minutes_to_arrival": round(60 * drive.hours_left(), 6),
            "active_route_traffic_minutes_delay": 0,
        }
    return {
        **route,
        "gps_as_of": int(car.updated_at),
        "heading": round(drive.heading),
        "latitude": latitude,
        "longitude": longitude,
        "native_latitude": latitude,
        "native_location_supported": 1,
        "native_longitude": longitude,
        "native_type": "wgs",
    }
