"""Energy totals over time, as `calendar_history` reports them. Energies in Wh."""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from tesla_sandbox.homes.power_flow import PowerFlow

BUCKET_SECONDS = 300
FINE_BUCKETS = 7 * 288
"""Five-minute buckets that a home keeps: those of a week."""

WAYS = (
    "solar_to_load",
    "solar_to_battery",
    "solar_to_grid",
    "battery_to_load",
    "battery_to_grid",
    "grid_to_load",
    "grid_to_battery",
    "services_imported",
    "services_exported",
)
"""The ways that energy takes; every channel is a sum of some."""

CHANNELS: Mapping[str, tuple[str, ...]] = {
    "solar_energy_exported": ("solar_to_load", "solar_to_battery", "solar_to_grid"),
    "generator_energy_exported": (),
    "grid_energy_imported": ("grid_to_load", "grid_to_battery"),
    "grid_services_energy_imported": ("services_imported",),
    "grid_services_energy_exported": ("services_exported",),
    "grid_energy_exported_from_solar": ("solar_to_grid",),
    "grid_energy_exported_from_generator": (),
    "grid_energy_exported_from_battery": ("battery_to_grid",),
    "battery_energy_exported": ("battery_to_load", "battery_to_grid"),
    "battery_energy_imported_from_grid": ("grid_to_battery",),
    "battery_energy_imported_from_solar": ("solar_to_battery",),
    "battery_energy_imported_from_generator": (),
    "consumer_energy_imported_from_grid": ("grid_to_load",),
    "consumer_energy_imported_from_solar": ("solar_to_load",),
    "consumer_energy_imported_from_battery": ("battery_to_load",),
    "consumer_energy_imported_from_generator": (),
}

_SUMS = [tuple(WAYS.index(way) for way in ways) for ways in CHANNELS.values()]

Parts: TypeAlias = "array[float]"
"""Energy on each of the `WAYS`."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Energy of one stretch of time that begins at `start`, in the order of `CHANNELS`."""

    start: datetime
    totals: list[float]


@dataclass(slots=True)
class _Run:
    """Buckets without a gap between them: `WAYS` of the first, `WAYS` of the next, and so on."""

    first: int
    parts: Parts = field(default_factory=lambda: array("d"))

    @property
    def end(self) -> int:
        return self.first + len(self.parts) // len(WAYS)

    def add(self, slot: int, parts: Sequence[float]) -> None:
        if slot == self.end:
            self.parts.extend(parts)
            return
        begin = (slot - self.first) * len(WAYS)
        for index, part in enumerate(parts, begin):
            self.parts[index] += part

    def forget(self, count: int) -> None:
        del self.parts[: count * len(WAYS)]
        self.first += count

    def slots(self) -> Iterator[tuple[int, Parts]]:
        for slot in range(self.first, self.end):
            begin = (slot - self.first) * len(WAYS)
            yield slot, self.parts[begin : begin + len(WAYS)]


class EnergyHistory:
    """Five-minute totals of the last week, and daily totals of all days."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._runs: list[_Run] = []
        self._days: dict[tuple[int, int, int], Parts] = {}
        self._today = _nothing()
        self._today_ends = float("-inf")

    def add(self, moment: float, seconds: float, flow: PowerFlow, services_w: float) -> None:
        """Add a flow that lasted `seconds` from `moment` within one five-minute bucket; time only goes on."""
        hours = seconds / 3600
        parts = [power * hours for power in _ways(flow, services_w)]
        self._add_fine(int(moment // BUCKET_SECONDS), parts)
        if moment >= self._today_ends:
            self._begin_day(moment)
        _accumulate(self._today, parts)

    def absorb(self, earlier: "EnergyHistory") -> None:
        """Put the totals of a time before in front of these."""
        self._runs = [*earlier._runs, *self._runs]
        for day, parts in earlier._days.items():
            _accumulate(self._days.setdefault(day, _nothing()), parts)
        self._forget_old()

    def buckets(self, period: str, start: float, end: float, zone: ZoneInfo) -> list[Bucket]:
        """Totals between two moments: five minutes, days, months or years wide by period."""
        grouped: dict[datetime, Parts] = {}
        if period == "day":
            for slot, parts in self._slots_between(start, end):
                opened = datetime.fromtimestamp(slot * BUCKET_SECONDS, zone)
                _accumulate(grouped.setdefault(opened, _nothing()), parts)
        else:
            for day, parts in self._days_between(start, end):
                opened = _OPENED[period](day).replace(tzinfo=zone)
                _accumulate(grouped.setdefault(opened, _nothing()), parts)
        return [Bucket(opened, _totals(parts)) for opened, parts in sorted(grouped.items())]

    def _add_fine(self, slot: int, parts: Sequence[float]) -> None:
        if not self._runs or slot > self._runs[-1].end:
            self._runs.append(_Run(slot))
        self._runs[-1].add(slot, parts)
        self._forget_old()

    def _forget_old(self) -> None:
        oldest = self._runs[-1].end - FINE_BUCKETS if self._runs else 0
        while self._runs and self._runs[0].first < oldest:
            run = self._runs[0]
            run.forget(min(oldest, run.end) - run.first)
            if not run.parts:
                del self._runs[0]

    def _begin_day(self, moment: float) -> None:
        local = datetime.fromtimestamp(moment, self._zone)
        self._today = self._days.setdefault((local.year, local.month, local.day), _nothing())
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        self._today_ends = (midnight + timedelta(days=1)).timestamp()

    def _slots_between(self, start: float, end: float) -> Iterator[tuple[int, Parts]]:
        for run in self._runs:
            for slot, parts in run.slots():
                if start <= slot * BUCKET_SECONDS < end:
                    yield slot, parts

    def _days_between(self, start: float, end: float) -> Iterator[tuple[datetime, Parts]]:
        for (year, month, day), parts in self._days.items():
            midnight = datetime(year, month, day, tzinfo=self._zone)
            next_midnight = midnight + timedelta(days=1)
            if midnight.timestamp() < end and next_midnight.timestamp() > start:
                yield datetime(year, month, day), parts


_OPENED: dict[str, Callable[[datetime], datetime]] = {
    "week": lambda day: day,
    "month": lambda day: day,
    "year": lambda day: day.replace(day=1),
    "lifetime": lambda day: day.replace(month=1, day=1),
}
"""When the bucket of a day begins, by period."""

PERIODS = ("day", *_OPENED)


def _ways(flow: PowerFlow, services_w: float) -> tuple[float, ...]:
    """The flow in W split by where it comes from and goes to, in the order of `WAYS`."""
    charge, discharge = max(-flow.battery, 0.0), max(flow.battery, 0.0)
    solar_to_load = min(flow.solar, flow.load)
    solar_to_battery = min(flow.solar - solar_to_load, charge)
    battery_to_load = min(discharge, flow.load - solar_to_load)
    return (
        solar_to_load,
        solar_to_battery,
        flow.solar - solar_to_load - solar_to_battery,
        battery_to_load,
        discharge - battery_to_load,
        max(flow.load - solar_to_load - battery_to_load, 0.0),
        max(charge - solar_to_battery, 0.0),
        max(-services_w, 0.0),
        max(services_w, 0.0),
    )


def _totals(parts: Parts) -> list[float]:
    return [sum(parts[index] for index in indices) for indices in _SUMS]


def _nothing() -> Parts:
    return array("d", bytes(8 * len(WAYS)))


def _accumulate(sums: Parts, parts: Sequence[float]) -> None:
    for index, part in enumerate(parts):
        sums[index] += part
