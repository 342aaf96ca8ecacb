"""The forms in which a tariff is shown: as it is kept, in the older form, and as a schedule.

Source: Tesla Fleet API documentation, energy endpoints, and bodies of public integrations: prices below zero are raised
to zero, a buying price below the selling price to that one, and fields with value zero are left out. Prices stay also
when they are zero: bodies show `"rates": {"ALL": 0}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from tesla_sandbox.homes.prices import EVERY, rates
from tesla_sandbox.homes.tariff_calendar import Json, in_season, tou_periods, window_days, window_minutes

PRICED = ("energy_charges", "demand_charges")
KEYED_BY_NAME = (*PRICED, "rates", "seasons", "tou_periods")
"""Objects whose keys are names that the writer chose."""

TARGETS: Final = {"ON_PEAK": "peak", "OFF_PEAK": "off_peak", "SUPER_OFF_PEAK": "off_peak"}
"""Targets of a schedule by the names of periods that the app knows; other periods have none."""

MINUTES_PER_DAY = 1_440


def kept_form(tariff: Json) -> dict[str, object]:
    """The tariff as the service keeps it."""
    kept = _priced(_without_zeros(tariff), lambda _season, _period, price: max(price, 0))
    sell = kept.get("sell_tariff")
    if not isinstance(sell, Mapping):
        return kept
    sell = kept["sell_tariff"] = kept_form(sell)
    earned = _selling_prices(sell, kept.get("seasons"))
    return _priced(kept, lambda season, period, price: max(price, earned(season, period)))


def older_form(tariff: Json) -> dict[str, object]:
    """The same tariff as `tariff_content`: prices and times lie one level higher, and there is no version."""
    older: dict[str, object] = {}
    for name, value in tariff.items():
        if name in PRICED and isinstance(value, Mapping):
            older[name] = {season: dict(rates(value, season)) for season in value}
        elif name == "seasons" and isinstance(value, Mapping):
            older[name] = {season: _older_season(content) for season, content in value.items()}
        elif name == "sell_tariff" and isinstance(value, Mapping):
            older[name] = older_form(value)
        elif name != "version":
            older[name] = value
    return older


def schedule(tariff: Json, local: datetime) -> list[dict[str, object]]:
    """The periods of the present season as `tou_settings.schedule`; seconds count from midnight."""
    seasons = tariff.get("seasons")
    found: list[dict[str, object]] = []
    for season in seasons.values() if isinstance(seasons, Mapping) else ():
        if not isinstance(season, Mapping) or not season or not in_season(season, local):
            continue
        for period, windows in tou_periods(season).items():
            found += [_entry(TARGETS[period], window) for window in windows if period in TARGETS]
    return found


def _entry(target: str, window: Json) -> dict[str, object]:
    start, end = window_minutes(window)
    seconds = {"start_seconds": start * 60, "end_seconds": end % MINUTES_PER_DAY * 60}
    return {"target": target, "week_days": window_days(window), **seconds}


def _older_season(season: object) -> object:
    if not isinstance(season, Mapping) or "tou_periods" not in season:
        return season
    return {**season, "tou_periods": tou_periods(season)}


def _priced(tariff: Json, price: Callable[[str, str, float], float]) -> dict[str, object]:
    """The tariff with every price of energy replaced."""
    charges = tariff.get("energy_charges")
    if not isinstance(charges, Mapping):
        return dict(tariff)
    replaced = {season: _charge(season, charge, price) for season, charge in charges.items()}
    return {**tariff, "energy_charges": replaced}


def _charge(season: str, charge: object, price: Callable[[str, str, float], float]) -> object:
    if not isinstance(charge, Mapping) or "rates" not in charge:
        return charge
    found = charge["rates"]
    return {**charge, "rates": {period: price(season, period, former) for period, former in found.items()}}


def _selling_prices(sell: Json, seasons: object) -> Callable[[str, str], float]:
    """What energy earns in a period of a season of the buying tariff, if that is one price."""
    charges = sell.get("energy_charges")
    flat = not isinstance(charges, Mapping) or not any(rates(charges, name) for name in charges if name != EVERY)

    def earned(season: str, period: str) -> float:
        if flat:
            return rates(charges, EVERY).get(EVERY, 0.0)
        if sell.get("seasons") != seasons:
            return 0.0
        priced = rates(charges, season)
        return priced.get(period, priced.get(EVERY, 0.0))

    return earned


def _without_zeros(values: Json, *, keyed_by_name: bool = False) -> dict[str, object]:
    """The object without fields that are zero; what is kept under a chosen name stays."""
    return {
        name: _tidy(value, name)
        for name, value in values.items()
        if keyed_by_name or isinstance(value, bool) or value != 0
    }


def _tidy(value: object, name: str) -> object:
    if isinstance(value, Mapping):
        return _without_zeros(value, keyed_by_name=name in KEYED_BY_NAME)
    if isinstance(value, list):
        return [_tidy(entry, "") for entry in value]
    return value
