"""Powerwall units as one battery: capacity, power limits with taper, losses.

Power on the AC side in W, positive when discharging (Tesla's sign); energy in Wh.
"""

from dataclasses import dataclass

ONE_WAY_EFFICIENCY = 0.949
CHARGE_TAPER_FROM = 0.90
CHARGE_TAPER_REST = 0.15
DISCHARGE_TAPER_BELOW = 0.03


@dataclass(frozen=True, slots=True)
class PowerwallModel:
    """One generation of the product, as site_info describes its parts."""

    part_name: str
    part_number: str
    part_type: int
    battery_type: str
    energy_wh: float
    charge_w: float
    discharge_w: float


POWERWALL_MODELS: dict[str, PowerwallModel] = {
    "powerwall_2": PowerwallModel("Powerwall 2", "3012170-10-B", 2, "ac_powerwall", 13_500, 5_000, 5_000),
    "powerwall_3": PowerwallModel("Powerwall 3", "1707000-11-L", 2, "solar_powerwall", 13_500, 5_000, 11_500),
}


@dataclass(slots=True)
class BatteryPack:
    """All units of a home together."""

    model: PowerwallModel
    units: int
    energy_left: float

    @property
    def capacity(self) -> float:
        """Energy of the full pack in Wh; 0 without units."""
        return self.model.energy_wh * self.units

    @property
    def state_of_charge(self) -> float:
        """Energy left in percent of the capacity; 0 without units."""
        return 100 * self.energy_left / self.capacity if self.units else 0.0

    def charge_limit(self, seconds: float) -> float:
        """The most power in W that the pack takes over the next seconds."""
        if not self.units or seconds <= 0:
            return 0.0
        level = self.energy_left / self.capacity
        fraction = 1.0
        if level > CHARGE_TAPER_FROM:
            progress = (level - CHARGE_TAPER_FROM) / (1 - CHARGE_TAPER_FROM)
            fraction = 1 - (1 - CHARGE_TAPER_REST) * progress
        room = (self.capacity - self.energy_left) / ONE_WAY_EFFICIENCY * 3600 / seconds
        return max(min(self.model.charge_w * self.units * fraction, room), 0.0)

    def discharge_limit(self, seconds: float, floor_percent: float = 0.0) -> float:
        """The most power in W that the pack gives over the next seconds above a floor."""
        if not self.units or seconds <= 0:
            return 0.0
        level = self.energy_left / self.capacity
        fraction = min(1.0, max(level / DISCHARGE_TAPER_BELOW, 0.2))
        above_floor = max(self.energy_left - self.capacity * floor_percent / 100, 0.0)
        available = above_floor * ONE_WAY_EFFICIENCY * 3600 / seconds
        return min(self.model.discharge_w * self.units * fraction, available)

    def run(self, power: float, seconds: float) -> None:
        """Charge (negative power) or discharge the pack, within its limits, with losses."""
        energy = power * seconds / 3600
        if energy >= 0:
            self.energy_left = max(self.energy_left - energy / ONE_WAY_EFFICIENCY, 0.0)
        else:
            self.energy_left = min(self.energy_left - energy * ONE_WAY_EFFICIENCY, self.capacity)
