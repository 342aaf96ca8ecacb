"""Scenario files: a YAML description of applications, people, cars, homes and faults.

Every model refuses unknown keys, so that a misspelt key is an error and not a silent default.
"""

from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from tesla_sandbox.billing import MONTHLY_DISCOUNT_USD
from tesla_sandbox.cars.spec import CarSpec, LocationSpec
from tesla_sandbox.clock import END, FIRST_START
from tesla_sandbox.faults import checked_parameters
from tesla_sandbox.fleet_api.rate_limits import DEFAULT_LIMITS, RateClass
from tesla_sandbox.homes.tariff import check_tariff
from tesla_sandbox.scopes import USER_SCOPES, Scope
from tesla_sandbox.telemetry.outputs import TelemetrySpec

TIME_ZONES = available_timezones()
DEFAULT_SCENARIO = "demo-home"

Limit = Annotated[int, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=100)]
Vin = Annotated[str, Field(pattern=r"^[A-HJ-NPR-Z0-9]{17}$")]
ExportRule = Literal["battery_ok", "pv_only", "never"]
OperationMode = Literal["self_consumption", "autonomous", "backup"]


class ScenarioError(ValueError):
    """Raised for a scenario that cannot be read or does not fit together; says where."""


class Spec(BaseModel):
    """Base of all scenario models."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ClockSpec(Spec):
    """The virtual clock. Without `start` it begins at the real time; with one, the offset from UTC belongs to it."""

    start: AwareDatetime | None = Field(default=None, ge=FIRST_START, lt=END)
    speed: float = Field(default=1.0, gt=0, le=100_000)
    paused: bool = False


class ApplicationSpec(Spec):
    """A developer's application, as on the developer portal."""

    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"  # noqa: S105 - documented; it guards nothing
    name: str = "Sandbox application"
    domain: str = "app.example.com"
    redirect_uris: list[str] = Field(default=[], description="Without any, every address of this computer will do.")
    scopes: list[Scope] = sorted(USER_SCOPES | {Scope.VEHICLE_SPECS})
    public_key: str | None = Field(default=None, description="PEM text of the P-256 public key.")
    hosted_key_url: str | None = Field(
        default=None,
        description="Registration fetches the key here instead, pairing looks for it; {domain} is filled in.",
    )
    registered_regions: list[Literal["na", "eu"]] = ["na", "eu"]
    billing_limit_usd: float | None = Field(default=None, ge=0)
    billing_discount_usd: float = Field(default=MONTHLY_DISCOUNT_USD, ge=0)


class SolarSpec(Spec):
    """Solar panels: peak power, and how much of a clear sky's light reaches them."""

    peak_w: float = Field(default=8_000.0, gt=0, le=1_000_000)
    tilt_degrees: float = Field(default=30.0, ge=0, le=90)
    azimuth_degrees: float = Field(default=180.0, ge=0, lt=360, description="0 north, 180 south.")
    clearness: float = Field(default=0.85, ge=0, le=1)


class LoadSpec(Spec):
    """House load: a floor, and a swing on top that peaks in the morning and the evening."""

    base_w: float = Field(default=350.0, ge=0, le=1_000_000)
    swing_w: float = Field(default=1_400.0, ge=0, le=1_000_000)


class WallConnectorSpec(Spec):
    """A Wall Connector; `vin` names the car that it charges when that car is plugged in here."""

    din: str
    vin: Vin | None = None


class GridSpec(Spec):
    """What utility and installer permit; None leaves the field out of site_info.

    Attributes:
        export_rule: The user's choice, `customer_preferred_export_rule`.
        grid_charging: False reports `disallow_charge_from_grid_with_solar_installed: true`.
        net_meter_mode: The utility agreement; caps the export rule.
        non_export: The site is commissioned without any export.
        max_import_w: Site import limit; None is unlimited.
        max_export_w: Site export limit; None is unlimited.
    """

    export_rule: ExportRule | None = "battery_ok"
    grid_charging: bool = True
    net_meter_mode: ExportRule | None = "battery_ok"
    non_export: bool | None = None
    edit_permission_to_export: bool | None = True
    edit_energy_exports: bool | None = True
    edit_grid_charging: bool | None = True
    tou_capable: bool = True
    storm_mode_capable: bool = True
    max_import_w: float | None = Field(default=None, gt=0)
    max_export_w: float | None = Field(default=None, ge=0)


class HomeSpec(Spec):
    """One energy site."""

    site_id: int = Field(gt=0)
    name: str = "Home"
    location: LocationSpec = LocationSpec()
    time_zone: str = "Europe/Amsterdam"
    installation_date: date = date(2023, 5, 4)
    country: str = "NL"
    firmware: str = "25.42.1 a1b2c3d4"
    solar: SolarSpec | None = SolarSpec()
    powerwalls: int = Field(default=2, ge=0, le=10)
    powerwall_model: Literal["powerwall_2", "powerwall_3"] = "powerwall_2"
    state_of_charge: Percent = 60.0
    load: LoadSpec = LoadSpec()
    backup_reserve_percent: int = Field(default=20, ge=0, le=100)
    off_grid_vehicle_charging_reserve_percent: int = Field(default=50, ge=0, le=100)
    operation_mode: OperationMode = "self_consumption"
    storm_watch: bool = True
    grid: GridSpec = GridSpec()
    grid_services: bool = False
    vpp_backup_reserve_percent: int = Field(default=20, ge=0, le=100)
    wall_connectors: list[WallConnectorSpec] = []
    write_delay_s: float = Field(default=1.5, ge=0, le=3600)
    optimizer_delay_s: float = Field(default=300.0, ge=0, le=7200)
    stubbornness: Percent = 0.0
    tariff: dict[str, Any] | None = None

    @field_validator("tariff")
    @classmethod
    def _readable_tariff(cls, tariff: dict[str, Any] | None) -> dict[str, Any] | None:
        return check_tariff(tariff) if tariff is not None else None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in TIME_ZONES:
            raise ValueError("not an IANA time zone")
        return name


