"""What a home's owner can set, and what installer and utility let them set.

A write that is not permitted is accepted by the service and changes nothing, as on real sites.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from tesla_sandbox.scenario import HomeSpec

EXPORT_RULES = ("never", "pv_only", "battery_ok")
"""Export rules from the strictest to the widest."""

OPERATION_MODES = ("self_consumption", "autonomous", "backup")
RESERVE_STEP_FROM, RESERVE_STEP_TO = 80, 100
RESERVE_STEP_SINCE = (25, 18, 4)
OPTIMIZATION_STRATEGIES = ("economics", "balanced")


@dataclass(slots=True)
class Permissions:
    """What installer and utility permit; None means that site_info does not say.

    Attributes:
        net_meter_mode: The widest export rule of the utility agreement.
        non_export: The site is commissioned without any export.
        max_import_w: Site import limit in W; None is unlimited.
        max_export_w: Site export limit in W; None is unlimited.
        grid_services: Whether the site takes part in a virtual power plant.
        vpp_backup_reserve_percent: The reserve that holds during its events.
    """

    net_meter_mode: str | None
    non_export: bool | None
    edit_permission_to_export: bool | None
    edit_energy_exports: bool | None
    edit_grid_charging: bool | None
    tou_capable: bool
    storm_mode_capable: bool
    max_import_w: float | None
    max_export_w: float | None
    grid_services: bool
    vpp_backup_reserve_percent: int


@dataclass(slots=True)
class Settings:
    """The owner's settings.

    Attributes:
        export_rule: `customer_preferred_export_rule`; None when it was never set.
        grid_charging: Whether the battery may charge from the grid.
        off_grid_vehicle_charging_reserve_percent: The level below which an islanded home charges no cars.
        optimization_strategy: `economics` exports when it pays, `balanced` does not.
        tariff: `tariff_content_v2`, or None.
    """

    backup_reserve_percent: int
    off_grid_vehicle_charging_reserve_percent: int
    operation_mode: str
    storm_watch: bool
    export_rule: str | None
    grid_charging: bool
    optimization_strategy: str = "balanced"
    tariff: dict[str, object] | None = None


@dataclass(order=True, slots=True)
class PendingWrite:
    """An accepted write that the gateway has not applied yet."""

    due: float
    changes: Mapping[str, object] = field(compare=False)


def permissions_from(spec: HomeSpec) -> Permissions:
    """The permissions that a scenario gives a home."""
    grid = spec.grid
    return Permissions(
        net_meter_mode=grid.net_meter_mode,
        non_export=grid.non_export,
        edit_permission_to_export=grid.edit_permission_to_export,
        edit_energy_exports=grid.edit_energy_exports,
        edit_grid_charging=grid.edit_grid_charging,
        tou_capable=grid.tou_capable,
        storm_mode_capable=grid.storm_mode_capable,
        max_import_w=grid.max_import_w,
        max_export_w=grid.max_export_w,
        grid_services=spec.grid_services,
        vpp_backup_reserve_percent=spec.vpp_backup_reserve_percent,
    )


def settings_from(spec: HomeSpec) -> Settings:
    """The settings that a home begins with."""
    return Settings(
        backup_reserve_percent=kept_reserve(spec.backup_reserve_percent, spec.firmware),
        off_grid_vehicle_charging_reserve_percent=spec.off_grid_vehicle_charging_reserve_percent,
        operation_mode=spec.operation_mode,
        storm_watch=spec.storm_watch,
        export_rule=spec.grid.export_rule,
        grid_charging=spec.grid.grid_charging,
        tariff=spec.tariff,
    )


def effective_export_rule(settings: Settings, permissions: Permissions) -> str:
    """What may go out to the grid, all permissions taken together."""
    if permissions.non_export:
        return "never"
    chosen = settings.export_rule or "battery_ok"
    return _narrower(chosen, permissions.net_meter_mode or "battery_ok")


def apply_write(settings: Settings, permissions: Permissions, firmware: str, changes: Mapping[str, object]) -> None:
    """Carry out as much of a write as permissions and firmware let pass."""
    allowed = dict(changes)
    if not permissions.edit_energy_exports:
        allowed.pop("export_rule", None)
    if not permissions.edit_grid_charging:
        allowed.pop("grid_charging", None)
    if allowed.get("operation_mode") == "autonomous" and not permissions.tou_capable:
        allowed.pop("operation_mode")
    if not permissions.storm_mode_capable:
        allowed.pop("storm_watch", None)
    rule = allowed.get("export_rule")
    if isinstance(rule, str):
        allowed["export_rule"] = _narrower(rule, permissions.net_meter_mode or "battery_ok")
    put(settings, firmware, allowed)


def put(settings: Settings, firmware: str, changes: Mapping[str, object]) -> None:
    """Set what the gateway can keep of new values; names that are no settings are left out."""
    names = {setting.name for setting in fields(settings)}
    for name, value in changes.items():
        if name == "backup_reserve_percent" and isinstance(value, int):
            settings.backup_reserve_percent = kept_reserve(value, firmware)
        elif name in names:
            setattr(settings, name, value)


def kept_reserve(percent: int, firmware: str) -> int:
    """The reserve that a gateway keeps: 81 to 99 become 80 since firmware 25.18.4."""
    steps = tuple(map(int, re.findall(r"\d+", firmware.partition(" ")[0]))) >= RESERVE_STEP_SINCE
    return RESERVE_STEP_FROM if steps and RESERVE_STEP_FROM < percent < RESERVE_STEP_TO else percent


def _narrower(one: str, other: str) -> str:
    return min(one, other, key=EXPORT_RULES.index)
