"""The live data of a car, group by group, with the field names and units of the Fleet API.

Miles, mph, °C, bar and kWh whatever the car's screen shows. Source of the field set: Tesla Fleet
API documentation, vehicle-endpoints, and public sample bodies.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType

from tesla_sandbox.cars.cabin import DOORS, WINDOWS
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.charging import (
    LIMIT_MAXIMUM,
    LIMIT_MINIMUM,
    LIMIT_STANDARD,
    ChargingState,
)
from tesla_sandbox.cars.climate import TEMPERATURE_MAXIMUM, TEMPERATURE_MINIMUM
from tesla_sandbox.cars.plan import ScheduledChargingMode
from tesla_sandbox.cars.rendering import API_VERSION
from tesla_sandbox.cars.schedules import EVERY_DAY, MOST_SCHEDULES, next_occurrence

Group = dict[str, object]

_UNKNOWN = "<invalid>"
_ESTIMATED_SHARE = 0.93
_NO_CABLE_VOLTS = 2
_TYRE_PRESSURES = {"fl": 2.775, "fr": 2.8, "rl": 2.775, "rr": 2.775}


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
        "timestamp": _timestamp(car),
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
    volts = charging.supply.volts if flowing and charging.supply else 0.0
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
        "charger_phases": _reported_phases(charging.phases) if flowing else None,
        "charger_pilot_current": charging.pilot_amps,
        "charger_power": round(wall),
        "charger_voltage": round(volts) if flowing else _NO_CABLE_VOLTS,
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
        "charge_port_color": _UNKNOWN,
        "charge_port_door_open": charging.port_open,
        "charge_port_latch": "Engaged" if latched or not charging.port_open else "Disengaged",
        "conn_charge_cable": cable if plugged else _UNKNOWN,
        "fast_charger_brand": _UNKNOWN,
        "fast_charger_present": False,
        "fast_charger_type": "ACSingleWireCAN" if plugged else _UNKNOWN,
    }


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


def climate_state(car: Car) -> Group:
    """Cabin temperatures and comfort settings."""
    climate = car.climate
    heaters = climate.seat_heaters
    return {
        "allow_cabin_overheat_protection": True,
        "auto_seat_climate_left": climate.auto_seats.get("left", False),
        "auto_seat_climate_right": climate.auto_seats.get("right", False),
        "auto_steering_wheel_heat": climate.auto_wheel_heat,
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
        "seat_heater_left": heaters.get("left", 0),
        "seat_heater_rear_center": heaters.get("rear_center", 0),
        "seat_heater_rear_left": heaters.get("rear_left", 0),
        "seat_heater_rear_right": heaters.get("rear_right", 0),
        "seat_heater_right": heaters.get("right", 0),
        "side_mirror_heaters": climate.max_defrost,
        "steering_wheel_heat_level": climate.wheel_heat_level,
        "steering_wheel_heater": climate.wheel_heat_level > 0,
        "supports_fan_only_cabin_overheat_protection": True,
        "timestamp": _timestamp(car),
        "wiper_blade_heater": False,
    }


def drive_state(car: Car) -> Group:
    """Motion without position."""
    moving = car.drive.moving
    kilowatts = car.drive.speed * car.model.rated_kwh_per_mile if moving else -_charge_kw(car)
    return {
        "power": round(kilowatts),
        "shift_state": "D" if moving else None,
        "speed": round(car.drive.speed) if moving else None,
        "timestamp": _timestamp(car),
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


def gui_settings(car: Car) -> Group:
    """How the car's screen shows units; the API does not follow these."""
    metric = bool(car.model.vehicle_config()["eu_vehicle"])
    return {
        "gui_24_hour_time": metric,
        "gui_charge_rate_units": "kW",
        "gui_distance_units": "km/hr" if metric else "mi/hr",
        "gui_range_display": "Rated",
        "gui_temperature_units": "C" if metric else "F",
        "gui_tirepressure_units": "Bar" if metric else "Psi",
        "show_range_units": False,
        "timestamp": _timestamp(car),
    }


def vehicle_config(car: Car) -> Group:
    """What the car is built of."""
    local = car.clock.now().astimezone(car.zone).utcoffset()
    return {
        **car.model.vehicle_config(),
        "utc_offset": int(local.total_seconds()) if local is not None else 0,
        "timestamp": _timestamp(car),
    }


def vehicle_state(car: Car) -> Group:
    """Locks, openings, software, odometer, tyres and restrictions."""
    body = car.body
    return {
        **_openings(car),
        **_software(car),
        **_tyres(car),
        "api_version": API_VERSION,
        "autopark_state_v2": "unavailable",
        "calendar_supported": True,
        "center_display_state": 2 if body.user_present or car.drive.moving else 0,
        "dashcam_clip_save_available": True,
        "dashcam_state": "Recording" if body.sentry_mode or car.drive.moving else "Unavailable",
        "feature_bitmask": "fbdffbff,187f",
        "homelink_nearby": body.homelink_nearby,
        "is_user_present": body.user_present or car.drive.moving,
        "locked": body.locked,
        "media_info": _media(car),
        "media_state": {"remote_control_enabled": True},
        "notifications_supported": True,
        "odometer": round(car.drive.odometer, 6),
        "parsed_calendar_supported": True,
        "pin_to_drive_enabled": body.pin_to_drive,
        "remote_start": body.remote_start_until > car.updated_at,
        "remote_start_enabled": body.keyless_driving,
        "remote_start_supported": True,
        "santa_mode": 0,
        "sentry_mode": body.sentry_mode,
        "sentry_mode_available": True,
        "service_mode": car.in_service,
        "service_mode_plus": False,
        "speed_limit_mode": _speed_limit(car),
        "timestamp": _timestamp(car),
        "valet_mode": body.valet_mode,
        "valet_pin_needed": body.valet_pin is None,
        "vehicle_name": car.display_name,
        "vehicle_self_test_progress": 0,
        "vehicle_self_test_requested": False,
        "webcam_available": True,
    }


