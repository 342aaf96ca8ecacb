"""What is planned for a car: scheduled charging, departures, charge and precondition schedules."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from zoneinfo import ZoneInfo

from tesla_sandbox.cars.schedules import (
    EVERY_DAY,
    MINUTES_PER_DAY,
    OPEN_ENDED_WINDOW,
    WEEKDAYS,
    ChargeSchedule,
    PreconditionSchedule,
    latest_occurrence,
    next_occurrence,
    same_place,
)

PRECONDITION_LEAD_SECONDS = 15 * 60.0
"""How long before the planned time the cabin is heated or cooled."""

PRECONDITION_LINGER_SECONDS = 10 * 60.0
"""How long after the planned time the cabin is kept ready."""


class ScheduledChargingMode(StrEnum):
    """`scheduled_charging_mode` as the API spells it."""

    OFF = "Off"
    START_AT = "StartAt"
    DEPART_BY = "DepartBy"


@dataclass(frozen=True, slots=True)
class ChargeWindow:
    """A daily time to charge: a start, an end or both, in minutes after local midnight."""

    days: int
    start: int | None
    end: int | None

    def latest_start(self, now: float, zone: ZoneInfo) -> float:
        """When the window last opened; minus infinite without a start."""
        if self.start is None:
            return -math.inf
        return latest_occurrence(now, zone, self.days, self.start)

    def open(self, now: float, zone: ZoneInfo) -> bool:
        """Whether a car that is plugged in now may charge at once."""
        opened = self.latest_start(now, zone)
        if self.end is None:
            return now - opened < OPEN_ENDED_WINDOW.total_seconds()
        return now < next_occurrence(opened, zone, EVERY_DAY, self.end)


@dataclass(slots=True)
class Plan:
    """Every planned thing of one car; times in minutes after local midnight."""

    mode: ScheduledChargingMode = ScheduledChargingMode.OFF
    start_time: int = 0
    departure_time: int = 0
    preconditioning_enabled: bool = False
    preconditioning_weekdays_only: bool = False
    off_peak_enabled: bool = False
    off_peak_weekdays_only: bool = False
    off_peak_end_time: int = 0
    charge_schedules: dict[int, ChargeSchedule] = field(default_factory=dict)
    precondition_schedules: dict[int, PreconditionSchedule] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing at all is planned."""
        return self.mode is ScheduledChargingMode.OFF and not self.charge_schedules and not self.precondition_schedules

    def charge_windows(self, place: tuple[float, float], seconds_needed: float) -> Iterator[ChargeWindow]:
        """The windows that apply at a place, for a car that needs so long to its limit."""
        if self.mode is ScheduledChargingMode.START_AT:
            yield ChargeWindow(EVERY_DAY, self.start_time, None)
        elif self.mode is ScheduledChargingMode.DEPART_BY:
            yield self._departure_window(seconds_needed)
        for schedule in self.charge_schedules.values():
            if schedule.enabled and same_place(schedule.latitude, schedule.longitude, place):
                start = schedule.start_time if schedule.start_enabled else None
                end = schedule.end_time if schedule.end_enabled else None
                yield ChargeWindow(schedule.days_of_week, start, end)

    def precondition_times(self, place: tuple[float, float]) -> Iterator[tuple[int, int]]:
        """Day mask and minute of every planned preconditioning at a place."""
        if self.mode is ScheduledChargingMode.DEPART_BY and self.preconditioning_enabled:
            yield _days(self.preconditioning_weekdays_only), self.departure_time
        for schedule in self.precondition_schedules.values():
            if schedule.enabled and same_place(schedule.latitude, schedule.longitude, place):
                yield schedule.days_of_week, schedule.precondition_time

    def retire_one_time(self, now: float, zone: ZoneInfo) -> None:
        """Switch off the one-time schedules that have run."""
        for charge in self.charge_schedules.values():
            last = charge.end_time if charge.end_enabled else charge.start_time
            if charge.one_time and _happens(now, zone, EVERY_DAY, last):
                charge.enabled = False
        for precondition in self.precondition_schedules.values():
            ends = now - PRECONDITION_LINGER_SECONDS
            if precondition.one_time and _happens(
                ends, zone, precondition.days_of_week, precondition.precondition_time
            ):
                precondition.enabled = False

    def _departure_window(self, seconds_needed: float) -> ChargeWindow:
        ready_at = self.off_peak_end_time if self.off_peak_enabled else self.departure_time
        needed = math.ceil(min(seconds_needed / 60, MINUTES_PER_DAY - 1))
        days = _days(self.off_peak_weekdays_only)
        return ChargeWindow(days, (ready_at - needed) % MINUTES_PER_DAY, None)


@dataclass(frozen=True, slots=True)
class Agenda:
    """The plan as it applies at one place and charging speed."""

    windows: tuple[ChargeWindow, ...]
    preconditionings: tuple[tuple[int, int], ...]
    zone: ZoneInfo

    @classmethod
    def of(cls, plan: Plan, place: tuple[float, float], seconds_needed: float, zone: ZoneInfo) -> "Agenda":
        """What the plan means for a car at this place."""
        return cls(
            tuple(plan.charge_windows(place, seconds_needed)),
            tuple(plan.precondition_times(place)),
            zone,
        )

    def next_start(self, now: float) -> float:
        """When charging is next planned to begin; infinite when it is not."""
        return min(
            (
                next_occurrence(now, self.zone, window.days, window.start)
                for window in self.windows
                if window.start is not None
            ),
            default=math.inf,
        )

    def next_event(self, now: float) -> float:
        """When something planned happens next; infinite when nothing is planned."""
        moments = [self.next_start(now)]
        moments += [
            next_occurrence(now, self.zone, EVERY_DAY, window.end) for window in self.windows if window.end is not None
        ]
        for days, minute in self.preconditionings:
            for shift in (-PRECONDITION_LEAD_SECONDS, PRECONDITION_LINGER_SECONDS):
                moments.append(next_occurrence(now - shift, self.zone, days, minute) + shift)
        return min(moments)

    def holds_back(self, now: float) -> bool:
        """Whether a car plugged in now waits for a later start."""
        waiting = [window for window in self.windows if window.start is not None]
        return bool(waiting) and not any(window.open(now, self.zone) for window in waiting)

    def charge_starts(self, now: float) -> bool:
        """Whether a window opens at this very moment."""
        return any(
            window.start is not None and _happens(now, self.zone, window.days, window.start) for window in self.windows
        )

    def charge_ends(self, now: float) -> bool:
        """Whether a window closes at this very moment."""
        return any(
            window.end is not None and _happens(now, self.zone, EVERY_DAY, window.end) for window in self.windows
        )

    def preconditioning_starts(self, now: float) -> bool:
        """Whether a preconditioning begins at this very moment."""
        return self._preconditioning(now + PRECONDITION_LEAD_SECONDS)

    def preconditioning_ends(self, now: float) -> bool:
        """Whether a preconditioning ends at this very moment."""
        return self._preconditioning(now - PRECONDITION_LINGER_SECONDS)

    def _preconditioning(self, moment: float) -> bool:
        return any(_happens(moment, self.zone, days, minute) for days, minute in self.preconditionings)


def _days(weekdays_only: bool) -> int:
    return WEEKDAYS if weekdays_only else EVERY_DAY


def _happens(now: float, zone: ZoneInfo, days: int, minutes: int) -> bool:
    return latest_occurrence(now, zone, days, minutes) == now
