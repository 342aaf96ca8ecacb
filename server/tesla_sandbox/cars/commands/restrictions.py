"""Speed limit mode and parental controls. Speeds in mph."""

from typing import Annotated, Literal

from pydantic import Field

from tesla_sandbox.cars.cabin import SpeedLimit
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.commands.contract import (
    AnyCommand,
    Command,
    CommandRefusal,
    NoParameters,
    Parameters,
    Unsigned,
)

Setting = Literal[
    "SpeedLimit",
    "Acceleration",
    "SafetyFeatures",
    "Curfew",
    "BrowserBlocked",
    "TheaterBlocked",
    "ArcadeBlocked",
]


class Pin(Parameters):
    """The four digits that protect a mode."""

    pin: str = Field(pattern=r"^\d{4}$")


class SpeedLimitValue(Parameters):
    """A limit in mph; the car bounds it to 50 to 120."""

    limit_mph: Annotated[float, Field(ge=0, le=500)]


class ParentalSetting(Parameters):
    """One restriction on or off."""

    setting: Setting
    enable: bool


def activate(mode: SpeedLimit, pin: str) -> None:
    """Switch a mode on; its first PIN is remembered."""
    if mode.pin is not None and mode.pin != pin:
        raise CommandRefusal("invalid_pin")
    mode.pin, mode.active = pin, True


def deactivate(mode: SpeedLimit, pin: str) -> None:
    """Switch a mode off."""
    if mode.pin != pin:
        raise CommandRefusal("invalid_pin")
    mode.active = False


def clear_pin(mode: SpeedLimit, pin: str | None) -> None:
    """Forget the PIN; without one given this is the owner's override."""
    if pin is not None and mode.pin != pin:
        raise CommandRefusal("invalid_pin")
    if mode.active and pin is not None:
        raise CommandRefusal("speed_limit_mode_active")
    mode.pin = None


def set_limit(mode: SpeedLimit, mph: float) -> None:
    """Change the limit of a mode."""
    if not mode.minimum <= mph <= mode.maximum:
        raise CommandRefusal("out_of_range")
    mode.limit = mph


def _set_parental_setting(car: Car, wanted: ParentalSetting) -> None:
    change = car.body.parental_settings.add if wanted.enable else car.body.parental_settings.discard
    change(wanted.setting)


COMMANDS: tuple[AnyCommand, ...] = (
    Command("speed_limit_activate", Pin, lambda car, p: activate(car.body.speed_limit, p.pin)),
    Command("speed_limit_deactivate", Pin, lambda car, p: deactivate(car.body.speed_limit, p.pin)),
    Command("speed_limit_clear_pin", Pin, lambda car, p: clear_pin(car.body.speed_limit, p.pin)),
    Command(
        "speed_limit_clear_pin_admin",
        NoParameters,
        lambda car, _: clear_pin(car.body.speed_limit, None),
    ),
    Command(
        "speed_limit_set_limit",
        SpeedLimitValue,
        lambda car, p: set_limit(car.body.speed_limit, p.limit_mph),
    ),
    Command(
        "parental_controls_activate",
        Pin,
        lambda car, p: activate(car.body.parental_controls, p.pin),
        unsigned=Unsigned.NEVER,
    ),
    Command(
        "parental_controls_deactivate",
        Pin,
        lambda car, p: deactivate(car.body.parental_controls, p.pin),
        unsigned=Unsigned.NEVER,
    ),
    Command(
        "parental_controls_clear_pin",
        Pin,
        lambda car, p: clear_pin(car.body.parental_controls, p.pin),
        unsigned=Unsigned.NEVER,
    ),
    Command(
        "parental_controls_clear_pin_admin",
        NoParameters,
        lambda car, _: clear_pin(car.body.parental_controls, None),
        unsigned=Unsigned.NEVER,
    ),
    Command(
        "parental_controls_set_speed_limit",
        SpeedLimitValue,
        lambda car, p: set_limit(car.body.parental_controls, p.limit_mph),
        unsigned=Unsigned.NEVER,
    ),
    Command(
        "parental_controls_enable_setting",
        ParentalSetting,
        _set_parental_setting,
        unsigned=Unsigned.NEVER,
    ),
)
