"""Climate commands. Temperatures in °C."""

from typing import Annotated

from pydantic import AliasChoices, Field

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.climate import (
    OVERHEAT_LIMITS,
    SEATS,
    TEMPERATURE_MAXIMUM,
    TEMPERATURE_MINIMUM,
    KeeperMode,
    OverheatProtection,
)
from tesla_sandbox.cars.commands.contract import (
    AnyCommand,
    Command,
    CommandRefusal,
    NoParameters,
    Parameters,
    Unsigned,
)

Level = Annotated[int, Field(ge=0, le=3)]
Celsius = Annotated[float, Field(ge=-50, le=60)]

_KEEPER_MODES = tuple(KeeperMode)
_FRONT_SEATS = {1: "left", 2: "right"}


class OnOff(Parameters):
    """Switch something on or off."""

    on: bool
    manual_override: bool = False


class Temperatures(Parameters):
    """Settings for driver and passenger."""

    driver_temp: Celsius
    passenger_temp: Celsius


class KeeperModeChoice(Parameters):
    """0 off, 1 keep, 2 dog, 3 camp."""

    climate_keeper_mode: Annotated[int, Field(ge=0, le=3)]
    manual_override: bool = False


class SeatHeater(Parameters):
    """Seat in the order of `climate.SEATS`, which older clients call `heater`, and level 0 to 3."""

    seat_position: Annotated[int, Field(ge=0, lt=len(SEATS), validation_alias=AliasChoices("seat_position", "heater"))]
    level: Level


class SeatCooler(Parameters):
    """Seat 1 front left, 2 front right, and level 0 to 3."""

    seat_position: Annotated[int, Field(ge=1, le=2)]
    seat_cooler_level: Level


class AutoSeat(Parameters):
    """Seat 1 front left, 2 front right."""

    auto_seat_position: Annotated[int, Field(ge=1, le=2)]
    auto_climate_on: bool


class WheelHeat(Parameters):
    """0 off, 1 low, 3 high."""

    level: Level


class OverheatChoice(Parameters):
    """Cabin overheat protection, with air conditioning or only with the fan."""

    on: bool
    fan_only: bool = False


class OverheatTemperature(Parameters):
    """0, 1 and 2 stand for 30, 35 and 40 °C."""

    cop_temp: Annotated[int, Field(ge=0, le=2)]


def start(car: Car, _: NoParameters) -> None:
    """Switch the climate system on."""
    car.climate.start(preconditioning=True)


def stop(car: Car, _: NoParameters) -> None:
    """Switch the climate system off."""
    car.climate.stop()


def set_temperatures(car: Car, wanted: Temperatures) -> None:
    """Change the temperature settings; values beyond the car's range are brought into it."""
    car.climate.driver_setting = _in_range(wanted.driver_temp)
    car.climate.passenger_setting = _in_range(wanted.passenger_temp)


def set_max_defrost(car: Car, wanted: OnOff) -> None:
    """Switch maximum defrosting on or off."""
    car.climate.max_defrost = wanted.on
    if wanted.on:
        car.climate.start()


def set_keeper_mode(car: Car, wanted: KeeperModeChoice) -> None:
    """Keep the climate for a passenger, a dog or campers after the driver leaves."""
    mode = _KEEPER_MODES[wanted.climate_keeper_mode]
    car.climate.keeper_mode = mode
    if mode is not KeeperMode.OFF:
        car.climate.start()


def set_bioweapon_mode(car: Car, wanted: OnOff) -> None:
    """Switch bioweapon defence mode on or off."""
    car.climate.bioweapon_mode = wanted.on
    if wanted.on:
        car.climate.start()


def set_seat_heater(car: Car, wanted: SeatHeater) -> None:
    """Heat a seat."""
    _require_running(car)
    car.climate.seat_heaters[SEATS[wanted.seat_position]] = wanted.level


def set_seat_cooler(car: Car, wanted: SeatCooler) -> None:
    """Cool a seat."""
    _require_running(car)
    car.climate.seat_coolers[_FRONT_SEATS[wanted.seat_position]] = wanted.seat_cooler_level


def set_auto_seat(car: Car, wanted: AutoSeat) -> None:
    """Let the car choose a seat's temperature."""
    _require_running(car)
    car.climate.auto_seats[_FRONT_SEATS[wanted.auto_seat_position]] = wanted.auto_climate_on


def set_wheel_heater(car: Car, wanted: OnOff) -> None:
    """Heat the steering wheel."""
    _require_running(car)
    car.climate.wheel_heat_level = 3 if wanted.on else 0


def set_wheel_heat_level(car: Car, wanted: WheelHeat) -> None:
    """Heat the steering wheel at a level."""
    _require_running(car)
    car.climate.wheel_heat_level = wanted.level


def set_auto_wheel_heat(car: Car, wanted: OnOff) -> None:
    """Let the car choose the steering wheel's heat."""
    car.climate.auto_wheel_heat = wanted.on


def set_recirculation(car: Car, wanted: OnOff) -> None:
    """Recirculate the cabin air."""
    car.climate.recirculating = wanted.on


def set_overheat_protection(car: Car, wanted: OverheatChoice) -> None:
    """Protect the parked cabin from heat."""
    if not wanted.on:
        car.climate.overheat_protection = OverheatProtection.OFF
    elif wanted.fan_only:
        car.climate.overheat_protection = OverheatProtection.FAN_ONLY
    else:
        car.climate.overheat_protection = OverheatProtection.ON


def set_overheat_temperature(car: Car, wanted: OverheatTemperature) -> None:
    """Choose when overheat protection begins."""
    car.climate.overheat_limit = tuple(OVERHEAT_LIMITS)[wanted.cop_temp]


def _in_range(temperature: float) -> float:
    return min(max(temperature, TEMPERATURE_MINIMUM), TEMPERATURE_MAXIMUM)


def _require_running(car: Car) -> None:
    if not car.climate.running:
        raise CommandRefusal("cabin comfort remote settings not enabled")


COMMANDS: tuple[AnyCommand, ...] = (
    Command("auto_conditioning_start", NoParameters, start),
    Command("auto_conditioning_stop", NoParameters, stop),
    Command("set_temps", Temperatures, set_temperatures),
    Command("set_preconditioning_max", OnOff, set_max_defrost),
    Command("set_climate_keeper_mode", KeeperModeChoice, set_keeper_mode),
    Command("set_bioweapon_mode", OnOff, set_bioweapon_mode),
    Command("remote_seat_heater_request", SeatHeater, set_seat_heater),
    Command("remote_seat_cooler_request", SeatCooler, set_seat_cooler),
    Command("remote_auto_seat_climate_request", AutoSeat, set_auto_seat),
    Command("remote_steering_wheel_heater_request", OnOff, set_wheel_heater),
    Command("remote_steering_wheel_heat_level_request", WheelHeat, set_wheel_heat_level),
    Command("remote_auto_steering_wheel_heat_climate_request", OnOff, set_auto_wheel_heat),
    Command("set_recirculation", OnOff, set_recirculation, unsigned=Unsigned.NEVER),
    Command("set_cabin_overheat_protection", OverheatChoice, set_overheat_protection),
    Command("set_cop_temp", OverheatTemperature, set_overheat_temperature),
)
