"""When the seasons and periods of a tariff apply.

Keys with value zero may be left out; `toHour` 24 and 0 both mean midnight; a period may wrap past midnight and past the
end of the week, a season past the end of the year. Days count from 0 for Monday here; sources disagree about that.
"""

from collections.abc import Mapping
from datetime import datetime

Json = Mapping[str, object]

MINUTES_PER_DAY = 1_440
DAYS_PER_WEEK = 7
DAYS_OF_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

WHOLE_WEEK = (1 << MINUTES_PER_DAY * DAYS_PER_WEEK) - 1
"""All minutes of a week as bits."""

LEAP_DAY = 1 << 59
WHOLE_YEAR = (1 << sum(DAYS_OF_MONTHS)) - 1
"""All days of a leap year as bits."""


def whole(values: Json, name: str, default: int = 0) -> int:
    """A whole number; the default if it is left out."""
    value = values.get(name, default)
    return int(value) if isinstance(value, int | float) else default


def tou_periods(season: object) -> dict[str, list[Json]]:
    """The periods of a season by name, each with its windows."""
    periods = season.get("tou_periods") if isinstance(season, Mapping) else None
    if not isinstance(periods, Mapping):
        return {}
    found: dict[str, list[Json]] = {}
    for period, value in periods.items():
        windows = value.get("periods") if isinstance(value, Mapping) else value
        if isinstance(windows, list):
            found[str(period)] = [window for window in windows if isinstance(window, Mapping)]
    return found


def in_season(season: Json, local: datetime) -> bool:
    """Whether a day belongs to a season."""
    start, end = _bounds(season)
    today = (local.month, local.day)
    if start <= end:
        return start <= today <= end
    return today >= start or today <= end


def in_window(window: Json, local: datetime) -> bool:
    """Whether a moment lies in a window."""
    start, end = window_minutes(window)
    minute = local.hour * 60 + local.minute
    if start < end:
        return start <= minute < end and _on_day(window, local.weekday())
    if minute >= start:
        return _on_day(window, local.weekday())
    return minute < end and _on_day(window, (local.weekday() - 1) % DAYS_PER_WEEK)


def window_minutes(window: Json) -> tuple[int, int]:
    """Minutes of the day at which a window opens and closes; it wraps past midnight if it closes first."""
    start = whole(window, "fromHour") * 60 + whole(window, "fromMinute")
    end = whole(window, "toHour") * 60 + whole(window, "toMinute")
    return start, end or MINUTES_PER_DAY


def window_days(window: Json) -> list[int]:
    """The days of the week on which a window opens."""
    return [day for day in range(DAYS_PER_WEEK) if _on_day(window, day)]


def week_bits(window: Json) -> int:
    """The minutes of a week that a window takes, as bits."""
    start, end = window_minutes(window)
    length = end - start if start < end else end - start + MINUTES_PER_DAY
    bits = 0
    for day in window_days(window):
        opened = ((1 << length) - 1) << (day * MINUTES_PER_DAY + start)
        bits |= opened & WHOLE_WEEK | opened >> MINUTES_PER_DAY * DAYS_PER_WEEK
    return bits


def year_bits(season: Json) -> int:
    """The days of a year that a season takes, as bits."""
    start, end = (sum(DAYS_OF_MONTHS[: month - 1]) + day - 1 for month, day in _bounds(season))
    until_end = (1 << end + 1) - 1
    from_start = WHOLE_YEAR & ~((1 << start) - 1)
    return until_end & from_start if start <= end else until_end | from_start


def _bounds(season: Json) -> tuple[tuple[int, int], tuple[int, int]]:
    start = (whole(season, "fromMonth", 1), whole(season, "fromDay", 1))
    return start, (whole(season, "toMonth", 12), whole(season, "toDay", 31))


def _on_day(window: Json, weekday: int) -> bool:
    first, last = whole(window, "fromDayOfWeek"), whole(window, "toDayOfWeek")
    if first <= last:
        return first <= weekday <= last
    return weekday >= first or weekday <= last
