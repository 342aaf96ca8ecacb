"""The groups `vehicle_state` and `closures_state`. Miles, mph, bar."""

from tesla_sandbox.cars.cabin import DOORS, WINDOWS
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.live_data.group import Group, timestamp
from tesla_sandbox.cars.rendering import API_VERSION

_TYRE_PRESSURES = {"fl": 2.775, "fr": 2.8, "rl": 2.775, "rr": 2.775}


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
        "timestamp": timestamp(car),
        "valet_mode": body.valet_mode,
        "valet_pin_needed": body.valet_pin is None,
        "vehicle_name": car.display_name,
        "vehicle_self_test_progress": 0,
        "vehicle_self_test_requested": False,
        "webcam_available": True,
    }


def closures_state(car: Car) -> Group:
    """Locks and openings only."""
    return {**_openings(car), "locked": car.body.locked, "timestamp": timestamp(car)}


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
