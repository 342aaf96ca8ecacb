"""What cars may draw while their home is an island.

The Powerwall charges cars only above the off-grid vehicle charging reserve (Tesla Fleet API documentation, energy
endpoints), and never with more than sun and battery can give over the whole of the next stretch of time: what has
flowed into a car cannot be shed afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from tesla_sandbox.homes.powerwall import BatteryPack
from tesla_sandbox.homes.wall_connector import WallConnector

USABLE_SHARE = 0.95
"""Share of the spare power that cars are offered, because sun and load move while they take it."""

RESUME_SHARE = 0.1
"""Part of the way from the reserve to full that the battery regains before a car is charged again."""


@dataclass(slots=True)
class VehicleSupply:
    """Decides what an islanded home has for its cars.

    Attributes:
        held_back: Whether cars wait for the battery to regain enough.
    """

    held_back: bool = False

    def available(self, pack: BatteryPack, reserve_percent: float, spare_w: float, seconds: float) -> float:
        """Power in W for all cars over the next seconds.

        Args:
            pack: The battery as it is now.
            reserve_percent: Level below which it does not charge cars.
            spare_w: Sun minus load of the house; negative when the house needs the battery too.
            seconds: How long nothing can be decided anew.
        """
        floor = reserve_percent
        if self.held_back:
            floor += RESUME_SHARE * (100 - reserve_percent)
        most = pack.discharge_limit(seconds)
        self.held_back = pack.state_of_charge <= floor or pack.discharge_limit(seconds, floor) < most
        return 0.0 if self.held_back else USABLE_SHARE * max(most + spare_w, 0.0)


def share_out(connectors: Iterable[WallConnector], available_w: float = inf) -> None:
    """Offer the cars what there is, one after the other; a free cable of an island stays dead."""
    for connector in connectors:
        if connector.car is None:
            continue
        unlimited = available_w == inf
        connector.car.limit_supply(available_w / 1000 if unlimited or connector.plugged_in else 0.0)
        if not unlimited and connector.plugged_in:
            available_w -= 1000 * connector.car.charging.offered_power()
