"""The billing meter of an application: what each request costs and when Tesla stops answering.

Source: Tesla Fleet API documentation, billing-and-limits. Every request that ends with a status
below 500 counts, also a refused one; energy endpoints and authentication are free.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Price(StrEnum):
    """What one request is billed as."""

    FREE = "free"
    DATA = "data"
    COMMAND = "command"
    WAKE = "wake"
    STREAMING_SIGNAL = "streaming_signal"
    SPECS = "specs"


UNITS_PER_USD: dict[Price, int] = {
    Price.DATA: 500,
    Price.COMMAND: 1_000,
    Price.WAKE: 50,
    Price.STREAMING_SIGNAL: 150_000,
    Price.SPECS: 10,
}

MONTHLY_DISCOUNT_USD = 10.0


@dataclass(slots=True)
class BillingMeter:
    """Counts one application's billed units in the current month.

    Attributes:
        limit_usd: The month's limit after the discount; None means unlimited.
        discount_usd: What is free every month.
        units: Billed units of the current month per price class.
    """

    limit_usd: float | None = None
    discount_usd: float = MONTHLY_DISCOUNT_USD
    units: Counter[Price] = field(default_factory=Counter)
    _month: tuple[int, int] | None = None

    def count(self, price: Price, now: datetime, units: int = 1) -> None:
        """Add billed units to the month of `now`."""
        self._start_month(now)
        if price is not Price.FREE:
            self.units[price] += units

    def exceeded(self, now: datetime) -> bool:
        """Whether the cost of the month of `now` has reached the limit beyond the discount."""
        self._start_month(now)
        return self.limit_usd is not None and self.cost_usd() - self.discount_usd >= self.limit_usd

    def cost_usd(self) -> float:
        """The month's cost before the discount."""
        return sum(self.units[price] / per_usd for price, per_usd in UNITS_PER_USD.items())

    def _start_month(self, now: datetime) -> None:
        month = (now.year, now.month)
        if month != self._month:
            self._month = month
            self.units.clear()
