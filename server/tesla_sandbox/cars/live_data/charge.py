"""The group `charge_state`. Miles, kWh, kW, A, V, °C."""

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.charging import LIMIT_MAXIMUM, LIMIT_MINIMUM, LIMIT_STANDARD, ChargingState
from tesla_sandbox.cars.live_data.group import UNKNOWN, Group, timestamp
from tesla_sandbox.cars.plan import ScheduledChargingMode
from tesla_sandbox.cars.schedules import EVERY_DAY, next_occurrence

_ESTIMATED_SHARE = 0.93
_NO_CABLE_VOLTS = 2


def charge_state(car: Car) -> Group:
    """Battery, cable, current and plans of charging."""
    return {
        **_battery(car),
        **_current(car),
        **_cable(car),
        **_scheduled_charging(car),
        "charge_enable_request": car.charging.state is not ChargingState.STOPPED,
        "charge_limit_soc": car.charging.limit,
        "charge_limit_soc_max": LIMIT_MAXIMUM,
        "charge_limit_soc_min": LIMIT_MINIMUM,
        "charge_limit_soc_std": LIMIT_STANDARD,
        "charging_state": car.charging.state.value,
        "max_range_charge_counter": 0,
        "supercharger_session_trip_planner": False,
        "timestamp": timestamp(car),
        "trip_charging": False,
        "user_charge_enable_request": None,
    }


def _battery(car: Car) -> Group:
    battery = car.battery
    rated = battery.energy / car.model.rated_kwh_per_mile
    return {
        "battery_heater_on": False,
        "battery_level": int(battery.level),
        "usable_battery_level": int(battery.usable_level),
        "battery_range": round(rated, 2),
        "est_battery_range": round(rated * _ESTIMATED_SHARE, 2),
        "ideal_battery_range": round(rated, 2),
        "energy_remaining": round(battery.energy, 2),
        "lifetime_energy_used": round(battery.lifetime_used, 3),
        "module_temp_min": round(battery.temperature - 0.5, 1),
        "module_temp_max": round(battery.temperature + 0.5, 1),
        "not_enough_power_to_heat": None,
    }


def _current(car: Car) -> Group:
    charging, auxiliary = car.charging, car.auxiliary_power()
    flowing = charging.state is ChargingState.CHARGING and charging.supply is not None
    wall = charging.wall_power(auxiliary) if flowing else 0.0
    volts = charging.supply.volts if flowing and charging.supply and not charging.fast else 0.0
    amps = 1000 * wall / (volts * charging.phases) if volts else 0.0
    miles = charging.energy_added / car.model.rated_kwh_per_mile
    power_in = max(charging.battery_power(auxiliary), 0.0) if flowing else 0.0
    minutes = charging.seconds_to_limit(auxiliary) / 60 if power_in > 0 else 0.0
    return {
        "charge_amps": charging.requested_amps,
        "charge_current_request": charging.requested_amps,
        "charge_current_request_max": charging.requestable_amps,
        "charge_energy_added": round(charging.energy_added, 2),
        "charge_miles_added_ideal": round(miles, 1),
        "charge_miles_added_rated": round(miles, 1),
        "charge_rate": round(power_in / car.model.rated_kwh_per_mile, 1),
        "charger_actual_current": round(amps),
        "charger_phases": _reported_phases(charging.phases) if flowing and not charging.fast else None,
        "charger_pilot_current": charging.pilot_amps,
        "charger_power": round(wall),
        "charger_voltage": round(volts) if volts else _NO_CABLE_VOLTS,
        "minutes_to_full_charge": round(minutes),
        "time_to_full_charge": round(minutes / 60, 2),
    }


def _reported_phases(phases: int) -> int:
    """What cars report: three-phase charging commonly shows as 2."""
    return 1 if phases == 1 else 2


def _cable(car: Car) -> Group:
    charging = car.charging
    plugged = charging.supply is not None
    cable = "IEC" if car.model.vehicle_config()["eu_vehicle"] else "SAE"
    latched = plugged and not charging.unlatched
    return {
        "charge_port_cold_weather_mode": False,
        "charge_port_color": UNKNOWN,
        "charge_port_door_open": charging.port_open,
        "charge_port_latch": "Engaged" if latched or not charging.port_open else "Disengaged",
        "conn_charge_cable": cable if plugged else UNKNOWN,
        "fast_charger_brand": "Tesla" if charging.fast else UNKNOWN,
        "fast_charger_present": charging.fast,
        "fast_charger_type": _charger_type(car),
    }


def _charger_type(car: Car) -> str:
    if car.charging.fast:
        return "Combo" if car.market == "eu" else "Tesla"
    return "ACSingleWireCAN" if car.plugged_in else UNKNOWN


def _scheduled_charging(car: Car) -> Group:
    plan, agenda = car.plan, car.agenda()
    waiting = car.charging.state is ChargingState.STOPPED and agenda.holds_back(car.updated_at)
    starts = agenda.next_start(car.updated_at) if waiting else None
    departs = _next_departure(car)
    return {
        "charging_schedule_override": False,
        "off_peak_charging_enabled": plan.off_peak_enabled,
        "off_peak_charging_times": _times(weekdays_only=plan.off_peak_weekdays_only),
        "off_peak_hours_end_time": plan.off_peak_end_time,
        "preconditioning_enabled": plan.preconditioning_enabled,
        "preconditioning_times": _times(weekdays_only=plan.preconditioning_weekdays_only),
        "scheduled_charging_mode": plan.mode.value,
        "scheduled_charging_pending": waiting,
        "scheduled_charging_start_time": int(starts) if starts is not None else None,
        "scheduled_charging_start_time_app": plan.start_time,
        "scheduled_departure_time": departs,
        "scheduled_departure_time_minutes": plan.departure_time,
    }


def _times(*, weekdays_only: bool) -> str:
    return "weekdays" if weekdays_only else "all_week"


def _next_departure(car: Car) -> int | None:
    if car.plan.mode is not ScheduledChargingMode.DEPART_BY:
        return None
    return int(next_occurrence(car.updated_at, car.zone, EVERY_DAY, car.plan.departure_time))
