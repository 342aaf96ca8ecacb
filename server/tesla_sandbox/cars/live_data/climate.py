"""The group `climate_state`. Temperatures in °C."""

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.climate import TEMPERATURE_MAXIMUM, TEMPERATURE_MINIMUM
from tesla_sandbox.cars.live_data.group import Group, timestamp


def climate_state(car: Car) -> Group:
    """Cabin temperatures and comfort settings."""
    climate = car.climate
    return {
        **_seats_and_wheel(car),
        "allow_cabin_overheat_protection": True,
        "battery_heater": False,
        "battery_heater_no_power": None,
        "bioweapon_mode": climate.bioweapon_mode,
        "cabin_overheat_protection": climate.overheat_protection.value,
        "cabin_overheat_protection_actively_cooling": False,
        "climate_keeper_mode": climate.keeper_mode.value,
        "cop_activation_temperature": climate.overheat_limit,
        "defrost_mode": 2 if climate.max_defrost else 0,
        "driver_temp_setting": climate.driver_setting,
        "fan_status": 3 if climate.running else 0,
        "hvac_auto_request": "On",
        "inside_temp": round(climate.inside, 1),
        "is_auto_conditioning_on": climate.running,
        "is_climate_on": climate.running,
        "is_front_defroster_on": climate.max_defrost,
        "is_preconditioning": climate.preconditioning,
        "is_rear_defroster_on": climate.max_defrost,
        "left_temp_direction": 251,
        "max_avail_temp": TEMPERATURE_MAXIMUM,
        "min_avail_temp": TEMPERATURE_MINIMUM,
        "outside_temp": round(climate.outside, 1),
        "passenger_temp_setting": climate.passenger_setting,
        "remote_heater_control_enabled": climate.running,
        "right_temp_direction": 251,
        "side_mirror_heaters": climate.max_defrost,
        "supports_fan_only_cabin_overheat_protection": True,
        "timestamp": timestamp(car),
        "wiper_blade_heater": False,
    }


def _seats_and_wheel(car: Car) -> Group:
    climate = car.climate
    heaters = climate.seat_heaters
    return {
        "auto_seat_climate_left": climate.auto_seats.get("left", False),
        "auto_seat_climate_right": climate.auto_seats.get("right", False),
        "auto_steering_wheel_heat": climate.auto_wheel_heat,
        "seat_heater_left": heaters.get("left", 0),
        "seat_heater_rear_center": heaters.get("rear_center", 0),
        "seat_heater_rear_left": heaters.get("rear_left", 0),
        "seat_heater_rear_right": heaters.get("rear_right", 0),
        "seat_heater_right": heaters.get("right", 0),
        "steering_wheel_heat_level": climate.wheel_heat_level,
        "steering_wheel_heater": climate.wheel_heat_level > 0,
    }
