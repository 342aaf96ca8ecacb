"""Charge and precondition schedules in the car's local time."""

import math
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

EVERY_DAY = 0b1111111
WEEKDAYS = 0b0111110
"""Day masks: Sunday is 1, Monday 2, … Saturday 64."""

MINUTES_PER_DAY = 24 * 60
MOST_SCHEDULES = 100
"""Schedules of one kind that a car takes."""

OPEN_ENDED_WINDOW = timedelta(hours=6)
"""How long after its start a schedule without an end still lets a plugged-in car begin."""

_SAME_PLACE_DEGREES = 0.005


@dataclass(slots=True)
class ChargeSchedule:
    """When to charge at a place; times in minutes after local midnight."""

    id: int
    name: str
    days_of_week: int
    start_enabled: bool
    start_time: int
    end_enabled: bool
    end_time: int
    one_time: bool
    enabled: bool
    latitude: float
    longitude: float


@dataclass(slots=True)
class PreconditionSchedule:
    """When the cabin shall be ready at a place; time in minutes after local midnight."""

    id: int
    name: str
    days_of_week: int
    precondition_time: int
    one_time: bool
    enabled: bool
    latitude: float
    longitude: float


def day_bit(local: datetime) -> int:
    """The day mask of a local date."""
    return 1 << (local.isoweekday() % 7)


def next_occurrence(after: float, zone: ZoneInfo, days: int, minutes: int) -> float:
    """First moment after `after` (unix seconds) on a masked day; infinite when there is none."""
    local = datetime.fromtimestamp(after, zone)
    for offset in range(8):
        candidate = _at(local + timedelta(days=offset), minutes)
        if days & day_bit(candidate) and candidate.timestamp() > after:
            return candidate.timestamp()
    return math.inf


def latest_occurrence(until: float, zone: ZoneInfo, days: int, minutes: int) -> float:
    """Last moment at or before `until` on a masked day; minus infinite when there is none."""
    local = datetime.fromtimestamp(until, zone)
    for offset in range(8):
        candidate = _at(local - timedelta(days=offset), minutes)
        if days & day_bit(candidate) and candidate.timestamp() <= until:
            return candidate.timestamp()
    return -math.inf


def same_place(latitude: float, longitude: float, other: tuple[float, float]) -> bool:
    """Whether two positions are within some hundred metres of each other."""
    return abs(latitude - other[0]) < _SAME_PLACE_DEGREES and abs(longitude - other[1]) < _SAME_PLACE_DEGREES


def _at(day: datetime, minutes: int) -> datetime:
    hours, minute = divmod(minutes % MINUTES_PER_DAY, 60)
    return datetime.combine(day.date(), time(hours, minute), day.tzinfo)
