"""What a scenario says about one car before the simulation starts."""

from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tesla_sandbox.cars.alerts import AlertAudience
from tesla_sandbox.cars.models import Market, ModelName

KeyRole = Literal["service", "owner", "driver", "fleet_manager", "vehicle_monitor", "charging_manager", "guest"]
"""Roles a key can hold on a car; an application's key is a fleet manager's."""

MOST_KEYS = 20
"""How many keys fit on a car. Source: Tesla Fleet API documentation, virtual-keys."""

MOST_AMPS = 80
"""Most that a wall gives and a driver can ask for, per phase."""

Seconds = Annotated[float, Field(ge=0, le=86_400)]

_TIME_ZONES = available_timezones()


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Supply(_Spec):
    """What the charging cable offers.

    Attributes:
        max_amps: Current per phase that the wall announces.
        volts: Voltage from phase to neutral.
        phases: Phases that are wired.
        powered: False when the cable is in but the wall gives nothing.
        fast_charger_kw: Power of a fast charger, which gives direct current; amps, volts and phases mean nothing then.
    """

    max_amps: int = Field(default=16, ge=1, le=MOST_AMPS)
    volts: float = Field(default=230.0, ge=90, le=300)
    phases: int = Field(default=3, ge=1, le=3)
    powered: bool = True
    fast_charger_kw: float | None = Field(default=None, gt=0, le=1_000)


class LocationSpec(_Spec):
    """A place on earth, in degrees."""

    latitude: float = Field(default=52.37, ge=-90, le=90)
    longitude: float = Field(default=4.90, ge=-180, le=180)


class PairedKey(_Spec):
    """A further public key that is on the car from the start.

    Attributes:
        public_key: Uncompressed P-256 point in hexadecimal.
        name: A label for people.
        role: What the key may do.
        disabled: Whether the car refuses it as inactive.
    """

    public_key: str = Field(pattern=r"^04[0-9a-fA-F]{128}$")
    name: str = Field(default="", max_length=100)
    role: KeyRole = "fleet_manager"
    disabled: bool = False


class AlertSpec(_Spec):
    """An alert that the car raised at the start of the scenario."""

    name: str = Field(max_length=100)
    audience: tuple[AlertAudience, ...] = ("customer",)
    user_text: str = Field(default="", max_length=500)


class CarSpec(_Spec):
    """One car of a scenario. Ids that are left out are made up from the seed.

    Temperatures in °C, times in virtual seconds, levels in percent.

    Attributes:
        market: Decides plug and phases; taken from the VIN when absent.
        state: `offline` means out of network coverage.
        sleep_shows_as: How a sleeping car appears; many firmwares report `offline`.
        sleep_after: Idle time until the car falls asleep.
        wake_seconds: Time from a wake call to `online`: one value, or shortest and longest.
        boot_seconds: How long infotainment answers faults after a reboot.
        plugged_in: Whether the cable described by `supply` is in.
        charging: Whether a plugged-in car charges at the start.
        key: Whether the first application's key is on the car.
        keys: Further keys on the car.
        other_keys: How many keys of phones and cards are on the car besides.
        protocol_required: Whether unsigned commands are refused.
        speaks_protocol: False for cars too old for signed commands (before 2021 S and X).
        telemetry_version: Version of the streaming client; absent if the car cannot stream.
        safety_screen_streaming_toggle: Whether the driver of a car too old for signed commands lets third parties
            stream; absent for other cars.
    """

    vin: Annotated[str, Field(pattern=r"^[A-HJ-NPR-Z0-9]{17}$")]
    id: int | None = Field(default=None, ge=1, lt=2**63)
    vehicle_id: int | None = Field(default=None, ge=1, lt=2**63)
    display_name: str = Field(default="Car", max_length=100)
    model: ModelName = "model3"
    market: Market | None = None
    firmware: str = Field(default="2026.32.5", pattern=r"^\d{4}(\.\d{1,4}){1,4}$")
    telemetry_version: str | None = "1.2.0"
    time_zone: str = "Europe/Amsterdam"
    state: Literal["online", "asleep", "offline"] = "online"
    sleep_shows_as: Literal["asleep", "offline"] = "asleep"
    falls_asleep: bool = True
    sleep_after: Seconds = 900.0
    wake_seconds: Seconds | tuple[Seconds, Seconds] = (8.0, 20.0)
    boot_seconds: Seconds = 0.0
    battery_level: float = Field(default=60.0, ge=0, le=100)
    charge_limit: int = Field(default=80, ge=50, le=100)
    plugged_in: bool = False
    charging: bool = False
    charging_amps: int | None = Field(default=None, ge=0, le=MOST_AMPS)
    supply: Supply = Supply()
    locked: bool = True
    climate_on: bool = False
    inside_temperature: float | None = Field(default=None, ge=-60, le=90)
    outside_temperature: float = Field(default=15.0, ge=-60, le=60)
    location: LocationSpec = LocationSpec()
    odometer_miles: float = Field(default=12_345.0, ge=0, le=10_000_000)
    key: Literal["paired", "unpaired", "disabled"] = "unpaired"
    keys: tuple[PairedKey, ...] = ()
    other_keys: int = Field(default=2, ge=0, le=MOST_KEYS)
    protocol_required: bool = True
    speaks_protocol: bool = True
    safety_screen_streaming_toggle: bool | None = None
    access: Literal["OWNER", "DRIVER"] = "OWNER"
    hide_location: bool = False
    in_service: bool = False
    mobile_access: bool = True
    alerts: tuple[AlertSpec, ...] = ()
    available_update: str | None = Field(default=None, pattern=r"^\d{4}(\.\d{1,4}){1,4}$")

    @property
    def wake_range(self) -> tuple[float, float]:
        """Shortest and longest time to wake."""
        wake = self.wake_seconds
        return wake if isinstance(wake, tuple) else (wake, wake)

    @field_validator("time_zone")
    @classmethod
    def _time_zone_is_known(cls, value: str) -> str:
        if value not in _TIME_ZONES:
            raise ValueError("not an IANA time zone")
        return value

    @model_validator(mode="after")
    def _values_fit_together(self) -> Self:
        shortest, longest = self.wake_range
        if shortest > longest:
            raise ValueError("wake_seconds goes from a shortest to a longest time")
        keys = len(self.keys) + self.other_keys + (self.key != "unpaired")
        if keys > MOST_KEYS:
            raise ValueError(f"a car holds at most {MOST_KEYS} keys")
        if self.protocol_required and not self.speaks_protocol:
            raise ValueError("a car that does not speak the protocol cannot require it")
        if self.speaks_protocol and self.safety_screen_streaming_toggle is not None:
            raise ValueError("only a car that does not speak the protocol has safety_screen_streaming_toggle")
        return self
