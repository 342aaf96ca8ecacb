"""How a battery takes charge: full power, then a taper towards the top.

Above a share of its capacity the battery accepts less and less power, in a straight line down to
what it accepts when it is full. Both parts have exact solutions, so the result does not depend on
how often a car is looked at. Energies in kWh, power in kW, times in hours.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChargeCurve:
    """What a battery accepts.

    Attributes:
        full_power: Accepted power below the taper.
        power_at_full: What is still accepted when the battery is full; above 0.
        taper_begins: Share of the capacity at which the accepted power starts to fall.
    """

    full_power: float
    power_at_full: float
    taper_begins: float

    def accepted_power(self, energy: float, capacity: float, offered: float) -> float:
        """Power that goes into the battery when `offered` is available (negative: it discharges)."""
        above = max(energy - self.taper_begins * capacity, 0.0)
        return min(offered, self.full_power - self._slope(capacity) * above)

    def energy_after(self, energy: float, capacity: float, offered: float, hours: float) -> float:
        """Energy in the battery after `hours` with `offered` power; stays within 0 and capacity."""
        offered = min(offered, self.full_power)
        knee = self._knee(capacity, offered)
        if offered <= 0 or energy < knee:
            until_knee = (knee - energy) / offered if offered > 0 else math.inf
            if hours <= until_knee:
                return min(max(energy + offered * hours, 0.0), capacity)
            energy, hours = knee, hours - until_knee
        slope = self._slope(capacity)
        asymptote = offered / slope
        above_knee = asymptote + (energy - knee - asymptote) * math.exp(-slope * hours)
        return min(knee + above_knee, capacity)

    def hours_until(self, energy: float, target: float, capacity: float, offered: float) -> float:
        """Time until the battery holds `target`; 0 when it does, infinite when it never will."""
        if energy >= target:
            return 0.0
        if offered <= 0:
            return math.inf
        offered = min(offered, self.full_power)
        knee = self._knee(capacity, offered)
        linear_end = min(target, knee)
        hours = max(linear_end - energy, 0.0) / offered
        if target <= knee:
            return hours
        slope = self._slope(capacity)
        asymptote = offered / slope
        start = max(energy, knee) - knee
        return hours + math.log((asymptote - start) / (asymptote - (target - knee))) / slope

    def _slope(self, capacity: float) -> float:
        return (self.full_power - self.power_at_full) / ((1 - self.taper_begins) * capacity)

    def _knee(self, capacity: float, offered: float) -> float:
        """Energy at which the battery accepts just what is offered."""
        if offered <= self.power_at_full:
            return capacity
        return self.taper_begins * capacity + (self.full_power - offered) / self._slope(capacity)


ALTERNATING = ChargeCurve(full_power=11.5, power_at_full=1.0, taper_begins=0.95)
"""From the on-board charger, whose power is far below what the battery could take for most of the way."""

DIRECT = ChargeCurve(full_power=170.0, power_at_full=5.0, taper_begins=0.2)
"""From a fast charger: full power for the first fifth, about 46 kW at 80 %, as public charge logs show."""
