"""One simulated home, which is one energy site of the Fleet API.

A home lives lazily, in steps that end at whole minutes and whenever something changes. Who looks between
two steps sees the part of a step that has passed by then, and leaves no trace: the same happenings give
the same history, whoever looked when. Cars on the home's cables live in the same steps.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tesla_sandbox.homes.control import Situation, battery_power
from tesla_sandbox.homes.happenings import GridServicesEvent, Outage, StormWatch
from tesla_sandbox.homes.history import EnergyHistory
from tesla_sandbox.homes.optimizer import Optimizer, Plan
from tesla_sandbox.homes.power_flow import UNLIMITED, PowerFlow, balanced
from tesla_sandbox.homes.powerwall import POWERWALL_MODELS, BatteryPack
from tesla_sandbox.homes.settings import (
    PendingWrite,
    apply_write,
    effective_export_rule,
    permissions_from,
    put,
    settings_from,
)
from tesla_sandbox.homes.surroundings import Surroundings
from tesla_sandbox.homes.vehicle_supply import VehicleSupply, share_out
from tesla_sandbox.homes.wall_connector import WallConnector

if TYPE_CHECKING:
    from tesla_sandbox.cars.car import Car
    from tesla_sandbox.scenario import HomeSpec
    from tesla_sandbox.world import World

STEP_SECONDS = 60.0
LONGEST_CATCH_UP_SECONDS = 32 * 86_400.0
"""What lies further back than this when a home is looked at again is not lived through."""


class Home:
    """A home with its equipment, settings and surroundings.

    Args:
        spec: What the scenario says.
        world: The world it stands in.
        started_at: When its life begins, in unix seconds.
        step_seconds: Length of its steps.

    Attributes:
        updated_at: The moment at which it was last looked at.
        pack: The batteries as they were at that moment.
    """

    def __init__(self, spec: HomeSpec, world: World, started_at: float, step_seconds: float = STEP_SECONDS) -> None:
        self.spec = spec
        self.world = world
        self.site_id = spec.site_id
        self.zone = ZoneInfo(spec.time_zone)
        self.settings = settings_from(spec)
        self.permissions = permissions_from(spec)
        model = POWERWALL_MODELS[spec.powerwall_model]
        capacity = model.energy_wh * spec.powerwalls
        self.pack = BatteryPack(model, spec.powerwalls, capacity * spec.state_of_charge / 100)
        self.surroundings = Surroundings.from_spec(spec)
        self.connectors = [WallConnector(entry.din, entry.vin) for entry in spec.wall_connectors]
        self.storm: StormWatch | None = None
        self.event: GridServicesEvent | None = None
        self.outages: list[Outage] = []
        self.history = EnergyHistory(self.zone)
        self.started_at = started_at
        self.updated_at = started_at
        self.write_delay_s = spec.write_delay_s
        self.optimizer_delay_s = spec.optimizer_delay_s
        self.stubbornness = spec.stubbornness
        self.optimizer = self._new_optimizer()
        self.has_past = False
        self._step_seconds = step_seconds
        self._settled_at = started_at
        self._settled_wh = self.pack.energy_left
        self._pending: list[PendingWrite] = []
        self._vehicle_supply = VehicleSupply()

    @classmethod
    def from_spec(cls, spec: HomeSpec, world: World) -> Home:
        """The home that a scenario describes, at the present time."""
        return cls(spec, world, world.clock.time())

    @property
    def on_grid(self) -> bool:
        """Whether the home is connected to a living grid."""
        return not self.outages or self.outages[-1].ended_at is not None

    def attach_cars(self) -> None:
        """Put the cars of the world on the cables of the Wall Connectors that name them."""
        for connector in self.connectors:
            if connector.vin is not None:
                car = self.world.cars[connector.vin]
                car.host = self
                connector.attach(car, self.started_at)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Live up to the present, let something change, and go on from there."""
        self.settle(self.world.clock.time())
        yield
        self._settled_wh = self.pack.energy_left
        self._supply_cars()

    def write(self, changes: Mapping[str, object], delay: float) -> None:
        """Accept a change of settings that takes effect after `delay` seconds."""
        with self.changing():
            insort(self._pending, PendingWrite(self._settled_at + delay, dict(changes)))
            self._apply_due_writes()

    def write_now(self, changes: Mapping[str, object]) -> None:
        """Change settings at once, past all permissions, as the installer could."""
        with self.changing():
            put(self.settings, self.spec.firmware, changes)
            self.optimizer = self._new_optimizer()

    def set_outage(self, *, out: bool, intentional: bool = False) -> None:
        """Cut the home off the grid, or connect it again."""
        with self.changing():
            if out and self.on_grid:
                self.outages.append(Outage(self._settled_at, intentional=intentional))
            elif not out and not self.on_grid:
                self.outages[-1].ended_at = self._settled_at

    def set_state_of_charge(self, percent: float) -> None:
        """Give the battery another level."""
        with self.changing():
            self.pack.energy_left = self.pack.capacity * percent / 100

    def cable_moved(self, car: Car) -> None:
        """Take note that a car's cable was plugged in or pulled out just now."""
        with self.changing():
            for connector in self.connectors:
                if connector.car is car:
                    connector.follow_cable(self._settled_at)

    def advance(self, until: float | None = None) -> None:
        """Look at the home as it is at `until` (unix seconds), or at the clock's present time."""
        now = self.world.clock.time() if until is None else until
        if now <= self.updated_at:
            return
        self.keep_pace(now)
        self.pack.energy_left = self._settled_wh
        seconds = now - self._settled_at
        if seconds > 0:
            drawn = sum(connector.energy_until(now) for connector in self.connectors)
            self.pack.run(self._mean_flow(seconds, drawn).battery, seconds)
        self.updated_at = now

    def settle(self, now: float) -> None:
        """End a step at `now`."""
        self.keep_pace(now)
        if now > self._settled_at:
            self._step(now)

    def keep_pace(self, now: float) -> None:
        """Take all steps that end by `now`; cars that charge here ask for it before they live on."""
        if now - self._settled_at > LONGEST_CATCH_UP_SECONDS:
            self._skip_to(now - LONGEST_CATCH_UP_SECONDS)
        while (boundary := self._next_boundary()) <= now:
            self._step(boundary)

    def next_change(self) -> float:
        """When the home may give its cars more or less power next; infinite while there is a grid."""
        return math.inf if self.on_grid else self._next_boundary()

    def flow(self) -> PowerFlow:
        """The powers of this moment; call `advance` first."""
        car_power = sum(connector.power for connector in self.connectors)
        return self._flow(self.updated_at, STEP_SECONDS, car_power)

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

    def _next_boundary(self) -> float:
        settled = self._settled_at
        boundary = (settled // self._step_seconds + 1) * self._step_seconds
        moments = [entry.due for entry in self._pending]
        for happening in (self.storm, self.event):
            if happening is not None:
                moments += [happening.starts_at, happening.ends_at]
        return min([boundary, *(moment for moment in moments if moment > settled)])

    def _step(self, until: float) -> None:
        seconds = until - self._settled_at
        self.pack.energy_left = self._settled_wh
        drawn = sum(connector.read_meter(until, seconds) for connector in self.connectors)
        flow = self._mean_flow(seconds, drawn)
        self.pack.run(flow.battery, seconds)
        services = flow.battery if self.event_power(self._settled_at) is not None else 0.0
        self.history.add(self._settled_at, seconds, flow, services)
        self._settle(until)

    def _skip_to(self, moment: float) -> None:
        for connector in self.connectors:
            connector.read_meter(moment, moment - self._settled_at)
        self.pack.energy_left = self._settled_wh
        self._settle(moment)

    def _settle(self, moment: float) -> None:
        self._settled_at = self.updated_at = moment
        self._settled_wh = self.pack.energy_left
        self._apply_due_writes()
        self._supply_cars()

    def _supply_cars(self) -> None:
        """Decide what cars may draw until the next decision."""
        if self.on_grid:
            self._vehicle_supply.held_back = False
            share_out(self.connectors)
            return
        seconds = self._next_boundary() - self._settled_at
        moment = self._settled_at + seconds / 2
        spare = self.surroundings.sunshine(moment) - self.surroundings.house_load(moment)
        reserve = self.settings.off_grid_vehicle_charging_reserve_percent
        share_out(self.connectors, self._vehicle_supply.available(self.pack, reserve, spare, seconds))

    def _mean_flow(self, seconds: float, car_wh: float) -> PowerFlow:
        """The flow of the `seconds` since the last step, in which cars drew so much energy."""
        return self._flow(self._settled_at + seconds / 2, seconds, car_wh * 3600 / seconds)

    def _flow(self, moment: float, seconds: float, car_power: float) -> PowerFlow:
        solar = self.surroundings.sunshine(moment)
        load = self.surroundings.house_load(moment) + car_power
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
            grid_charging=self.settings.grid_charging or self.surroundings.panels is None,
            on_grid=self.on_grid,
            storm_watch_active=self.storm_active(moment),
            import_limit=self.permissions.max_import_w or UNLIMITED,
            export_limit=export_limit,
            grid_services_w=self.event_power(moment),
            grid_services_reserve_percent=self.permissions.vpp_backup_reserve_percent,
        )
        battery = battery_power(situation, self.pack, seconds)
        return balanced(load, solar, battery, on_grid=self.on_grid, export_limit=export_limit)

    def _plan(self, moment: float) -> Plan:
        if self.settings.operation_mode != "autonomous":
            return Plan.SELF_CONSUMPTION
        return self.optimizer.plan(moment)

    def _apply_due_writes(self) -> None:
        while self._pending and self._pending[0].due <= self._settled_at:
            changes = self._pending.pop(0).changes
            if "plan_again" in changes:
                self.optimizer = self._new_optimizer()
                continue
            apply_write(self.settings, self.permissions, self.spec.firmware, changes)
            if "tariff" in changes or "optimization_strategy" in changes:
                due = self._settled_at + self.optimizer_delay_s
                insort(self._pending, PendingWrite(due, {"plan_again": True}))

    def _new_optimizer(self) -> Optimizer:
        return Optimizer(
            self.settings.tariff,
            self.settings.optimization_strategy,
            self.zone,
            self.site_id,
            self.stubbornness,
        )
