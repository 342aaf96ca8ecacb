"""One simulated home, which is one energy site of the Fleet API.

A home lives lazily: it is brought up to the clock's present when someone looks at it or changes
it, in steps of at most a minute (five minutes for what lies more than a day back).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tesla_sandbox.homes.control import Situation, battery_power
from tesla_sandbox.homes.history import EnergyHistory
from tesla_sandbox.homes.house_load import HouseLoad, house_load
from tesla_sandbox.homes.optimizer import Optimizer, Plan
from tesla_sandbox.homes.power_flow import UNLIMITED, PowerFlow, balanced
from tesla_sandbox.homes.powerwall import POWERWALL_MODELS, BatteryPack
from tesla_sandbox.homes.settings import (
    PendingWrite,
    apply_write,
    effective_export_rule,
    permissions_from,
    settings_from,
)
from tesla_sandbox.homes.sun import Panels, solar_power
from tesla_sandbox.homes.wall_connector import WallConnector

if TYPE_CHECKING:
    from tesla_sandbox.scenario import HomeSpec
    from tesla_sandbox.world import World

FINE_STEP_SECONDS = 60.0
COARSE_STEP_SECONDS = 300.0
COARSE_BEFORE_SECONDS = 86_400.0
LONGEST_CATCH_UP_SECONDS = 31 * 86_400.0


@dataclass(slots=True)
class Outage:
    """A time without grid; `ended_at` is None while it lasts."""

    started_at: float
    ended_at: float | None = None
    intentional: bool = False


@dataclass(slots=True)
class StormWatch:
    """A storm that Storm Watch prepares for."""

    event_id: str
    storm_type: str
    starts_at: float
    ends_at: float


@dataclass(slots=True)
class GridServicesEvent:
    """A virtual-power-plant event: battery power in W, positive discharging."""

    power_w: float
    starts_at: float
    ends_at: float


class Home:
    """A home with its equipment, settings and surroundings.

    Args:
        spec: What the scenario says.
        world: The world it stands in.
        started_at: When its life begins, in unix seconds.
    """

    def __init__(self, spec: HomeSpec, world: World, started_at: float) -> None:
        self.spec = spec
        self.world = world
        self.site_id = spec.site_id
        self.zone = ZoneInfo(spec.time_zone)
        self.settings = settings_from(spec)
        self.permissions = permissions_from(spec)
        model = POWERWALL_MODELS[spec.powerwall_model]
        capacity = model.energy_wh * spec.powerwalls
        self.pack = BatteryPack(model, spec.powerwalls, capacity * spec.state_of_charge / 100)
        self.panels = _panels(spec)
        phase = (spec.site_id * 0.6180339887) % 1
        self.house = HouseLoad(spec.load.base_w, spec.load.swing_w, phase)
        self.connectors = [WallConnector(entry.din, entry.vin) for entry in spec.wall_connectors]
        self.storm: StormWatch | None = None
        self.event: GridServicesEvent | None = None
        self.outages: list[Outage] = []
        self.history = EnergyHistory(self.zone)
        self.started_at = started_at
        self.updated_at = started_at
        self._pending: list[PendingWrite] = []
        self._car_power = 0.0
        self.write_delay_s = spec.write_delay_s
        self.optimizer_delay_s = spec.optimizer_delay_s
        self.stubbornness = spec.stubbornness
        self.optimizer = self._new_optimizer()
        self.has_past = False
        self.last_live_status: dict[str, object] | None = None
        self.load_override: float | None = None
        self.solar_override: float | None = None

    @classmethod
    def from_spec(cls, spec: HomeSpec, world: World) -> Home:
        """The home that a scenario describes, at the present time."""
        return cls(spec, world, world.clock.time())

    @property
    def on_grid(self) -> bool:
        """Whether the home is connected to a living grid."""
        return not self.outages or self.outages[-1].ended_at is not None

    def write(self, changes: Mapping[str, object], delay: float) -> None:
        """Accept a change of settings that takes effect after `delay` seconds."""
        self.advance()
        insort(self._pending, PendingWrite(self.world.clock.time() + delay, dict(changes)))
        self.advance()

    def write_now(self, changes: Mapping[str, object]) -> None:
        """Change settings at once, past all permissions, as the installer could."""
        self.advance()
        for name, value in changes.items():
            setattr(self.settings, name, value)
        self.optimizer = self._new_optimizer()

    def advance(self, until: float | None = None) -> None:
        """Live up to `until` (unix seconds), or to the clock's present time."""
        now = self.world.clock.time() if until is None else until
        if now <= self.updated_at:
            self._apply_due_writes()
            return
        self._read_wall_connectors(now)
        self.updated_at = max(self.updated_at, now - LONGEST_CATCH_UP_SECONDS)
        while self.updated_at < now:
            self._apply_due_writes()
            self._step(min(self._next_boundary(now), now))
        self._apply_due_writes()

    def flow(self) -> PowerFlow:
        """The powers of this moment; call `advance` first."""
        car_power = sum(connector.power(self.world) for connector in self.connectors)
        return self._flow(self.updated_at, FINE_STEP_SECONDS, car_power)

    def plan(self) -> Plan:
        """What time-based control wants of the battery now; call `advance` first."""
        return self._plan(self.updated_at)

    def storm_active(self, moment: float) -> bool:
        """Whether Storm Watch fills the battery at a moment."""
        storm = self.storm
        return self.settings.storm_watch and storm is not None and storm.starts_at <= moment < storm.ends_at

    def event_power(self, moment: float) -> float | None:
        """The battery power of a grid-services event at a moment; None without an event."""
        event = self.event
        if event is None or not event.starts_at <= moment < event.ends_at:
            return None
        return event.power_w

    def set_outage(self, *, out: bool, intentional: bool = False) -> None:
        """Cut the home off the grid, or connect it again."""
        self.advance()
        now = self.world.clock.time()
        if out and self.on_grid:
            self.outages.append(Outage(now, intentional=intentional))
        elif not out and not self.on_grid:
            self.outages[-1].ended_at = now

    def utc_offset(self, moment: float) -> float:
        """Seconds that the home's local time is ahead of UTC."""
        offset = datetime.fromtimestamp(moment, self.zone).utcoffset()
        return offset.total_seconds() if offset is not None else 0.0

    def _read_wall_connectors(self, now: float) -> None:
        seconds = now - self.updated_at
        drawn = sum(connector.energy_since_last_look(self.world, now, seconds) for connector in self.connectors)
        self._car_power = drawn * 3600 / seconds

    def _next_boundary(self, now: float) -> float:
        far_back = now - self.updated_at > COARSE_BEFORE_SECONDS
        step = COARSE_STEP_SECONDS if far_back else FINE_STEP_SECONDS
        boundary = (self.updated_at // step + 1) * step
        moments = [entry.due for entry in self._pending]
        for happening in (self.storm, self.event):
            if happening is not None:
                moments += [happening.starts_at, happening.ends_at]
        return min([boundary, *(moment for moment in moments if moment > self.updated_at)])

    def _step(self, until: float) -> None:
        seconds = until - self.updated_at
        flow = self._flow(self.updated_at + seconds / 2, seconds, self._car_power)
        self.pack.run(flow.battery, seconds)
        services = flow.battery if self.event_power(self.updated_at) is not None else 0.0
        self.history.add(self.updated_at, seconds, flow, services)
        self.updated_at = until

    def _flow(self, moment: float, seconds: float, car_power: float) -> PowerFlow:
        solar = self.solar_override
        if solar is None:
            solar = solar_power(self.panels, moment) if self.panels is not None else 0.0
        load = self.load_override
        if load is None:
            load = house_load(self.house, moment, self.utc_offset(moment))
        load += car_power
        rule = effective_export_rule(self.settings, self.permissions)
        export_limit = 0.0 if rule == "never" else self.permissions.max_export_w or UNLIMITED
        if self.permissions.max_export_w == 0:
            export_limit = 0.0
        situation = Situation(
            net_load=load - solar,
            mode=self.settings.operation_mode,
            plan=self._plan(moment),
            reserve_percent=self.settings.backup_reserve_percent,
            export_rule=rule,
            grid_charging=self.settings.grid_charging or self.panels is None,
            on_grid=self.on_grid,
            storm_watch_active=self.storm_active(moment),
            import_limit=self.permissions.max_import_w or UNLIMITED,
            export_limit=export_limit,
            grid_services_w=self.event_power(moment),
        )
        battery = battery_power(situation, self.pack, seconds)
        return balanced(load, solar, battery, on_grid=self.on_grid, export_limit=export_limit)

    def _plan(self, moment: float) -> Plan:
        if self.settings.operation_mode != "autonomous":
            return Plan.SELF_CONSUMPTION
        return self.optimizer.plan(moment)

    def _apply_due_writes(self) -> None:
        while self._pending and self._pending[0].due <= self.updated_at:
            changes = self._pending.pop(0).changes
            if "plan_again" in changes:
                self.optimizer = self._new_optimizer()
                continue
            apply_write(self.settings, self.permissions, changes)
            if "tariff" in changes or "optimization_strategy" in changes:
                due = self.updated_at + self.optimizer_delay_s
                insort(self._pending, PendingWrite(due, {"plan_again": True}))

    def _new_optimizer(self) -> Optimizer:
        return Optimizer(
            self.settings.tariff,
            self.settings.optimization_strategy,
            self.zone,
            self.site_id,
            self.stubbornness,
        )


def _panels(spec: HomeSpec) -> Panels | None:
    if spec.solar is None:
        return None
    return Panels(
        peak_w=spec.solar.peak_w,
        tilt=spec.solar.tilt_degrees,
        azimuth=spec.solar.azimuth_degrees,
        clearness=spec.solar.clearness,
        latitude=spec.location.latitude,
        longitude=spec.location.longitude,
    )
