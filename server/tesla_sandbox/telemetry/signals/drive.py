"""Motion, place and route. mph, miles, degrees, bar."""

from collections.abc import Mapping

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.schedules import same_place
from tesla_sandbox.telemetry.signals.signal import Flags, Place, Reading, Signal, flag, named, real, text

_TYRE_PRESSURES = {"Fl": 2.775, "Fr": 2.8, "Rl": 2.775, "Rr": 2.775}


def _shown(car: Car, value: Reading) -> Reading:
    """A value that tells where the car is; none for a car that hides its place."""
    return None if car.spec.hide_location else value


def _place(car: Car) -> Reading:
    return _shown(car, Place(round(car.drive.latitude, 6), round(car.drive.longitude, 6)))


def _destination(car: Car) -> Reading:
    target = car.drive.destination
    return _shown(car, Place(*target)) if target is not None else None


def _destination_name(car: Car) -> Reading:
    return _shown(car, car.drive.destination_name) if car.drive.moving else None


def _at_home(car: Car) -> bool:
    """Home is where the car's life began."""
    return same_place(car.spec.location.latitude, car.spec.location.longitude, car.place)


def _pressure(bar: float) -> Signal:
    return real(lambda _: bar)


def _motion(car: Car) -> str:
    return "D" if car.drive.moving else "P"


MOTION: Mapping[str, Signal] = {
    "VehicleSpeed": real(lambda car: round(car.drive.speed, 1)),
    "Gear": named("shift_state_value", "ShiftState", _motion),
    "Odometer": real(lambda car: round(car.drive.odometer, 3), delta=0.1),
    "DriveRail": flag(lambda car: car.drive.moving),
    "Location": Signal("location_value", _place),
    "GpsState": Signal("boolean_value", lambda car: _shown(car, True)),
    "GpsHeading": Signal("double_value", lambda car: _shown(car, round(car.drive.heading, 1))),
    "LocatedAtHome": flag(_at_home).from_firmware(2024, 44, 32),
    "DestinationLocation": Signal("location_value", _destination),
    "DestinationName": Signal("string_value", _destination_name),
    "MilesToArrival": real(lambda car: round(car.drive.miles_left(), 2) if car.drive.moving else None),
    "MinutesToArrival": real(lambda car: round(60 * car.drive.hours_left(), 1) if car.drive.moving else None),
    "RouteTrafficMinutesDelay": real(lambda car: 0.0 if car.drive.moving else None),
    "CruiseSetSpeed": real(lambda _: 0.0),
}
"""How the car moves, where it is and where it goes."""

TYRES: Mapping[str, Signal] = {
    **{f"TpmsPressure{wheel}": _pressure(bar) for wheel, bar in _TYRE_PRESSURES.items()},
    "TpmsHardWarnings": Signal("tire_location_value", lambda _: Flags(), (2024, 44, 25)),
    "TpmsSoftWarnings": Signal("tire_location_value", lambda _: Flags(), (2024, 44, 25)),
    "WheelType": text(lambda car: str(car.model.vehicle_config()["wheel_type"])).from_firmware(2024, 44, 25),
}
"""The tyres, which never lose air."""
