"""Locks, openings, alarms, software, media and restrictions."""

from collections.abc import Callable, Mapping

from tesla_sandbox.cars.car import Car
from tesla_sandbox.telemetry.signals.signal import Flags, Signal, clock_time, flag, named, real, text, whole

_DOORS = {"df": "DriverFront", "dr": "DriverRear", "pf": "PassengerFront", "pr": "PassengerRear"}
_WINDOWS = {"FdWindow": "fd_window", "FpWindow": "fp_window", "RdWindow": "rd_window", "RpWindow": "rp_window"}


def _openings(car: Car) -> Flags:
    body = car.body
    opened = {_DOORS[door] for door in body.open_doors}
    if body.front_trunk_open:
        opened.add("TrunkFront")
    if body.rear_trunk_open:
        opened.add("TrunkRear")
    return Flags(opened)


def _window(name: str) -> Callable[[Car], str]:
    return lambda car: "PartiallyOpen" if name in car.body.vented_windows else "Closed"


def _display(car: Car) -> str:
    if car.drive.moving:
        return "Driving"
    if car.body.user_present:
        return "On"
    if car.charging.active:
        return "Charging"
    return "Sentry" if car.body.sentry_mode else "Off"


def _install_percent(car: Car) -> int | None:
    update = car.body.update
    if update.ends_at is None:
        return None
    return round(100 * (1 - max(update.ends_at - car.updated_at, 0.0) / update.duration))


def _tonneau(car: Car) -> str | None:
    if car.model.car_type != "cybertruck":
        return None
    return "TonneauPositionStateFullyOpen" if car.body.tonneau_open else "TonneauPositionStateClosed"


BODY: Mapping[str, Signal] = {
    "Locked": flag(lambda car: car.body.locked),
    "DoorState": Signal("door_value", _openings),
    **{field: named("window_state_value", "WindowState", _window(name)) for field, name in _WINDOWS.items()},
    "SentryMode": named(
        "sentry_mode_state_value", "SentryModeState", lambda car: "Armed" if car.body.sentry_mode else "Off"
    ),
    "DriverSeatOccupied": flag(lambda car: car.body.user_present or car.drive.moving),
    "DriverSeatBelt": flag(lambda car: car.drive.moving),
    "CenterDisplay": named("display_state_value", "DisplayState", _display).from_firmware(2024, 44, 25),
    "HomelinkNearby": flag(lambda car: car.body.homelink_nearby).from_firmware(2024, 44, 25),
    "TonneauPosition": Signal("tonneau_position_value", _tonneau, (2024, 44, 25)),
    "LightsHazardsActive": flag(lambda _: False).from_firmware(2025, 2, 6),
}
"""Openings and what guards them."""

SOFTWARE: Mapping[str, Signal] = {
    "Version": text(lambda car: car.firmware),
    "VehicleName": text(lambda car: car.display_name),
    "SoftwareUpdateVersion": text(lambda car: car.body.update.version or None).from_firmware(2024, 44, 25),
    "SoftwareUpdateDownloadPercentComplete": whole(lambda car: 100 if car.body.update.status else None).from_firmware(
        2024, 44, 25
    ),
    "SoftwareUpdateInstallationPercentComplete": whole(_install_percent).from_firmware(2024, 44, 25),
    "SoftwareUpdateExpectedDurationMinutes": whole(
        lambda car: round(car.body.update.duration / 60) if car.body.update.status else None
    ).from_firmware(2024, 44, 25),
    "SoftwareUpdateAvailable": flag(lambda car: car.body.update.status == "available").from_firmware(2026, 32),
    "SoftwareUpdateInProgress": flag(lambda car: car.body.update.status == "installing").from_firmware(2026, 32),
    "SoftwareUpdateScheduledStartTime": clock_time(lambda car: car.body.update.starts_at).from_firmware(2024, 44, 25),
    "ServiceMode": flag(lambda car: car.in_service),
}
"""Name, version and updates."""

RESTRICTIONS: Mapping[str, Signal] = {
    "ValetModeEnabled": flag(lambda car: car.body.valet_mode).from_firmware(2024, 44, 25),
    "PinToDriveEnabled": flag(lambda car: car.body.pin_to_drive),
    "GuestModeEnabled": flag(lambda car: car.body.guest_mode),
    "SpeedLimitMode": flag(lambda car: car.body.speed_limit.active),
    "CurrentLimitMph": real(lambda car: car.body.speed_limit.limit),
    "RemoteStartEnabled": flag(lambda car: car.body.keyless_driving).from_firmware(2024, 44, 25),
    "RemoteStartActive": flag(lambda car: car.body.remote_start_until > car.updated_at).from_firmware(2026, 32),
    "PairedPhoneKeyAndKeyFobQty": whole(lambda car: car.keychain.others),
}
"""Who may drive how."""

MEDIA: Mapping[str, Signal] = {
    "MediaPlaybackStatus": named(
        "media_status_value", "MediaStatus", lambda car: "Playing" if car.body.media.playing else "Stopped"
    ).from_firmware(2025, 2, 6),
    "MediaAudioVolume": real(lambda car: round(car.body.media.volume, 4)).from_firmware(2025, 2, 6),
    "MediaAudioVolumeIncrement": real(lambda car: round(car.body.media.volume_step, 6)).from_firmware(2025, 2, 6),
    "MediaAudioVolumeMax": real(lambda car: car.body.media.volume_maximum).from_firmware(2025, 2, 6),
}
"""The audio player."""
