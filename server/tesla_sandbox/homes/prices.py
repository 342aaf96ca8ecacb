"""Which price holds when under a tariff of the form `tariff_content_v2`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from tesla_sandbox.homes.tariff_calendar import Json, in_season, in_window, tou_periods

EVERY = "ALL"
"""Stands for all seasons, and for all periods of a season."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices per kWh at one moment."""

    buy: float
    sell: float


def prices_at(tariff: Json, local: datetime) -> Prices | None:
    """What energy costs and earns at a local time; None if the tariff says nothing about it.

    Negative prices count as zero, and a buying price below the selling price is raised to it, as
    the real service does.
    """
    buy = _price_at(tariff, local)
    if buy is None:
        return None
    sell_tariff = tariff.get("sell_tariff")
    sell = _price_at(cast("Json", sell_tariff), local) if isinstance(sell_tariff, Mapping) else None
    selling = max(sell or 0.0, 0.0)
    return Prices(buy=max(buy, selling, 0.0), sell=selling)


def rates(charges: object, season: str) -> dict[str, float]:
    """The prices of a season by period."""
    charge = charges.get(season) if isinstance(charges, Mapping) else None
    priced = charge.get("rates") if isinstance(charge, Mapping) else None
    if not isinstance(priced, Mapping):
        return {}
    return {str(name): float(price) for name, price in priced.items() if isinstance(price, int | float)}


def _price_at(tariff: Json, local: datetime) -> float | None:
    charges = tariff.get("energy_charges")
    seasons = tariff.get("seasons")
    if isinstance(seasons, Mapping):
        for name, season in seasons.items():
            priced = rates(charges, name)
            if not isinstance(season, Mapping) or not season or not in_season(season, local):
                continue
            for period, windows in tou_periods(season).items():
                if period in priced and any(in_window(window, local) for window in windows):
                    return priced[period]
            if EVERY in priced:
                return priced[EVERY]
    return rates(charges, EVERY).get(EVERY)