def closures_state(car: Car) -> Group:
    """Locks and openings only."""
    return {**_openings(car), "locked": car.body.locked, "timestamp": _timestamp(car)}


def _openings(car: Car) -> Group:
    body = car.body
    openings: Group = {door: int(door in body.open_doors) for door in DOORS}
    openings |= {window: int(window in body.vented_windows) for window in WINDOWS}
    return {**openings, "ft": int(body.front_trunk_open), "rt": int(body.rear_trunk_open)}


def _software(car: Car) -> Group:
    update = car.body.update
    installing = update.ends_at is not None
    left = max((update.ends_at or 0.0) - car.updated_at, 0.0)
    percent = round(100 * (1 - left / update.duration)) if installing else 1
    state: Group = {
        "download_perc": 100 if update.status else 0,
        "expected_duration_sec": round(update.duration),
        "install_perc": percent,
        "status": update.status,
        "version": update.version,
    }
    if update.starts_at is not None:
        state["scheduled_time_ms"] = int(update.starts_at * 1000)
    return {"car_version": f"{car.firmware} {car.vehicle_id:012x}", "software_update": state}


def _tyres(car: Car) -> Group:
    tyres: Group = {"tpms_rcp_front_value": 2.9, "tpms_rcp_rear_value": 2.9}
    for wheel, pressure in _TYRE_PRESSURES.items():
        tyres[f"tpms_pressure_{wheel}"] = pressure
        tyres[f"tpms_hard_warning_{wheel}"] = False
        tyres[f"tpms_soft_warning_{wheel}"] = False
        tyres[f"tpms_last_seen_pressure_time_{wheel}"] = int(car.connectivity.active_at)
    return tyres


def _media(car: Car) -> Group:
    media = car.body.media
    return {
        "a2dp_source_name": "",
        "audio_volume": round(media.volume, 4),
        "audio_volume_increment": round(media.volume_step, 6),
        "audio_volume_max": media.volume_maximum,
        "media_playback_status": "Playing" if media.playing else "Stopped",
        "now_playing_album": "",
        "now_playing_artist": "",
        "now_playing_duration": 0,
        "now_playing_elapsed": 0,
        "now_playing_source": "",
        "now_playing_station": f"Favourite {media.favourite}" if media.playing else "",
        "now_playing_title": f"Track {media.track}" if media.playing else "",
    }


def _speed_limit(car: Car) -> Group:
    limit = car.body.speed_limit
    return {
        "active": limit.active,
        "current_limit_mph": limit.limit,
        "max_limit_mph": limit.maximum,
        "min_limit_mph": limit.minimum,
        "pin_code_set": limit.pin is not None,
    }


def charge_schedule_data(car: Car) -> Group:
    """The charge schedules."""
    schedules = [asdict(schedule) for schedule in car.plan.charge_schedules.values()]
    return {
        "charge_schedules": schedules,
        "charge_schedule_window": None,
        "charge_buffer": 0,
        "max_num_charge_schedules": MOST_SCHEDULES,
        "next_schedule": bool(schedules),
        "timestamp": _timestamp(car),
    }


def preconditioning_schedule_data(car: Car) -> Group:
    """The precondition schedules."""
    schedules = [asdict(schedule) for schedule in car.plan.precondition_schedules.values()]
    return {
        "precondition_schedules": schedules,
        "preconditioning_schedule_window": None,
        "max_num_precondition_schedules": MOST_SCHEDULES,
        "next_schedule": bool(schedules),
        "timestamp": _timestamp(car),
    }


def _timestamp(car: Car) -> int:
    return int(car.updated_at * 1000)


GROUPS: Mapping[str, Callable[[Car], Group]] = MappingProxyType(
    {
        "charge_state": charge_state,
        "climate_state": climate_state,
        "closures_state": closures_state,
        "drive_state": drive_state,
        "gui_settings": gui_settings,
        "vehicle_config": vehicle_config,
        "vehicle_state": vehicle_state,
        "charge_schedule_data": charge_schedule_data,
        "preconditioning_schedule_data": preconditioning_schedule_data,
    }
)
"""Groups by the name that both the request and the answer use."""

LOCATION = "location_data"
"""The group that needs a scope of its own and shows inside `drive_state`."""

COMBINATION = "vehicle_data_combo"
"""The name that stands for the default groups."""

DEFAULT_GROUPS = (
    "charge_state",
    "climate_state",
    "drive_state",
    "gui_settings",
    "vehicle_config",
    "vehicle_state",
)
"""What a request without `endpoints` gets."""


def live_data(car: Car, endpoints: frozenset[str]) -> Group:
    """The wanted groups; position only when `location_data` is wanted and the car shows it."""
    wanted = endpoints or frozenset(DEFAULT_GROUPS)
    if COMBINATION in wanted:
        wanted = wanted | frozenset(DEFAULT_GROUPS)
    groups = {name: render(car) for name, render in GROUPS.items() if name in wanted}
    if LOCATION in wanted and not car.spec.hide_location:
        groups["drive_state"] = {**location_data(car), **drive_state(car)}
    return dict(groups)
