"""Reads tariffs of the form `tariff_content_v2`: which price holds when.

Source: Tesla Fleet API documentation, energy endpoints (time_of_use_settings). Keys with value zero
may be left out; `toHour` 24 and 0 both mean midnight; a period may wrap past midnight and past the
end of the week. Days count from 0 for Monday here; sources disagree about that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import cast

Json = Mapping[str, object]

MINUTES_PER_DAY = 1_440
DEEPEST = 12
EVERY = "ALL"


class TariffError(ValueError):
    """Raised for a tariff that cannot be understood; the text names the place."""


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


def check_tariff(tariff: object) -> dict[str, object]:
    """The tariff, if it has the parts that a tariff needs.

    Raises:
        TariffError: If a part is missing or of the wrong kind, or a priced period has no times.
    """
    checked = _object(tariff, "tariff_content_v2")
    _check_plain(checked, DEEPEST)
    for part in ("energy_charges", "seasons"):
        _object(checked.get(part), part)
    _check_charges(checked)
    if checked.get("sell_tariff"):
        sell = _object(checked["sell_tariff"], "sell_tariff")
        if "energy_charges" in sell:
            _check_charges(sell)
    return dict(checked)


def _check_plain(value: object, levels: int) -> None:
    if levels == 0:
        raise TariffError("the tariff is nested too deeply")
    if isinstance(value, float) and not isfinite(value):
        raise TariffError("the tariff has a number that is not finite")
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for part in parts:
        _check_plain(part, levels - 1)


def _check_charges(tariff: Json) -> None:
    charges = _object(tariff.get("energy_charges"), "energy_charges")
    seasons = _object(tariff.get("seasons", {}), "seasons")
    for season, charge in charges.items():
        rates = _object(_object(charge, f"energy_charges.{season}").get("rates", {}), "rates")
        for period, price in rates.items():
            if isinstance(price, bool) or not isinstance(price, int | float):
                raise TariffError(f"price of {season}.{period} must be a number")
            if season != EVERY and period != EVERY:
                times = _tou_periods(seasons, season)
                if period not in times:
                    raise TariffError(f"period {period} of season {season} has no times")


def _price_at(tariff: Json, local: datetime) -> float | None:
    charges = tariff.get("energy_charges")
    seasons = tariff.get("seasons")
    if not isinstance(charges, Mapping):
        return None
    if isinstance(seasons, Mapping):
        for name, season in seasons.items():
            rates = _rates(charges, name)
            if not isinstance(season, Mapping) or not season or not _in_season(season, local):
                continue
            for period, windows in _tou_periods(seasons, name).items():
                if period in rates and any(_in_window(window, local) for window in windows):
                    return rates[period]
            if EVERY in rates:
                return rates[EVERY]
    return _rates(charges, EVERY).get(EVERY)


def _rates(charges: Json, season: str) -> dict[str, float]:
    charge = charges.get(season)
    rates = charge.get("rates") if isinstance(charge, Mapping) else None
    if not isinstance(rates, Mapping):
        return {}
    return {str(name): float(price) for name, price in rates.items() if isinstance(price, int | float)}


def _tou_periods(seasons: Json, name: str) -> dict[str, list[Json]]:
    season = seasons.get(name)
    periods = season.get("tou_periods") if isinstance(season, Mapping) else None
    if not isinstance(periods, Mapping):
        return {}
    found: dict[str, list[Json]] = {}
    for period, value in periods.items():
        windows = value.get("periods") if isinstance(value, Mapping) else value
        if isinstance(windows, list):
            found[str(period)] = [window for window in windows if isinstance(window, Mapping)]
    return found


def _in_season(season: Json, local: datetime) -> bool:
    start = (_whole(season, "fromMonth", 1), _whole(season, "fromDay", 1))
    end = (_whole(season, "toMonth", 12), _whole(season, "toDay", 31))
    today = (local.month, local.day)
    if start <= end:
        return start <= today <= end
    return today >= start or today <= end


def _in_window(window: Json, local: datetime) -> bool:
    start = _whole(window, "fromHour") * 60 + _whole(window, "fromMinute")
    end = (_whole(window, "toHour") * 60 + _whole(window, "toMinute")) or MINUTES_PER_DAY
    minute = local.hour * 60 + local.minute
    if start < end:
        return start <= minute < end and _on_day(window, local.weekday())
    if minute >= start:
        return _on_day(window, local.weekday())
    return minute < end and _on_day(window, (local.weekday() - 1) % 7)


def _on_day(window: Json, weekday: int) -> bool:
    first, last = _whole(window, "fromDayOfWeek"), _whole(window, "toDayOfWeek")
    if first <= last:
        return first <= weekday <= last
    return weekday >= first or weekday <= last


def _whole(values: Json, name: str, default: int = 0) -> int:
    value = values.get(name, default)
    return int(value) if isinstance(value, int | float) else default


def _object(value: object, name: str) -> Json:
    if not isinstance(value, Mapping):
        raise TariffError(f"{name} must be an object")
    return value
