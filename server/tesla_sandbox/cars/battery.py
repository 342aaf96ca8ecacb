"""The traction battery: energy, levels and temperature."""

import math
from dataclasses import dataclass

_THERMAL_HOURS = 2.0
"""Time constant with which the pack follows its surroundings."""

_HEATING_PER_KW = 1.2
"""Rise of the pack above its surroundings per kW of power through it, in °C."""

_COLD_BELOW = 10.0
_LEVEL_LOST_PER_DEGREE = 0.15
_MOST_LEVEL_LOST = 6.0


@dataclass(slots=True)
class Battery:
    """Energy in kWh and temperature in °C.

    Attributes:
        capacity: Usable energy of the full, warm pack.
        energy: What it holds now, between 0 and `capacity`.
        temperature: Mean temperature of the modules.
        lifetime_used: Energy taken out since the car was built.
    """

    capacity: float
    energy: float
    temperature: float
    lifetime_used: float = 0.0

    @property
    def level(self) -> float:
        """State of charge in percent."""
        return 100.0 * self.energy / self.capacity

    @property
    def usable_level(self) -> float:
        """State of charge in percent without the part that a cold pack holds back."""
        lost = min((_COLD_BELOW - self.temperature) * _LEVEL_LOST_PER_DEGREE, _MOST_LEVEL_LOST)
        return max(self.level - max(lost, 0.0), 0.0)

    def energy_at(self, level: float) -> float:
        """Energy in kWh at a state of charge of `level` percent."""
        return self.capacity * level / 100.0

    def draw(self, energy: float) -> None:
        """Take `energy` kWh out, at most what is there."""
        taken = min(energy, self.energy)
        self.energy -= taken
        self.lifetime_used += taken

    def follow_temperature(self, surroundings: float, power: float, hours: float) -> None:
        """Move the temperature for `hours` at a constant `power` (kW, either direction)."""
        settles_at = surroundings + _HEATING_PER_KW * abs(power)
        share_left = math.exp(-hours / _THERMAL_HOURS)
        self.temperature = settles_at + (self.temperature - settles_at) * share_left
