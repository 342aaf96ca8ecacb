"""Locks, openings, alarms, driver restrictions, media and other settings of the body."""

from dataclasses import dataclass, field

DOORS = ("df", "dr", "pf", "pr")
"""Doors by the API's abbreviation: driver or passenger side, front or rear."""

WINDOWS = ("fd_window", "fp_window", "rd_window", "rp_window")
"""Windows by the API's names."""


@dataclass(slots=True)
class SpeedLimit:
    """Speed limit mode; speeds in mph."""

    active: bool = False
    limit: float = 85.0
    pin: str | None = None
    minimum: float = 50.0
    maximum: float = 120.0


@dataclass(slots=True)
class Media:
    """The audio player."""

    playing: bool = False
    volume: float = 3.0
    volume_step: float = 1 / 3
    volume_maximum: float = 10.333333
    track: int = 1
    favourite: int = 1


@dataclass(slots=True)
class SoftwareUpdate:
    """An update that is offered, planned or being installed; times in unix seconds."""

    version: str = ""
    status: str = ""
    starts_at: float | None = None
    ends_at: float | None = None
    duration: float = 1800.0


@dataclass(slots=True)
class Body:
    """Everything about the car's body that a command or a person can change."""

    locked: bool = True
    open_doors: set[str] = field(default_factory=set)
    vented_windows: set[str] = field(default_factory=set)
    front_trunk_open: bool = False
    rear_trunk_open: bool = False
    tonneau_open: bool = False
    sunroof_percent: int = 0
    sentry_mode: bool = False
    valet_mode: bool = False
    valet_pin: str | None = None
    guest_mode: bool = False
    pin_to_drive: bool = False
    pin_to_drive_pin: str | None = None
    user_present: bool = False
    keyless_driving: bool = True
    remote_start_until: float = 0.0
    homelink_nearby: bool = False
    car_wash_mode: bool = False
    low_power_mode: bool = False
    accessory_power: bool = False
    lights_flashed: int = 0
    horn_honked: int = 0
    calendar_entries: int = 0
    speed_limit: SpeedLimit = field(default_factory=SpeedLimit)
    parental_controls: SpeedLimit = field(default_factory=SpeedLimit)
    parental_settings: set[str] = field(default_factory=set)
    media: Media = field(default_factory=Media)
    update: SoftwareUpdate = field(default_factory=SoftwareUpdate)

    @property
    def closures_open(self) -> bool:
        """Whether a door or a trunk stands open."""
        return bool(self.open_doors) or self.front_trunk_open or self.rear_trunk_open
