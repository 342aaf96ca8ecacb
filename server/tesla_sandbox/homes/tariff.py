"""Takes tariffs of the form `tariff_content_v2`: what is refused, and what is kept of the others.

Source: Tesla Fleet API documentation, energy endpoints (time_of_use_settings): periods and seasons leave no time
out and do not overlap, every priced period has times and the other way round. Two things are taken although the
words of the rules do not cover them: a flat tariff without seasons, and a season without any content, as the
service itself shows one that is not used.
"""

from collections.abc import Mapping
from math import isfinite

from tesla_sandbox.homes.prices import EVERY, rates
from tesla_sandbox.homes.tariff_calendar import (
    DAYS_OF_MONTHS,
    LEAP_DAY,
    WHOLE_WEEK,
    WHOLE_YEAR,
    Json,
    tou_periods,
    week_bits,
    whole,
    year_bits,
)
from tesla_sandbox.homes.tariff_forms import kept_form

DEEPEST = 12

Ranges = Mapping[str, tuple[int, int]]

SEASON_RANGES: Ranges = {"fromMonth": (1, 12), "toMonth": (1, 12), "fromDay": (1, 31), "toDay": (1, 31)}
WINDOW_RANGES: Ranges = {
    "fromDayOfWeek": (0, 6),
    "toDayOfWeek": (0, 6),
    "fromHour": (0, 23),
    "toHour": (0, 24),
    "fromMinute": (0, 59),
    "toMinute": (0, 59),
}


class TariffError(ValueError):
    """Raised for a tariff that cannot be understood or breaks a rule; the text names the place."""


def check_tariff(tariff: object) -> dict[str, object]:
    """The tariff as the service keeps it and shows it from then on.

    Raises:
        TariffError: If a part is missing, of the wrong kind or out of range, or a rule is broken.
    """
    checked = _object(tariff, "tariff_content_v2")
    _check_plain(checked, DEEPEST)
    for part in ("energy_charges", "seasons"):
        _object(checked.get(part), part)
    _check_rules(checked)
    if checked.get("sell_tariff"):
        sell = _object(checked["sell_tariff"], "sell_tariff")
        if "energy_charges" in sell:
            _check_rules(sell)
    return kept_form(checked)


def _check_plain(value: object, levels: int) -> None:
    if levels == 0:
        raise TariffError("the tariff is nested too deeply")
    if isinstance(value, float) and not isfinite(value):
        raise TariffError("the tariff has a number that is not finite")
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for part in parts:
        _check_plain(part, levels - 1)


def _check_rules(tariff: Json) -> None:
    charges = _object(tariff.get("energy_charges"), "energy_charges")
    seasons = _object(tariff.get("seasons", {}), "seasons")
    for season, charge in charges.items():
        _check_numbers(season, _object(charge, f"energy_charges.{season}"))
    for season, content in seasons.items():
        if _object(content, f"seasons.{season}"):
            _check_season(season, _object(content, season), charges)
    for season in charges:
        if season != EVERY:
            _check_priced(season, rates(charges, season), seasons)
    _check_year({season: content for season, content in seasons.items() if isinstance(content, Mapping) and content})


def _check_numbers(season: str, charge: Json) -> None:
    for period, price in _object(charge.get("rates", {}), f"rates of {season}").items():
        if isinstance(price, bool) or not isinstance(price, int | float):
            raise TariffError(f"price of {season}.{period} must be a number")


def _check_priced(season: str, priced: Mapping[str, float], seasons: Json) -> None:
    for period in priced:
        if period != EVERY and not tou_periods(seasons.get(season)).get(period):
            raise TariffError(f"period {period} of season {season} has no times")
        if not seasons.get(season):
            raise TariffError(f"season {season} has no times")


def _check_season(name: str, season: Json, charges: Json) -> None:
    _check_ranges(season, SEASON_RANGES, f"season {name}")
    for end in ("from", "to"):
        month = whole(season, f"{end}Month", 1)
        if whole(season, f"{end}Day", 1) > DAYS_OF_MONTHS[month - 1]:
            raise TariffError(f"{end}Day of season {name} is no day of month {month}")
    periods = _object(season.get("tou_periods", {}), f"tou_periods of {name}")
    for period, value in periods.items():
        for window in _windows(value, f"{name}.{period}"):
            _check_window(_object(window, f"times of {name}.{period}"), f"{name}.{period}")
    _check_prices(name, [period for period, windows in tou_periods(season).items() if windows], charges)
    _check_week(name, tou_periods(season))


def _check_window(window: Json, place: str) -> None:
    _check_ranges(window, WINDOW_RANGES, place)
    if whole(window, "toHour") == WINDOW_RANGES["toHour"][1] and whole(window, "toMinute"):
        raise TariffError(f"toMinute of {place} is after midnight")


def _check_prices(season: str, periods: list[str], charges: Json) -> None:
    flat = all(name == EVERY or not rates(charges, name) for name in charges)
    priced = rates(charges, EVERY) if flat else rates(charges, season)
    if EVERY in priced:
        return
    if not priced:
        raise TariffError(f"season {season} has no price")
    for period in periods:
        if period not in priced:
            raise TariffError(f"period {period} of season {season} has no price")


def _check_week(season: str, periods: Mapping[str, list[Json]]) -> None:
    taken = 0
    for period, windows in periods.items():
        for window in windows:
            bits = week_bits(window)
            if taken & bits:
                raise TariffError(f"period {period} of season {season} overlaps another one")
            taken |= bits
    if taken not in (0, WHOLE_WEEK):
        raise TariffError(f"periods of season {season} leave times out")


def _check_year(seasons: Json) -> None:
    taken = 0
    for name, season in seasons.items():
        bits = year_bits(_object(season, name)) & ~LEAP_DAY
        if taken & bits:
            raise TariffError(f"season {name} overlaps another one")
        taken |= bits
    if seasons and taken != WHOLE_YEAR & ~LEAP_DAY:
        raise TariffError("seasons leave days of the year out")


def _check_ranges(values: Json, ranges: Ranges, place: str) -> None:
    for name, (lowest, highest) in ranges.items():
        value = values.get(name, lowest)
        fits = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
        if not fits or not lowest <= whole(values, name, lowest) <= highest:
            raise TariffError(f"{name} of {place} must be a whole number from {lowest} to {highest}")


def _windows(value: object, place: str) -> list[object]:
    windows = value.get("periods", []) if isinstance(value, Mapping) else value
    if not isinstance(windows, list):
        raise TariffError(f"times of {place} must be a list")
    return windows


def _object(value: object, name: str) -> Json:
    if not isinstance(value, Mapping):
        raise TariffError(f"{name} must be an object")
    return value
