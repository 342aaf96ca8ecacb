"""Energy bodies: `live_status`, `site_info` and the site's entry in the list of products.

Powers are in watts, energies in watt-hours. Tesla counts battery power positive when discharging; here it is positive
when charging, so the sign is turned.

Sources: Tesla Fleet API documentation, endpoints/energy; for the permission fields pypowerwall and the Home Assistant
integration `teslemetry`; for `wall_connector_state` the Home Assistant integration `tessie`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from wattbus.v1.action_pb2 import BatteryMode, ExportRule
from wattbus.v1.state_pb2 import (
    BatteryEnergy,
    BatteryOverrides,
    BatterySettings,
    ChargerSession,
    ChargerStatus,
    GridStatus,
    MeterFlows,
    SolarProduction,
)

from wattbus_server.vendors.tesla.normalize.fields import (
    Body,
    Choice,
    Number,
    Rule,
    Switch,
    Words,
    fill,
    lookup,
    mapping,
    number,
    objects,
    text,
    time_from_text,
    timestamp,
)

BATTERY_MODES: Mapping[str, BatteryMode.ValueType] = {
    "self_consumption": BatteryMode.BATTERY_MODE_SELF_CONSUMPTION,
    "autonomous": BatteryMode.BATTERY_MODE_TIME_BASED_CONTROL,
    "backup": BatteryMode.BATTERY_MODE_BACKUP,
}

EXPORT_RULES: Mapping[str, ExportRule.ValueType] = {
    "never": ExportRule.EXPORT_RULE_NEVER,
    "pv_only": ExportRule.EXPORT_RULE_SOLAR_ONLY,
    "battery_ok": ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY,
}

_CHARGER_STATES: Mapping[int, ChargerStatus.ValueType] = {
    0: ChargerStatus.CHARGER_STATUS_STARTING,
    1: ChargerStatus.CHARGER_STATUS_CHARGING,
    2: ChargerStatus.CHARGER_STATUS_DISCONNECTED,
    4: ChargerStatus.CHARGER_STATUS_CONNECTED,
    5: ChargerStatus.CHARGER_STATUS_WAITING,
    6: ChargerStatus.CHARGER_STATUS_STARTING,
    7: ChargerStatus.CHARGER_STATUS_FAULTED,
    8: ChargerStatus.CHARGER_STATUS_FINISHED,
    9: ChargerStatus.CHARGER_STATUS_WAITING,
    10: ChargerStatus.CHARGER_STATUS_CHARGING,
}

_ISLAND_STATES: Mapping[str, GridStatus.ValueType] = {
    "on_grid": GridStatus.GRID_STATUS_CONNECTED,
    "off_grid_intentional": GridStatus.GRID_STATUS_ISLANDED_INTENTIONALLY,
    "off_grid_unintentional": GridStatus.GRID_STATUS_ISLANDED_BY_OUTAGE,
}

_LARGEST_W = 10_000_000.0
_LARGEST_WH = 100_000_000.0
# Meters and inverters report a few watts of the wrong sign when nothing flows.
_NOISE_W = -1000.0

_ENERGY: tuple[Rule, ...] = (
    Number("percentage_charged", "charge_percent", 0, 102, ceiling=100),
    Number("energy_left", "energy_wh", 0, _LARGEST_WH),
    Number("total_pack_energy", "capacity_wh", 1, _LARGEST_WH),
    Number("battery_power", "power_w", -_LARGEST_W, _LARGEST_W, factor=-1.0),
)

_OVERRIDES: tuple[Rule, ...] = (
    Switch("storm_mode_active", "storm_watch_active"),
    Switch("grid_services_active", "grid_services_active"),
)

_PRODUCTION: tuple[Rule, ...] = (Number("solar_power", "production_w", _NOISE_W, _LARGEST_W, floor=0),)

_FLOWS: tuple[Rule, ...] = (
    Number("grid_power", "grid_power_w", -_LARGEST_W, _LARGEST_W),
    Number("load_power", "consumption_w", _NOISE_W, _LARGEST_W, floor=0),
    Number("generator_power", "generator_w", _NOISE_W, _LARGEST_W, floor=0),
    Number("grid_services_power", "grid_services_power_w", -_LARGEST_W, _LARGEST_W),
    Choice("island_status", "grid_status", _ISLAND_STATES),
)

_SESSION: tuple[Rule, ...] = (
    Number("wall_connector_state", "vendor_status", 0, 1000, whole=True),
    Number("wall_connector_fault_state", "vendor_fault_code", 0, 1_000_000, whole=True),
    Number("wall_connector_power", "power_w", _NOISE_W, _LARGEST_W, floor=0),
    Words("vin", "vehicle_vin"),
)

_SETTINGS: tuple[Rule, ...] = (
    Choice("default_real_mode", "mode", BATTERY_MODES, "vendor_mode"),
    Number("backup_reserve_percent", "reserve_percent", 0, 100),
    Switch("user_settings.storm_mode_enabled", "storm_watch_enabled"),
    Number("nameplate_power", "rated_power_w", 1, _LARGEST_W),
    Number("nameplate_energy", "rated_energy_wh", 1, _LARGEST_WH),
    Number("battery_count", "unit_count", 0, 10_000, whole=True),
)

# Grid permissions stand in `components`, on some sites one level up.
_PERMISSIONS: tuple[Rule, ...] = (
    Choice("customer_preferred_export_rule", "export_rule", EXPORT_RULES),
    Choice("net_meter_mode", "export_rule_ceiling", EXPORT_RULES),
    Switch("disallow_charge_from_grid_with_solar_installed", "grid_charging_allowed", inverted=True),
    Switch("non_export_configured", "export_forbidden"),
    Switch("edit_setting_energy_exports", "export_rule_locked", inverted=True),
    Switch("edit_setting_grid_charging", "grid_charging_locked", inverted=True),
    Switch("tou_capable", "time_based_control_supported"),
    Switch("storm_mode_capable", "storm_watch_supported"),
)


@dataclass
class SiteFlows:
    """What one `live_status` tells. Groups that it does not tell are None."""

    observe_time: Timestamp
    """When the site's gateway sent this to Tesla, which may be long ago."""
    energy: BatteryEnergy | None = None
    overrides: BatteryOverrides | None = None
    production: SolarProduction | None = None
    flows: MeterFlows | None = None
    sessions: Mapping[str, ChargerSession] | None = None
    """By the wall connector's `din`. None if the body has no list of wall connectors."""

    @property
    def tell_something(self) -> bool:
        """False for the empty answer of a site without data."""
        return any(part is not None for part in (self.energy, self.production, self.flows, self.sessions))


