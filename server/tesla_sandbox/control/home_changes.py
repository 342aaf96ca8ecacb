"""What the control API shows of a home and changes about it."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, field_validator

from tesla_sandbox.control.answers import Change
from tesla_sandbox.homes.happenings import GridServicesEvent, StormWatch
from tesla_sandbox.homes.home import Home
from tesla_sandbox.homes.rendering import live_status
from tesla_sandbox.homes.tariff import check_tariff

Watts = Annotated[float, Field(ge=0, le=10_000_000)]
ExportRule = Literal["battery_ok", "pv_only", "never"]

SETTINGS = (
    "backup_reserve_percent",
    "off_grid_vehicle_charging_reserve_percent",
    "operation_mode",
    "storm_watch",
    "export_rule",
    "grid_charging",
    "optimization_strategy",
    "tariff",
)
PERMISSIONS = (
    "net_meter_mode",
    "non_export",
    "edit_permission_to_export",
    "edit_energy_exports",
    "edit_grid_charging",
    "tou_capable",
    "storm_mode_capable",
    "max_import_w",
    "max_export_w",
    "grid_services",
    "vpp_backup_reserve_percent",
)
BEHAVIOUR = ("write_delay_s", "optimizer_delay_s", "stubbornness")
SURROUNDINGS = ("load_override", "solar_override")


class StormChange(Change):
    """A storm that begins now."""

    seconds: float = Field(gt=0, le=30 * 86_400)
    storm_type: str = "severe_thunderstorm"


class EventChange(Change):
    """A grid-services event that begins now; `power_w` is positive discharging."""

    power_w: float = Field(ge=-1_000_000, le=1_000_000)
    seconds: float = Field(gt=0, le=7 * 86_400)


class HomeChange(Change):
    """Changes of a home; what is left out stays as it is.

    Attributes:
        outage: `grid_failure` or `intentional` cuts the home off the grid, `none` connects it.
        storm: A storm that begins now; null ends it.
        grid_services_event: An event that begins now; null ends it.
        load_override: House load in W instead of the simulated one; null simulates again.
        solar_override: Solar potential in W instead of the sun's; null simulates again.
    """

    state_of_charge: float | None = Field(default=None, ge=0, le=100)
    backup_reserve_percent: int = Field(default=20, ge=0, le=100)
    off_grid_vehicle_charging_reserve_percent: int = Field(default=50, ge=0, le=100)
    operation_mode: Literal["self_consumption", "autonomous", "backup"] = "self_consumption"
    storm_watch: bool = True
    export_rule: ExportRule | None = None
    grid_charging: bool = True
    optimization_strategy: Literal["economics", "balanced"] = "balanced"
    tariff: dict[str, object] | None = None
    net_meter_mode: ExportRule | None = None
    non_export: bool | None = None
    edit_permission_to_export: bool | None = None
    edit_energy_exports: bool | None = None
    edit_grid_charging: bool | None = None
    tou_capable: bool = True
    storm_mode_capable: bool = True
    max_import_w: Watts | None = None
    max_export_w: Watts | None = None
    grid_services: bool = False
    vpp_backup_reserve_percent: int = Field(default=20, ge=0, le=100)
    write_delay_s: float = Field(default=1.5, ge=0, le=3600)
    optimizer_delay_s: float = Field(default=300.0, ge=0, le=7200)
    stubbornness: float = Field(default=0.0, ge=0, le=100)
    load_override: Watts | None = None
    solar_override: Watts | None = None
    outage: Literal["none", "grid_failure", "intentional"] = "none"
    storm: StormChange | None = None
    grid_services_event: EventChange | None = None

    @field_validator("tariff")
    @classmethod
    def _readable_tariff(cls, tariff: dict[str, object] | None) -> dict[str, object] | None:
        return check_tariff(tariff) if tariff is not None else None


def apply_home_change(home: Home, change: HomeChange) -> None:
    """Carry out the given fields at once, past all permissions."""
    given = {name: getattr(change, name) for name in change.model_fields_set}
    targets = ((home.permissions, PERMISSIONS), (home, BEHAVIOUR), (home.surroundings, SURROUNDINGS))
    with home.changing():
        for target, names in targets:
            for name in names:
                if name in given:
                    setattr(target, name, given[name])
    home.write_now({name: given[name] for name in SETTINGS if name in given})
    if change.state_of_charge is not None:
        home.set_state_of_charge(change.state_of_charge)
    if "outage" in given:
        home.set_outage(out=change.outage != "none", intentional=change.outage == "intentional")
    with home.changing():
        _begin(home, change, given)


def home_summary(home: Home) -> dict[str, object]:
    """All that can be seen or changed about a home, at this moment."""
    home.advance()
    return {
        "site_id": home.site_id,
        "name": home.spec.name,
        "state_of_charge": round(home.pack.state_of_charge, 3),
        **{name: getattr(home.settings, name) for name in SETTINGS},
        **{name: getattr(home.permissions, name) for name in PERMISSIONS},
        **{name: getattr(home, name) for name in BEHAVIOUR},
        **{name: getattr(home.surroundings, name) for name in SURROUNDINGS},
        "plan": home.plan().value,
        "live_status": live_status(home),
    }


def _begin(home: Home, change: HomeChange, given: Collection[str]) -> None:
    now = home.world.clock.time()
    if "storm" in given:
        home.storm = _storm(home, change.storm, now) if change.storm is not None else None
    if "grid_services_event" in given:
        event = change.grid_services_event
        home.event = GridServicesEvent(event.power_w, now, now + event.seconds) if event is not None else None


def _storm(home: Home, change: StormChange, now: float) -> StormWatch:
    return StormWatch(home.world.hex_id(16), change.storm_type, now, now + change.seconds)