class UserSpec(Spec):
    """A person with a Tesla account. Without `user_id` one is made up from the seed."""

    email: str
    full_name: str = "Sandbox User"
    user_id: str | None = None
    region: Literal["na", "eu"] = "eu"
    locale: str = "en-US"
    cars: list[CarSpec] = []
    homes: list[HomeSpec] = []
    shared_vins: list[Vin] = []
    shared_site_ids: list[int] = []


class FleetSpec(Spec):
    """Many cars and homes of one person, each a little different: for tests of size.

    Attributes:
        email: Whose they are; the person must be described under `users`.
        cars: How many; their VINs count up from `SBX00000000000001`.
        homes: How many; their site ids count up from 900000001.
        car: What all cars have in common.
        home: What all homes have in common.
    """

    email: str
    cars: int = Field(default=0, ge=0, le=100_000)
    homes: int = Field(default=0, ge=0, le=100_000)
    car: dict[str, Any] = {}
    home: dict[str, Any] = {}


class Step(Spec):
    """What all steps of a script have in common: virtual seconds after the scenario's start."""

    after_s: float = Field(ge=0, le=10 * 366 * 86_400)


class CarStep(Step):
    """Changes a car, as the control API does."""

    car: str
    change: dict[str, Any]


class HomeStep(Step):
    """Changes a home, as the control API does."""

    home: int
    change: dict[str, Any]


class FaultStep(Step):
    """Arms a fault."""

    fault: str
    target: str | None = None
    count: int | None = Field(default=1, ge=1)
    parameters: dict[str, str | int | float | bool] = {}

    @model_validator(mode="after")
    def _fault_is_known(self) -> Self:
        checked_parameters(self.fault, self.parameters)
        return self


class GrantStep(Step):
    """Changes what a person grants; without `scopes` everything is revoked."""

    email: str
    client_id: str
    scopes: list[Scope] | None = None


def _kind_of_step(step: object) -> str | None:
    described = step if isinstance(step, dict) else vars(step) if isinstance(step, Step) else {}
    return next((kind for kind in ("car", "home", "fault", "email") if kind in described), None)


ScriptStep = Annotated[
    Annotated[CarStep, Tag("car")]
    | Annotated[HomeStep, Tag("home")]
    | Annotated[FaultStep, Tag("fault")]
    | Annotated[GrantStep, Tag("email")],
    Discriminator(
        _kind_of_step,
        custom_error_type="unknown_step",
        custom_error_message="a step names a car, a home, a fault, or the email of a consent",
    ),
]


class GrantSpec(Spec):
    """A consent that exists from the beginning."""

    email: str
    client_id: str
    scopes: list[Scope]


class FaultSpec(Spec):
    """A fault that is armed from the beginning."""

    name: str
    target: str | None = None
    count: int | None = Field(default=1, ge=1)
    parameters: dict[str, str | int | float | bool] = {}

    @model_validator(mode="after")
    def _fault_is_known(self) -> Self:
        checked_parameters(self.name, self.parameters)
        return self


class Scenario(Spec):
    """A whole scenario file."""

    name: str = "Scenario"
    seed: int = 1
    clock: ClockSpec = ClockSpec()
    applications: list[ApplicationSpec] = [ApplicationSpec()]
    users: list[UserSpec] = []
    fleets: list[FleetSpec] = []
    grants: list[GrantSpec] = []
    script: list[ScriptStep] = []
    faults: list[FaultSpec] = []
    telemetry: TelemetrySpec = TelemetrySpec()
    rate_limits: dict[RateClass, Limit | None] = dict(DEFAULT_LIMITS)

    @field_validator("rate_limits")
    @classmethod
    def _complete_limits(cls, limits: dict[RateClass, int | None]) -> dict[RateClass, int | None]:
        return {**DEFAULT_LIMITS, **limits}


def load_scenario(name_or_path: str) -> Scenario:
    """Read a scenario file, or one of those that come with the sandbox by its name.

    Raises:
        ScenarioError: If it cannot be read, is no YAML, or does not fit the models.
    """
    try:
        text = _scenario_text(name_or_path)
    except (OSError, UnicodeDecodeError) as missing:
        raise ScenarioError(f"cannot read scenario {name_or_path}: {missing}") from missing
    return parse_scenario(text, name_or_path)


def parse_scenario(text: str, name: str) -> Scenario:
    """The scenario in a YAML text; `name` is for the error message.

    Raises:
        ScenarioError: If it is no YAML, describes nothing, or does not fit the models.
    """
    try:
        parsed = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as broken:
        raise ScenarioError(f"{name} is no YAML: {broken}") from broken
    if not parsed:
        raise ScenarioError(f"{name} describes nothing")
    try:
        return Scenario.model_validate(parsed)
    except ValidationError as invalid:
        raise ScenarioError(f"{name}: {invalid}") from invalid


def bundled_scenarios() -> list[str]:
    """The names of the scenarios that come with the sandbox."""
    folder = files("tesla_sandbox").joinpath("scenarios")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def _scenario_text(name_or_path: str) -> str:
    if name_or_path in bundled_scenarios():
        bundled = files("tesla_sandbox").joinpath("scenarios", f"{name_or_path}.yaml")
        return bundled.read_text(encoding="utf-8")
    return Path(name_or_path).read_text(encoding="utf-8")
