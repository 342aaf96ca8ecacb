"""What the battery is told to do: operation modes, reserve, storm watch, grid services.

Sources: Tesla Fleet API documentation, energy endpoints, and observations of owners collected in
the projects evcc, Predbat and pypowerwall. Powers in W, positive discharging.
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


def battery_power(situation: Situation, pack: BatteryPack, seconds: float) -> float:
    """The battery's power over the next `seconds`, within every limit."""
    if not pack.units:
        return 0.0
    wanted = _wanted(situation, pack)
    if not situation.on_grid:
        return _clamped(wanted, pack, seconds, floor=0.0)
    floor = 0.0 if situation.grid_services_w is not None else situation.reserve_percent
    power = _clamped(wanted, pack, seconds, floor)
    if power > 0:
        return min(power, _most_discharge(situation))
    return max(power, -_most_charge(situation))


def _wanted(situation: Situation, pack: BatteryPack) -> float:
    surplus = max(-situation.net_load, 0.0)
    if not situation.on_grid:
        return situation.net_load
    if situation.storm_watch_active:
        return -max(surplus, pack.model.charge_w * pack.units)
    if situation.grid_services_w is not None:
        return situation.grid_services_w
    if situation.mode == "backup":
        return -max(surplus, BACKUP_CHARGE_W_PER_UNIT * pack.units)
    if situation.mode == "autonomous" and situation.plan is Plan.CHARGE:
        return -max(surplus, pack.model.charge_w * pack.units)
    if situation.mode == "autonomous" and situation.plan is Plan.EXPORT:
        return pack.model.discharge_w * pack.units
    if pack.state_of_charge < situation.reserve_percent - RESERVE_TOLERANCE:
        return -max(surplus, RESERVE_CHARGE_W_PER_UNIT * pack.units)
    return situation.net_load


def _clamped(wanted: float, pack: BatteryPack, seconds: float, floor: float) -> float:
    if wanted > 0:
        return min(wanted, pack.discharge_limit(seconds, floor))
    return max(wanted, -pack.charge_limit(seconds))


def _most_discharge(situation: Situation) -> float:
    for_house = max(situation.net_load, 0.0)
    if situation.export_rule != "battery_ok":
        return for_house
    return for_house + situation.export_limit


def _most_charge(situation: Situation) -> float:
    surplus = max(-situation.net_load, 0.0)
    if not situation.grid_charging:
        return surplus
    return max(situation.import_limit - situation.net_load, surplus)
