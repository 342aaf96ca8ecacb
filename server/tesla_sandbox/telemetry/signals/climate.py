"""Cabin climate. °C."""

from collections.abc import Mapping

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.climate import KeeperMode
from tesla_sandbox.telemetry.signals.signal import Signal, flag, named, real, whole

_SEAT_HEATERS = {
    "SeatHeaterLeft": "left",
    "SeatHeaterRight": "right",
    "SeatHeaterRearLeft": "rear_left",
    "SeatHeaterRearRight": "rear_right",
    "SeatHeaterRearCenter": "rear_center",
}
_SEAT_COOLERS = {"ClimateSeatCoolingFrontLeft": "left", "ClimateSeatCoolingFrontRight": "right"}
_AUTO_SEATS = {"AutoSeatClimateLeft": "left", "AutoSeatClimateRight": "right"}
_KEEPER_MODES = {KeeperMode.OFF: "Off", KeeperMode.KEEP: "On", KeeperMode.DOG: "Dog", KeeperMode.CAMP: "Party"}


def _heater(seat: str) -> Signal:
    return whole(lambda car: car.climate.seat_heaters.get(seat, 0))


def _cooler(seat: str) -> Signal:
    return whole(lambda car: car.climate.seat_coolers.get(seat, 0)).from_firmware(2024, 44, 32)


def _auto_seat(seat: str) -> Signal:
    return flag(lambda car: car.climate.auto_seats.get(seat, False))


def _power(car: Car) -> str:
    if not car.climate.running:
        return "Off"
    return "Precondition" if car.climate.preconditioning else "On"


CLIMATE: Mapping[str, Signal] = {
    "InsideTemp": real(lambda car: round(car.climate.inside, 1)),
    "OutsideTemp": real(lambda car: round(car.climate.outside, 1)),
    **{
        field: signal.from_firmware(2024, 44, 25)
        for field, signal in {
            "HvacPower": named("hvac_power_value", "HvacPowerState", _power),
            "HvacAutoMode": named("hvac_auto_mode_value", "HvacAutoModeState", lambda _: "On"),
            "HvacACEnabled": flag(lambda car: car.climate.running),
            "HvacFanStatus": whole(lambda car: 3 if car.climate.running else 0),
            "HvacLeftTemperatureRequest": real(lambda car: car.climate.driver_setting),
            "HvacRightTemperatureRequest": real(lambda car: car.climate.passenger_setting),
            "HvacSteeringWheelHeatAuto": flag(lambda car: car.climate.auto_wheel_heat),
            "HvacSteeringWheelHeatLevel": whole(lambda car: car.climate.wheel_heat_level),
            "ClimateKeeperMode": named(
                "climate_keeper_mode_value",
                "ClimateKeeperModeState",
                lambda car: _KEEPER_MODES[car.climate.keeper_mode],
            ),
            "DefrostMode": named(
                "defrost_mode_value", "DefrostModeState", lambda car: "Max" if car.climate.max_defrost else "Off"
            ),
            "CabinOverheatProtectionMode": named(
                "cabin_overheat_protection_mode_value",
                "CabinOverheatProtectionModeState",
                lambda car: car.climate.overheat_protection.value,
            ),
            "CabinOverheatProtectionTemperatureLimit": named(
                "cabin_overheat_protection_temperature_limit_value",
                "ClimateOverheatProtectionTempLimit",
                lambda car: car.climate.overheat_limit,
            ),
        }.items()
    },
    **{field: _heater(seat) for field, seat in _SEAT_HEATERS.items()},
    **{field: _cooler(seat) for field, seat in _SEAT_COOLERS.items()},
    **{field: _auto_seat(seat) for field, seat in _AUTO_SEATS.items()},
    "RearDefrostEnabled": flag(lambda car: car.climate.max_defrost).from_firmware(2025, 2, 6),
}
"""Temperatures, heating, cooling and comfort."""
