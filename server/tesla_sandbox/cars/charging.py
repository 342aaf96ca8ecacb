"""Charging from the wall or from a fast charger: cable, state, current, limit."""

import math
from dataclasses import dataclass
from enum import StrEnum

from tesla_sandbox.cars.battery import Battery
from tesla_sandbox.cars.charge_curve import ALTERNATING, DIRECT, ChargeCurve
from tesla_sandbox.cars.models import VehicleModel
from tesla_sandbox.cars.spec import Supply

CHARGER_EFFICIENCY = 0.92
"""Share of the wall's energy that passes the on-board charger; a fast charger has its losses on its own side."""

STARTING_SECONDS = 2.0
"""How long a car stays in `Starting` before current flows."""

WALL_POWERS_CAR_FROM = 0.5
"""Own consumption in kW from which a plugged-in car that does not charge uses the wall for it."""

LIMIT_MINIMUM, LIMIT_MAXIMUM, LIMIT_STANDARD = 50, 100, 80
"""Bounds and everyday value of the charge limit, in percent."""

LEAST_AMPS = 6
"""The smallest current per phase that a wall can announce (IEC 61851)."""

_LEVEL_TOLERANCE = 1e-6


class ChargingState(StrEnum):
    """`charging_state` as the API spells it."""

    DISCONNECTED = "Disconnected"
    NO_POWER = "NoPower"
    STARTING = "Starting"
    CHARGING = "Charging"
    STOPPED = "Stopped"
    COMPLETE = "Complete"


