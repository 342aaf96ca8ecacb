"""Cabin climate: temperatures, heating and the comfort settings around them."""

import math
from dataclasses import dataclass, field
from enum import StrEnum

_HOURS_TO_TARGET = 4 / 60
"""Time constant with which a running system brings the cabin to its target."""

_HOURS_TO_OUTSIDE = 0.75
"""Time constant with which an unheated cabin follows the outside."""

_FAN_POWER = 0.3
_POWER_PER_DEGREE = 0.12
_HIGHEST_POWER = 6.0
_MAX_DEFROST_TARGET = 28.0

TEMPERATURE_MINIMUM, TEMPERATURE_MAXIMUM = 15.0, 28.0
"""Bounds of the temperature settings in °C."""


class KeeperMode(StrEnum):
    """`climate_keeper_mode` as the API spells it."""

    OFF = "off"
    KEEP = "keep"
    DOG = "dog"
    CAMP = "camp"


class OverheatProtection(StrEnum):
    """`cabin_overheat_protection` as the API spells it."""

    OFF = "Off"
    ON = "On"
    FAN_ONLY = "FanOnly"


OVERHEAT_LIMITS = {"Low": 30.0, "Medium": 35.0, "High": 40.0}
"""Cabin temperature that overheat protection holds, by `cop_activation_temperature`."""

SEATS = (
    "left",
    "right",
    "rear_left",
    "rear_left_back",
    "rear_center",
    "rear_right",
    "rear_right_back",
    "third_row_left",
    "third_row_right",
)
"""Seats in the order in which `remote_seat_heater_request` counts them."""


@dataclass(slots=True)
class Climate:
    """The state of the cabin. Temperatures in °C, power in kW."""

    inside: float
    outside: float
    running: bool = False
    preconditioning: bool = False
    driver_setting: float = 21.0
    passenger_setting: float = 21.0
    keeper_mode: KeeperMode = KeeperMode.OFF
    max_defrost: bool = False
    bioweapon_mode: bool = False
    overheat_protection: OverheatProtection = OverheatProtection.OFF
    overheat_limit: str = "High"
    seat_heaters: dict[str, int] = field(default_factory=dict)
    seat_coolers: dict[str, int] = field(default_factory=dict)
    auto_seats: dict[str, bool] = field(default_factory=dict)
    wheel_heat_level: int = 0
    auto_wheel_heat: bool = False
    recirculating: bool = False

    @property
    def target(self) -> float:
        """Where the cabin temperature goes: the setting when running, the outside otherwise."""
        if not self.running:
            return self.outside
        if self.max_defrost:
            return _MAX_DEFROST_TARGET
        return (self.driver_setting + self.passenger_setting) / 2

    def power(self) -> float:
        """What the running system uses, taken as constant between two looks."""
        if not self.running:
            return 0.0
        heat = _POWER_PER_DEGREE * abs(self.target - self.outside)
        return min(_FAN_POWER + heat, _HIGHEST_POWER)

    def advance(self, hours: float) -> None:
        """Let the cabin move towards its target for `hours`."""
        slowness = _HOURS_TO_TARGET if self.running else _HOURS_TO_OUTSIDE
        self.inside = self.target + (self.inside - self.target) * math.exp(-hours / slowness)

    def start(self, *, preconditioning: bool = False) -> None:
        """Switch the system on."""
        self.running = True
        self.preconditioning = preconditioning

    def stop(self) -> None:
        """Switch the system off together with everything that needs it."""
        self.running = False
        self.preconditioning = False
        self.max_defrost = False
        self.bioweapon_mode = False
        self.keeper_mode = KeeperMode.OFF
        self.seat_heaters.clear()
        self.seat_coolers.clear()
        self.wheel_heat_level = 0
