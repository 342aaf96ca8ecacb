"""Media, navigation, lights, horn, windows, name and software of the car."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field

from tesla_sandbox.cars.cabin import WINDOWS
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.commands.contract import (
    AnyCommand,
    Command,
    CommandRefusal,
    NoParameters,
    Parameters,
    Unsigned,
    require_parked,
)

_VOLUME_MAXIMUM = 11.0
_SUNROOF_PERCENT = {"vent": 15, "close": 0}

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Text = Annotated[str, Field(max_length=2_000)]


class Volume(Parameters):
    """0.0 to 11.0."""

    volume: Annotated[float, Field(ge=0, le=_VOLUME_MAXIMUM)]


class SharedDestination(Parameters):
    """What a phone shares to the car."""

    type: Text
    value: Any
    locale: Text = ""
    timestamp_ms: int | str = 0


class Coordinates(Parameters):
    """A place to go to."""

    lat: Latitude
    lon: Longitude
    order: int = 0


class SuperchargerStop(Parameters):
    """A Supercharger to go to."""

    id: int
    order: int = 0


class Waypoints(Parameters):
    """Places to go to, by map reference."""

    waypoints: Text


class Boombox(Parameters):
    """0 or 2000."""

    sound: int = 0


class WindowCommand(Parameters):
    """Vent or close all windows."""

    command: Literal["vent", "close"]
    lat: Latitude = 0.0
    lon: Longitude = 0.0


class SunroofCommand(Parameters):
    """Stop, vent or close the sunroof."""

    state: Literal["stop", "close", "vent"]


class Homelink(Parameters):
    """Where the garage is."""

    lat: Latitude
    lon: Longitude
    token: Text = ""


class VehicleName(Parameters):
    """The name that the apps show."""

    vehicle_name: str = Field(max_length=100)


class UpdateTime(Parameters):
    """Seconds from now until the installation begins."""

    offset_sec: Annotated[int, Field(ge=0, le=30 * 86_400)]


class Calendar(Parameters):
    """Calendar entries for the screen."""

    calendar_data: Any = Field(validation_alias=AliasChoices("calendar_data", "calendarData"))


class Note(Parameters):
    """A note about the drive."""

    note: Text


class OnOff(Parameters):
    """Switch something on or off."""

    enable: bool


def set_volume(car: Car, wanted: Volume) -> None:
    """Set the audio volume."""
    _require_user(car)
    car.body.media.volume = min(wanted.volume, car.body.media.volume_maximum)


def change_volume(car: Car, steps: int) -> None:
    """Change the audio volume by single steps."""
    _require_user(car)
    media = car.body.media
    media.volume = min(max(media.volume + steps * media.volume_step, 0.0), media.volume_maximum)


def toggle_playback(car: Car, _: NoParameters) -> None:
    """Play or pause."""
    _require_user(car)
    car.body.media.playing = not car.body.media.playing


def change_track(car: Car, steps: int) -> None:
    """Skip tracks."""
    _require_user(car)
    car.body.media.track = max(car.body.media.track + steps, 1)


def change_favourite(car: Car, steps: int) -> None:
    """Skip through the favourites."""
    _require_user(car)
    car.body.media.favourite = max(car.body.media.favourite + steps, 1)


def flash_lights(car: Car, _: NoParameters) -> None:
    """Flash the headlights once."""
    require_parked(car)
    car.body.lights_flashed += 1


def honk_horn(car: Car, _: NoParameters) -> None:
    """Sound the horn once."""
    require_parked(car)
    car.body.horn_honked += 1


def boombox(car: Car, _: Boombox) -> None:
    """Play a sound outside."""
    require_parked(car)


def move_windows(car: Car, wanted: WindowCommand) -> None:
    """Vent or close the windows."""
    car.body.vented_windows = set(WINDOWS) if wanted.command == "vent" else set()


def move_sunroof(car: Car, wanted: SunroofCommand) -> None:
    """Move the sunroof."""
    if not car.model.vehicle_config()["sun_roof_installed"]:
        raise CommandRefusal("not_supported")
    car.body.sunroof_percent = _SUNROOF_PERCENT.get(wanted.state, car.body.sunroof_percent)


def trigger_homelink(car: Car, _: Homelink) -> None:
    """Open or close the garage."""
    if not car.body.homelink_nearby:
        raise CommandRefusal("not_supported")


def set_name(car: Car, wanted: VehicleName) -> None:
    """Rename the car."""
    car.display_name = wanted.vehicle_name


def schedule_update(car: Car, wanted: UpdateTime) -> None:
    """Plan the installation of the offered software."""
    update = car.body.update
    if update.status not in {"available", "scheduled"}:
        raise CommandRefusal("no_update_available")
    update.status, update.starts_at = "scheduled", car.updated_at + wanted.offset_sec


def cancel_update(car: Car, _: NoParameters) -> None:
    """Cancel a planned installation that has not begun."""
    update = car.body.update
    if update.status != "scheduled":
        raise CommandRefusal("no_update_scheduled")
    update.status, update.starts_at = "available", None


def show_calendar(car: Car, _: Calendar) -> None:
    """Show calendar entries on the screen."""
    car.body.calendar_entries += 1


def set_low_power_mode(car: Car, wanted: OnOff) -> None:
    """Save energy while parked."""
    car.body.low_power_mode = wanted.enable


def keep_accessory_power(car: Car, wanted: OnOff) -> None:
    """Keep the outlets powered while parked."""
    car.body.accessory_power = wanted.enable


def accept(car: Car, _: Parameters) -> None:
    """Take note of something that only the screen shows."""
    car.touch()


def _require_user(car: Car) -> None:
    if not car.body.user_present:
        raise CommandRefusal("user_not_present")


COMMANDS: tuple[AnyCommand, ...] = (
    Command("adjust_volume", Volume, set_volume),
    Command("media_volume_up", NoParameters, lambda car, _: change_volume(car, 1)),
    Command("media_volume_down", NoParameters, lambda car, _: change_volume(car, -1)),
    Command("media_toggle_playback", NoParameters, toggle_playback),
    Command("media_next_track", NoParameters, lambda car, _: change_track(car, 1)),
    Command("media_prev_track", NoParameters, lambda car, _: change_track(car, -1)),
    Command("media_next_fav", NoParameters, lambda car, _: change_favourite(car, 1)),
    Command("media_prev_fav", NoParameters, lambda car, _: change_favourite(car, -1)),
    Command("flash_lights", NoParameters, flash_lights),
    Command("honk_horn", NoParameters, honk_horn),
    Command("remote_boombox", Boombox, boombox),
    Command("window_control", WindowCommand, move_windows),
    Command("sun_roof_control", SunroofCommand, move_sunroof),
    Command("trigger_homelink", Homelink, trigger_homelink),
    Command("set_vehicle_name", VehicleName, set_name, unsigned=Unsigned.NEVER),
    Command("schedule_software_update", UpdateTime, schedule_update),
    Command("cancel_software_update", NoParameters, cancel_update),
    Command("upcoming_calendar_entries", Calendar, show_calendar),
    Command("update_calendar_entries", Calendar, show_calendar),
    Command("navigation_request", SharedDestination, accept, unsigned=Unsigned.ALWAYS),
    Command("navigation_gps_request", Coordinates, accept),
    Command("navigation_sc_request", SuperchargerStop, accept),
    Command("navigation_waypoints_request", Waypoints, accept),
    Command("take_drivenote", Note, accept),
    Command("set_low_power_mode", OnOff, set_low_power_mode, unsigned=Unsigned.NEVER),
    Command("keep_accessory_power_mode", OnOff, keep_accessory_power, unsigned=Unsigned.NEVER),
    Command("ping", NoParameters, accept, unsigned=Unsigned.NEVER),
)
