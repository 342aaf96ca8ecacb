"""Time-based control: what the optimiser makes of a tariff, and how it may disregard it.

Nothing of this is documented; it follows what owners and integrations report: charging in the
cheapest window, export of battery energy only with strategy `economics` and only while both prices
are at their highest, a delay of minutes after a new tariff, and now and then nothing at all.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from random import Random
from zoneinfo import ZoneInfo

from tesla_sandbox.homes.prices import Prices, prices_at

SLOT_SECONDS = 1_800
SLOTS_AHEAD = 48


class Plan(Enum):
    """What time-based control does with the battery right now."""

    SELF_CONSUMPTION = "self_consumption"
    CHARGE = "charge"
    EXPORT = "export"


class Optimizer:
    """Time-based control of one home under one tariff.

    Args:
        tariff: `tariff_content_v2`, or None without one.
        strategy: `optimization_strategy`.
        zone: The home's time zone, in which tariffs are written.
        site_id: Makes the stubbornness of one home differ from another's.
        stubbornness: Percent of the hours in which the plan is disregarded.
    """

    def __init__(
        self,
        tariff: Mapping[str, object] | None,
        strategy: str,
        zone: ZoneInfo,
        site_id: int,
        stubbornness: float,
    ) -> None:
        self._tariff = tariff
        self._strategy = strategy
        self._zone = zone
        self._site_id = site_id
        self._stubbornness = stubbornness
        self._prices: dict[int, Prices | None] = {}

    def plan(self, moment: float) -> Plan:
        """What the battery should do at a moment (unix seconds)."""
        if self._tariff is None:
            return Plan.SELF_CONSUMPTION
        wanted = self._best(int(moment // SLOT_SECONDS))
        return Plan.SELF_CONSUMPTION if self._disregards(wanted, moment) else wanted

    def _best(self, slot: int) -> Plan:
        now = self._price(slot)
        ahead = [price for n in range(SLOTS_AHEAD) if (price := self._price(slot + n)) is not None]
        if now is None:
            return Plan.SELF_CONSUMPTION
        highest = max(price.buy for price in ahead)
        lowest = min(price.buy for price in ahead)
        if now.buy <= lowest < highest:
            return Plan.CHARGE
        best_sale = max(price.sell for price in ahead)
        pays = now.sell >= best_sale > min(price.sell for price in ahead)
        if self._strategy == "economics" and pays and now.buy >= highest > lowest:
            return Plan.EXPORT
        return Plan.SELF_CONSUMPTION

    def _price(self, slot: int) -> Prices | None:
        if slot not in self._prices:
            if len(self._prices) > 4 * SLOTS_AHEAD:
                self._prices.clear()
            local = datetime.fromtimestamp(slot * SLOT_SECONDS, self._zone)
            self._prices[slot] = prices_at(self._tariff or {}, local)
        return self._prices[slot]

    def _disregards(self, plan: Plan, moment: float) -> bool:
        if self._stubbornness <= 0 or plan is Plan.SELF_CONSUMPTION:
            return False
        key = f"{self._site_id}/{int(moment // 3600)}/{plan.value}"
        return Random(key).uniform(0, 100) < self._stubbornness  # noqa: S311 - reproducible