def from_live_status(body: object, received: datetime) -> SiteFlows:
    """Normalise a `live_status` answer."""
    observed = time_from_text(lookup(body, "timestamp"), received)
    found = SiteFlows(observed)
    energy = BatteryEnergy()
    if fill(energy, body, _ENERGY):
        energy.observe_time.CopyFrom(observed)
        found.energy = energy
    overrides = BatteryOverrides()
    fill(overrides, body, _OVERRIDES)
    _add_off_grid(overrides, body)
    if overrides.ListFields():
        overrides.observe_time.CopyFrom(observed)
        found.overrides = overrides
    production = SolarProduction()
    if fill(production, body, _PRODUCTION):
        production.observe_time.CopyFrom(observed)
        found.production = production
    flows = MeterFlows()
    fill(flows, body, _FLOWS)
    _add_grid_status(flows, body)
    if flows.ListFields():
        flows.observe_time.CopyFrom(observed)
        found.flows = flows
    if isinstance(lookup(body, "wall_connectors"), list):
        connectors = objects(lookup(body, "wall_connectors"))
        sessions = {text(connector.get("din")): _session(connector) for connector in connectors}
        sessions.pop("", None)
        for session in sessions.values():
            session.observe_time.CopyFrom(observed)
        found.sessions = sessions
    return found


def from_product(entry: object, received: datetime) -> BatteryEnergy | None:
    """Normalise what the list of products tells about a site's battery; None if it tells nothing."""
    energy = BatteryEnergy()
    if not fill(energy, entry, _ENERGY):
        return None
    energy.observe_time.CopyFrom(timestamp(received))
    return energy


def from_site_info(body: object, received: datetime) -> BatterySettings | None:
    """Normalise a `site_info` answer; None if it tells nothing about the battery's settings."""
    settings = BatterySettings()
    info = mapping(body)
    permissions = {**info, **mapping(info.get("components"))}
    fill(settings, info, _SETTINGS)
    fill(settings, permissions, _PERMISSIONS)
    _derive_permissions(settings, permissions)
    if not settings.ListFields():
        return None
    settings.observe_time.CopyFrom(timestamp(received))
    return settings


def _derive_permissions(settings: BatterySettings, permissions: Body) -> None:
    """Add the two settings whose absence means something.

    A missing export rule is `never` on a site that is configured without export, and else `battery_ok`. A missing ban
    on grid charging means that it is allowed. Both only where the body has the permissions at all, which the equipment
    flags beside them show.
    """
    if not any(isinstance(permissions.get(name), bool) for name in ("battery", "solar", "grid")):
        return
    if "customer_preferred_export_rule" not in permissions:
        forbidden = settings.export_forbidden
        settings.export_rule = ExportRule.EXPORT_RULE_NEVER if forbidden else ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY
    if "disallow_charge_from_grid_with_solar_installed" not in permissions:
        settings.grid_charging_allowed = True


def _add_off_grid(overrides: BatteryOverrides, body: object) -> None:
    state = _ISLAND_STATES.get(text(lookup(body, "island_status")))
    if state is not None:
        overrides.off_grid = state != GridStatus.GRID_STATUS_CONNECTED


def _add_grid_status(flows: MeterFlows, body: object) -> None:
    """Fall back to `grid_status` where the island status is not told; `Inactive` does not say why."""
    if not flows.grid_status and text(lookup(body, "grid_status")) == "Active":
        flows.grid_status = GridStatus.GRID_STATUS_CONNECTED


def _session(connector: Body) -> ChargerSession:
    session = ChargerSession()
    fill(session, connector, _SESSION)
    state = number(connector.get("wall_connector_state"))
    if state is not None and state in _CHARGER_STATES:
        session.status = _CHARGER_STATES[int(state)]
    return session
