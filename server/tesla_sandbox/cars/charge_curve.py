"""How a battery takes alternating-current charge: full power, then a taper near the top.

Above `TAPER_BEGINS` of its capacity the battery accepts less and less power, in a straight line
down to `POWER_AT_FULL_KW`. Both parts have exact solutions, so the result does not depend on how
often a car is looked at. Energies in kWh, power in kW, times in hours.
"""

import math

FULL_POWER_KW = 11.5
"""What the battery accepts from an on-board charger below the taper."""

POWER_AT_FULL_KW = 1.0
"""What the battery still accepts when it is full."""

TAPER_BEGINS = 0.95
"""Share of the capacity at which the accepted power starts to fall."""


def accepted_power(energy: float, capacity: float, offered: float) -> float:
    """Power that goes into the battery when `offered` is available (negative: it discharges)."""
    return min(offered, _acceptance(energy, capacity))


def energy_after(energy: float, capacity: float, offered: float, hours: float) -> float:
    """Energy in the battery after `hours` with `offered` power; stays within 0 and capacity."""
    offered = min(offered, FULL_POWER_KW)
    knee = _knee(capacity, offered)
    if offered <= 0 or energy < knee:
        until_knee = (knee - energy) / offered if offered > 0 else math.inf
        if hours <= until_knee:
            return min(max(energy + offered * hours, 0.0), capacity)
        energy, hours = knee, hours - until_knee
    slope = _slope(capacity)
    asymptote = offered / slope
    above_knee = asymptote + (energy - knee - asymptote) * math.exp(-slope * hours)
    return min(knee + above_knee, capacity)


def hours_until(energy: float, target: float, capacity: float, offered: float) -> float:
    """Time until the battery holds `target`; 0 when it does, infinite when it never will."""
    if energy >= target:
        return 0.0
    if offered <= 0:
        return math.inf
    offered = min(offered, FULL_POWER_KW)
    knee = _knee(capacity, offered)
    linear_end = min(target, knee)
    hours = max(linear_end - energy, 0.0) / offered
    if target <= knee:
        return hours
    slope = _slope(capacity)
    asymptote = offered / slope
    start = max(energy, knee) - knee
    return hours + math.log((asymptote - start) / (asymptote - (target - knee))) / slope


def _acceptance(energy: float, capacity: float) -> float:
    above = max(energy - TAPER_BEGINS * capacity, 0.0)
    return FULL_POWER_KW - _slope(capacity) * above


def _slope(capacity: float) -> float:
    return (FULL_POWER_KW - POWER_AT_FULL_KW) / ((1 - TAPER_BEGINS) * capacity)


def _knee(capacity: float, offered: float) -> float:
    """Energy at which the battery accepts just what is offered."""
    if offered <= POWER_AT_FULL_KW:
        return capacity
    return TAPER_BEGINS * capacity + (FULL_POWER_KW - offered) / _slope(capacity)
