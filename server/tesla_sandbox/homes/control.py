"""What the battery is told to do: operation modes, reserve, storm watch, grid services.

Sources: Tesla Fleet API documentation, energy endpoints, and observations of owners collected in
the projects evcc, Predbat, pypowerwall and Netzero. Without permission to charge from the grid, the
optimiser and mode `backup` take nothing from it (Predbat #2954); a reserve above the state of charge
still does (netzero #274), and Storm Watch overrides everything. Powers in W, positive discharging.
"""

from dataclasses import dataclass

from tesla_sandbox.homes.optimizer import Plan
from tesla_sandbox.homes.powerwall import BatteryPack

RESERVE_CHARGE_W_PER_UNIT = 1_800.0
BACKUP_CHARGE_W_PER_UNIT = 3_500.0
RESERVE_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Situation:
    """What the controller knows in one moment.

    Attributes:
        net_load: Load minus solar; negative is surplus.
        mode: The operation mode.
        plan: What time-based control wants, used in mode `autonomous` only.
        export_rule: What may go out, all permissions taken together.
        grid_charging: Whether the battery may charge from the grid.
        import_limit: Site import limit.
        export_limit: Site export limit.
        grid_services_w: Battery power that a grid-services event asks for; None without an event.
        grid_services_reserve_percent: The reserve that holds during such an event instead.
    """

    net_load: float
    mode: str
    plan: Plan
    reserve_percent: float
    export_rule: str
    grid_charging: bool
    on_grid: bool
    storm_watch_active: bool
    import_limit: float
    export_limit: float
    grid_services_w: float | None = None
    grid_services_reserve_percent: float = 0.0

    @property
    def surplus(self) -> float:
        """What the sun gives beyond the load."""
        return max(-self.net_load, 0.0)


def battery_power(situation: Situation, pack: BatteryPack, seconds: float) -> float:
    """The battery's power over the next `seconds`, within every limit."""
    if not pack.units:
        return 0.0
    wanted = _wanted(situation, pack)
    if not situation.on_grid:
        return _clamped(wanted, pack, seconds, floor=0.0)
    in_event = situation.grid_services_w is not None
    floor = situation.grid_services_reserve_percent if in_event else situation.reserve_percent
    power = _clamped(wanted, pack, seconds, floor)
    if power > 0:
        return min(power, _most_discharge(situation))
    return max(power, -max(situation.import_limit - situation.net_load, situation.surplus))


def _wanted(situation: Situation, pack: BatteryPack) -> float:
    if not situation.on_grid:
        return situation.net_load
    if situation.storm_watch_active:
        return -max(situation.surplus, pack.model.charge_w * pack.units)
    if situation.grid_services_w is not None:
        return max(situation.grid_services_w, -_permitted(situation, -situation.grid_services_w))
    if situation.mode == "backup":
        return -_permitted(situation, BACKUP_CHARGE_W_PER_UNIT * pack.units)
    if situation.mode == "autonomous" and situation.plan is Plan.EXPORT:
        return pack.model.discharge_w * pack.units
    below_reserve = pack.state_of_charge < situation.reserve_percent - RESERVE_TOLERANCE
    trickle = max(situation.surplus, RESERVE_CHARGE_W_PER_UNIT * pack.units) if below_reserve else 0.0
    if situation.mode == "autonomous" and situation.plan is Plan.CHARGE:
        return -max(_permitted(situation, pack.model.charge_w * pack.units), trickle)
    return -trickle if below_reserve else situation.net_load


def _clamped(wanted: float, pack: BatteryPack, seconds: float, floor: float) -> float:
    if wanted > 0:
        return min(wanted, pack.discharge_limit(seconds, floor))
    return max(wanted, -pack.charge_limit(seconds))


def _most_discharge(situation: Situation) -> float:
    for_house = max(situation.net_load, 0.0)
    if situation.export_rule != "battery_ok":
        return for_house
    return for_house + situation.export_limit


def _permitted(situation: Situation, power: float) -> float:
    """Charging power as far as sun, or the permission to charge from the grid, allows it; never less than the sun's."""
    return max(situation.surplus, power) if situation.grid_charging else situation.surplus
