"""Locks, trunks and driving: most are executed by the vehicle security controller."""

from typing import Literal

from pydantic import Field
from tesla_protocol.command.errors_pb2 import GenericError_E
from tesla_protocol.command.universal_message_pb2 import Domain

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

REMOTE_START_SECONDS = 120.0
"""How long a car can be driven away after a remote start."""

_VCSEC = Domain.DOMAIN_VEHICLE_SECURITY


class Trunk(Parameters):
    """Which trunk to move and how; without `motion` an open rear trunk closes."""

    which_trunk: Literal["front", "rear"] = "rear"
    motion: Literal["toggle", "open", "close"] = "toggle"


class OptionalPassword(Parameters):
    """Valet mode, with the PIN that ends it."""

    on: bool
    password: str = Field(default="", pattern=r"^(\d{4})?$")


class GuestMode(Parameters):
    """Guest mode on or off."""

    enable: bool


class OnOff(Parameters):
    """Switch something on or off."""

    on: bool


def lock(car: Car, _: NoParameters) -> None:
    """Lock the car; refused while something stands open."""
    if car.body.closures_open:
        raise CommandRefusal("closures_open", GenericError_E.GENERICERROR_CLOSURES_OPEN)
    car.body.locked = True


def unlock(car: Car, _: NoParameters) -> None:
    """Unlock the car."""
    car.body.locked = False


def move_trunk(car: Car, which: Trunk) -> None:
    """Open the front trunk, or open and close the rear one."""
    require_parked(car)
    if which.which_trunk == "front":
        car.body.front_trunk_open = True
    elif which.motion == "toggle":
        car.body.rear_trunk_open = not car.body.rear_trunk_open
    else:
        car.body.rear_trunk_open = which.motion == "open"


def remote_start(car: Car, _: NoParameters) -> None:
    """Allow to drive without a key for a short while."""
    if not car.body.keyless_driving:
        raise CommandRefusal("keyless_driving_disabled", GenericError_E.GENERICERROR_DISABLED_FOR_USER_COMMAND)
    car.body.remote_start_until = car.updated_at + REMOTE_START_SECONDS


def open_tonneau(car: Car, _: NoParameters) -> None:
    """Open the cover of a truck's bed."""
    _require_tonneau(car)
    car.body.tonneau_open = True


def close_tonneau(car: Car, _: NoParameters) -> None:
    """Close the cover of a truck's bed."""
    _require_tonneau(car)
    car.body.tonneau_open = False


def stop_tonneau(car: Car, _: NoParameters) -> None:
    """Stop the cover of a truck's bed where it is."""
    _require_tonneau(car)


def set_sentry_mode(car: Car, wanted: OnOff) -> None:
    """Watch the parked car's surroundings."""
    car.body.sentry_mode = wanted.on


def set_valet_mode(car: Car, wanted: OptionalPassword) -> None:
    """Restrict the car for a valet; ending it needs no PIN over the API."""
    if wanted.on and not (wanted.password or car.body.valet_pin):
        raise CommandRefusal("pin_required")
    if wanted.on and wanted.password:
        car.body.valet_pin = wanted.password
    car.body.valet_mode = wanted.on


def reset_valet_pin(car: Car, _: NoParameters) -> None:
    """Forget the valet PIN."""
    if car.body.valet_mode:
        raise CommandRefusal("valet_mode_on")
    car.body.valet_pin = None


def set_pin_to_drive(car: Car, wanted: OptionalPassword) -> None:
    """Ask for a PIN before driving; a stored PIN is kept until it is reset."""
    if wanted.on and not (wanted.password or car.body.pin_to_drive_pin):
        raise CommandRefusal("pin_required")
    if car.body.pin_to_drive_pin is None and wanted.password:
        car.body.pin_to_drive_pin = wanted.password
    car.body.pin_to_drive = wanted.on


def reset_pin_to_drive(car: Car, _: NoParameters) -> None:
    """Forget the PIN to drive and stop asking for it."""
    car.body.pin_to_drive, car.body.pin_to_drive_pin = False, None


def set_guest_mode(car: Car, wanted: GuestMode) -> None:
    """Let guests use the car without the owner's profile."""
    car.body.guest_mode = wanted.enable


def erase_user_data(car: Car, _: NoParameters) -> None:
    """Erase what guests left on the screen."""
    require_parked(car)
    if not car.body.guest_mode:
        raise CommandRefusal("guest_mode_off")


def _require_tonneau(car: Car) -> None:
    if car.model.car_type != "cybertruck":
        raise CommandRefusal("not_supported")


COMMANDS: tuple[AnyCommand, ...] = (
    Command("door_lock", NoParameters, lock, domain=_VCSEC),
    Command("door_unlock", NoParameters, unlock, domain=_VCSEC),
    Command("actuate_trunk", Trunk, move_trunk, domain=_VCSEC),
    Command("remote_start_drive", NoParameters, remote_start, domain=_VCSEC),
    Command("open_tonneau", NoParameters, open_tonneau, domain=_VCSEC, unsigned=Unsigned.NEVER),
    Command("close_tonneau", NoParameters, close_tonneau, domain=_VCSEC, unsigned=Unsigned.NEVER),
    Command("stop_tonneau", NoParameters, stop_tonneau, domain=_VCSEC, unsigned=Unsigned.NEVER),
    Command("set_sentry_mode", OnOff, set_sentry_mode),
    Command("set_valet_mode", OptionalPassword, set_valet_mode),
    Command("reset_valet_pin", NoParameters, reset_valet_pin),
    Command("set_pin_to_drive", OptionalPassword, set_pin_to_drive, unsigned=Unsigned.NEVER),
    Command("reset_pin_to_drive_pin", NoParameters, reset_pin_to_drive, unsigned=Unsigned.NEVER),
    Command("clear_pin_to_drive_admin", NoParameters, reset_pin_to_drive),
    Command("guest_mode", GuestMode, set_guest_mode),
    Command("erase_user_data", NoParameters, erase_user_data),
)