@dataclass(slots=True)
class Charging:
    """The charging side of a car. Power in kW, energy in kWh, times in unix seconds.

    Attributes:
        limit: Charge limit in percent.
        requested_amps: Current per phase that the user asked for.
        supply: The plugged-in cable; None when nothing is plugged in.
        state: What charging does now.
        starts_at: When current begins to flow while the state is `STARTING`.
        energy_added: Put into the battery since the cable was plugged in.
        port_open: Whether the charge port door is open.
        unlatched: Whether the cable was released to be pulled out.
        home_limit: The most that the home behind the wall lets through; infinite without a bound.
    """

    model: VehicleModel
    battery: Battery
    limit: int
    requested_amps: int
    supply: Supply | None = None
    state: ChargingState = ChargingState.DISCONNECTED
    starts_at: float = math.inf
    energy_added: float = 0.0
    port_open: bool = False
    unlatched: bool = False
    home_limit: float = math.inf

    @property
    def active(self) -> bool:
        """Whether the car charges or is about to."""
        return self.state in {ChargingState.STARTING, ChargingState.CHARGING}

    @property
    def limit_reached(self) -> bool:
        """Whether the battery holds as much as the limit allows."""
        return self.battery.level >= self.limit - _LEVEL_TOLERANCE

    @property
    def phases(self) -> int:
        """Phases in use; 0 without a cable and at a fast charger."""
        if self.supply is None or self.fast:
            return 0
        return min(self.model.max_ac_phases, self.supply.phases)

    @property
    def fast(self) -> bool:
        """Whether the cable is that of a fast charger."""
        return self.supply is not None and self.supply.fast_charger_kw is not None

    @property
    def powered(self) -> bool:
        """Whether the plugged-in cable carries power."""
        if self.supply is None or not self.supply.powered:
            return False
        return self.fast or self._home_amps() >= LEAST_AMPS

    @property
    def reduced(self) -> bool:
        """Whether the home lets less through than the wall could give."""
        return self.supply is not None and not self.fast and self._home_amps() < self.supply.max_amps

    @property
    def efficiency(self) -> float:
        """Share of the energy from the cable that reaches battery and car."""
        return 1.0 if self.fast else CHARGER_EFFICIENCY

    @property
    def curve(self) -> ChargeCurve:
        """What the battery accepts from the present cable."""
        return DIRECT if self.fast else ALTERNATING

    @property
    def pilot_amps(self) -> int:
        """Current that the wall announces, bounded by the car; 0 without a powered cable of alternating current."""
        if self.supply is None or not self.powered or self.fast:
            return 0
        return int(min(self.supply.max_amps, self.model.max_ac_amps, self._home_amps()))

    @property
    def requestable_amps(self) -> int:
        """The most that can be asked for: the wall's offer, or the car's own maximum."""
        return self.pilot_amps or self.model.max_ac_amps

    def wall_limit(self) -> float:
        """The most power that the current settings draw from the wall."""
        if self.supply is None or not self.powered:
            return 0.0
        if self.supply.fast_charger_kw is not None:
            return self.supply.fast_charger_kw
        return self._wall_power_at(min(self.requested_amps, self.pilot_amps))

    def offered_power(self) -> float:
        """The most power that any settings draw from this cable of alternating current."""
        return self._wall_power_at(self.pilot_amps)

    def battery_power(self, auxiliary: float) -> float:
        """Power into the battery (negative: out of it) while the car itself uses `auxiliary`."""
        offered = self._offered(auxiliary)
        if self.state is not ChargingState.CHARGING:
            return min(offered, 0.0)
        return self.curve.accepted_power(self.battery.energy, self.battery.capacity, offered)

    def wall_power(self, auxiliary: float) -> float:
        """Power from the wall: what charging takes, and what the plugged-in car itself uses."""
        if not self._uses_wall(auxiliary):
            return 0.0
        needed = (max(self.battery_power(auxiliary), 0.0) + auxiliary) / self.efficiency
        return min(needed, self.wall_limit())

    def advance(self, hours: float, auxiliary: float) -> float:
        """Charge or discharge the battery for `hours`; returns the energy taken from the wall."""
        before = self.battery.energy
        offered = self._offered(auxiliary)
        if offered < 0:
            self.battery.draw(-offered * hours)
            return self.wall_power(auxiliary) * hours
        if self.state is ChargingState.CHARGING:
            self.battery.energy = self.curve.energy_after(before, self.battery.capacity, offered, hours)
        added = self.battery.energy - before
        self.energy_added += added
        return (added + auxiliary * hours) / self.efficiency

    def seconds_to_limit(self, auxiliary: float) -> float:
        """Time until the limit at the present settings; infinite when it is never reached."""
        target = self.battery.energy_at(self.limit)
        offered = self.wall_limit() * self.efficiency - auxiliary
        return 3600 * self.curve.hours_until(self.battery.energy, target, self.battery.capacity, offered)

    def next_change(self, now: float, auxiliary: float) -> float:
        """When the state changes by itself; infinite when it does not."""
        if self.state is ChargingState.STARTING:
            return self.starts_at
        if self.state is ChargingState.CHARGING:
            return now + self.seconds_to_limit(auxiliary)
        return math.inf

    def settle(self, now: float) -> None:
        """Make the state change that is due at `now`, if one is."""
        if self.state is ChargingState.STARTING and now >= self.starts_at:
            self.state = ChargingState.CHARGING
        if self.active and self.limit_reached:
            self.state = ChargingState.COMPLETE

    def plug(self, supply: Supply) -> None:
        """Connect a cable; charging does not begin by itself here."""
        self.supply = supply
        self.port_open, self.unlatched = True, False
        self.energy_added = 0.0
        self.rest()

    def unplug(self) -> None:
        """Pull the cable out; the port door stays open."""
        self.supply = None
        self.unlatched = False
        self.state = ChargingState.DISCONNECTED

    def power_supply(self, *, powered: bool) -> None:
        """Switch the wall's power on or off; does nothing without a cable."""
        if self.supply is not None:
            self.supply = self.supply.model_copy(update={"powered": powered})
            if not powered or self.state is ChargingState.NO_POWER:
                self.rest()

    def limit_supply(self, kilowatts: float) -> bool:
        """Follow what the home lets through; whether power is back on a cable that was dead."""
        was_powered = self.powered
        self.home_limit = kilowatts
        if self.powered != was_powered:
            self.rest()
        return self.powered and not was_powered

    def start(self, now: float) -> None:
        """Begin to charge where that is possible, otherwise rest."""
        self.rest()
        if self.state is ChargingState.STOPPED:
            self.state = ChargingState.STARTING
            self.starts_at = now + STARTING_SECONDS

    def reconsider(self, now: float, *, may_start: bool = True) -> None:
        """Follow a change of limit or level: stop when it is reached, resume when it no longer is.

        Args:
            now: Present time.
            may_start: Whether a complete charge may be resumed.
        """
        if self.active and self.limit_reached:
            self.rest()
        elif self.state is ChargingState.COMPLETE and may_start:
            self.start(now)
        elif self.state is ChargingState.STOPPED:
            self.rest()

    def rest(self) -> None:
        """Go to the state of a car that does not charge."""
        if self.supply is None:
            self.state = ChargingState.DISCONNECTED
        elif not self.powered:
            self.state = ChargingState.NO_POWER
        elif self.limit_reached:
            self.state = ChargingState.COMPLETE
        else:
            self.state = ChargingState.STOPPED

    def _home_amps(self) -> float:
        if self.supply is None or self.phases == 0:
            return math.inf
        return 1000 * self.home_limit / (self.supply.volts * self.phases)

    def _wall_power_at(self, amps: int) -> float:
        return amps * self.supply.volts * self.phases / 1000 if self.supply is not None else 0.0

    def _uses_wall(self, auxiliary: float) -> bool:
        charging = self.state is ChargingState.CHARGING
        return self.wall_limit() > 0 and (charging or auxiliary >= WALL_POWERS_CAR_FROM)

    def _offered(self, auxiliary: float) -> float:
        usable = self.wall_limit() * self.efficiency if self._uses_wall(auxiliary) else 0.0
        return usable - auxiliary
