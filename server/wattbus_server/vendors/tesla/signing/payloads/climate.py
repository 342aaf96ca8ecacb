"""Climate. Names and parameters follow the Fleet API documentation, vehicle-commands."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from tesla_protocol.command import car_server_pb2 as car_server
from tesla_protocol.command import common_pb2 as common

from wattbus_server.vendors.tesla.signing.payloads.payload import SignedPayload, infotainment, require_between

MIN_TEMPERATURE_CELSIUS = 15.0
"""What the car shows as LO."""

MAX_TEMPERATURE_CELSIUS = 28.0
"""What the car shows as HI."""


class Seat(IntEnum):
    """A seat with a heater; the numbers are those of `remote_seat_heater_request`."""

    FRONT_LEFT = 0
    FRONT_RIGHT = 1
    REAR_LEFT = 2
    REAR_LEFT_BACK = 3
    REAR_CENTER = 4
    REAR_RIGHT = 5
    REAR_RIGHT_BACK = 6
    THIRD_ROW_LEFT = 7
    THIRD_ROW_RIGHT = 8


class Level(IntEnum):
    """How strongly a seat is heated or cooled."""

    OFF = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class ClimateKeeperMode(IntEnum):
    """What the climate does while nobody drives."""

    OFF = 0
    KEEP = 1
    DOG = 2
    CAMP = 3


_SeatHeaterAction = car_server.HvacSeatHeaterActions.HvacSeatHeaterAction
_KeeperAction = car_server.HvacClimateKeeperAction

_HEATER_LEVELS: Mapping[Level, str] = MappingProxyType(
    {
        Level.OFF: "SEAT_HEATER_OFF",
        Level.LOW: "SEAT_HEATER_LOW",
        Level.MEDIUM: "SEAT_HEATER_MED",
        Level.HIGH: "SEAT_HEATER_HIGH",
    }
)

_KEEPER_MODES: Mapping[ClimateKeeperMode, "_KeeperAction.ClimateKeeperAction_E"] = MappingProxyType(
    {
        ClimateKeeperMode.OFF: _KeeperAction.ClimateKeeperAction_Off,
        ClimateKeeperMode.KEEP: _KeeperAction.ClimateKeeperAction_On,
        ClimateKeeperMode.DOG: _KeeperAction.ClimateKeeperAction_Dog,
        ClimateKeeperMode.CAMP: _KeeperAction.ClimateKeeperAction_Camp,
    }
)


def auto_conditioning_start() -> SignedPayload:
    """Switch the climate on."""
    action = car_server.HvacAutoAction(power_on=True)
    return infotainment(car_server.VehicleAction(hvacAutoAction=action))


def auto_conditioning_stop() -> SignedPayload:
    """Switch the climate off."""
    action = car_server.HvacAutoAction(power_on=False)
    return infotainment(car_server.VehicleAction(hvacAutoAction=action))


def set_temps(driver: float, passenger: float) -> SignedPayload:
    """Set the cabin temperatures.

    Args:
        driver: °C, 15 to 28.
        passenger: °C, 15 to 28. The car needs both.

    Raises:
        ValueError: out of range.
    """
    require_between("driver", driver, MIN_TEMPERATURE_CELSIUS, MAX_TEMPERATURE_CELSIUS)
    require_between("passenger", passenger, MIN_TEMPERATURE_CELSIUS, MAX_TEMPERATURE_CELSIUS)
    action = car_server.HvacTemperatureAdjustmentAction(driver_temp_celsius=driver, passenger_temp_celsius=passenger)
    return infotainment(car_server.VehicleAction(hvacTemperatureAdjustmentAction=action))


def set_preconditioning_max(on: bool, *, manual_override: bool = False) -> SignedPayload:
    """Defrost with everything the car has.

    Args:
        on: whether to defrost.
        manual_override: also against a mode that the car is in, such as dog mode.
    """
    action = car_server.HvacSetPreconditioningMaxAction(on=on, manual_override=manual_override)
    return infotainment(car_server.VehicleAction(hvacSetPreconditioningMaxAction=action))


def set_climate_keeper_mode(mode: ClimateKeeperMode, *, manual_override: bool = False) -> SignedPayload:
    """Choose what the climate does while nobody drives.

    Args:
        mode: off, keep, dog or camp.
        manual_override: also if the state of charge is low.
    """
    action = _KeeperAction(ClimateKeeperAction=_KEEPER_MODES[mode], manual_override=manual_override)
    return infotainment(car_server.VehicleAction(hvacClimateKeeperAction=action))


def remote_seat_heater_request(seat: Seat, level: Level) -> SignedPayload:
    """Heat a seat; the climate must be on."""
    action = _SeatHeaterAction(**{_HEATER_LEVELS[level]: common.Void(), f"CAR_SEAT_{seat.name}": common.Void()})
    actions = car_server.HvacSeatHeaterActions(hvacSeatHeaterAction=[action])
    return infotainment(car_server.VehicleAction(hvacSeatHeaterActions=actions))


def remote_steering_wheel_heater_request(on: bool) -> SignedPayload:
    """Heat the steering wheel; the climate must be on."""
    action = car_server.HvacSteeringWheelHeaterAction(power_on=on)
    return infotainment(car_server.VehicleAction(hvacSteeringWheelHeaterAction=action))


def set_bioweapon_mode(on: bool, *, manual_override: bool = False) -> SignedPayload:
    """Filter the cabin air with full power."""
    action = car_server.HvacBioweaponModeAction(on=on, manual_override=manual_override)
    return infotainment(car_server.VehicleAction(hvacBioweaponModeAction=action))


def set_cabin_overheat_protection(on: bool, *, fan_only: bool = False) -> SignedPayload:
    """Keep a parked cabin from overheating.

    Args:
        on: whether to protect.
        fan_only: with the fan alone, without cooling.
    """
    action = car_server.SetCabinOverheatProtectionAction(on=on, fan_only=fan_only)
    return infotainment(car_server.VehicleAction(setCabinOverheatProtectionAction=action))
