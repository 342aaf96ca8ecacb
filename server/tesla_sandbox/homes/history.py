"""Energy totals over time, as `calendar_history` reports them. Energies in Wh."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from tesla_sandbox.homes.power_flow import PowerFlow

BUCKET_SECONDS = 300
FINE_BUCKETS = 2 * 288

CHANNELS = (
    "solar_energy_exported",
    "generator_energy_exported",
    "grid_energy_imported",
    "grid_services_energy_imported",
    "grid_services_energy_exported",
    "grid_energy_exported_from_solar",
    "grid_energy_exported_from_generator",
    "grid_energy_exported_from_battery",
    "battery_energy_exported",
    "battery_energy_imported_from_grid",
    "battery_energy_imported_from_solar",
    "battery_energy_imported_from_generator",
    "consumer_energy_imported_from_grid",
    "consumer_energy_imported_from_solar",
    "consumer_energy_imported_from_battery",
    "consumer_energy_imported_from_generator",
)

Totals: TypeAlias = "array[float]"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Energy of one stretch of time that begins at `start`."""

    start: datetime
    totals: Totals


class EnergyHistory:
    """Five-minute totals of the last two days, and daily totals of all days."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._fine: dict[int, Totals] = {}
        self._days: dict[tuple[int, int, int], Totals] = {}

    def add(self, moment: float, seconds: float, flow: PowerFlow, services_w: float) -> None:
        """Add a flow that lasted `seconds` from `moment` within one five-minute bucket."""
        parts = [power * seconds / 3600 for power in _shares(flow, services_w)]
        slot = int(moment // BUCKET_SECONDS)
        _accumulate(self._fine.setdefault(slot, _nothing()), parts)
        local = datetime.fromtimestamp(moment, self._zone)
        day = (local.year, local.month, local.day)
        _accumulate(self._days.setdefault(day, _nothing()), parts)
        while len(self._fine) > FINE_BUCKETS:
            del self._fine[min(self._fine)]

    def absorb(self, earlier: "EnergyHistory") -> None:
        """Put the totals of a time before in front of these."""
        for slot, totals in earlier._fine.items():
            _accumulate(self._fine.setdefault(slot, _nothing()), totals)
        for day, totals in earlier._days.items():
            _accumulate(self._days.setdefault(day, _nothing()), totals)

    def buckets(self, period: str, start: float, end: float, zone: ZoneInfo) -> list[Bucket]:
        """Totals between two moments: five minutes, days, months or years wide by period."""
        if period == "day":
            return [
                Bucket(datetime.fromtimestamp(slot * BUCKET_SECONDS, zone), totals)
                for slot, totals in sorted(self._fine.items())
                if start <= slot * BUCKET_SECONDS < end
            ]
        grouped: dict[datetime, Totals] = {}
        for day, totals in self._days_between(start, end):
            opened = _OPENED[period](day).replace(tzinfo=zone)
            _accumulate(grouped.setdefault(opened, _nothing()), totals)
        return [Bucket(opened, totals) for opened, totals in sorted(grouped.items())]

    def _days_between(self, start: float, end: float) -> Iterator[tuple[datetime, Totals]]:
        for (year, month, day), totals in self._days.items():
            midnight = datetime(year, month, day, tzinfo=self._zone)
            next_midnight = midnight + timedelta(days=1)
            if midnight.timestamp() < end and next_midnight.timestamp() > start:
                yield datetime(year, month, day), totals


_OPENED: dict[str, Callable[[datetime], datetime]] = {
    "week": lambda day: day,
    "month": lambda day: day,
    "year": lambda day: day.replace(day=1),
    "lifetime": lambda day: day.replace(month=1, day=1),
}
"""When the bucket of a day begins, by period."""

PERIODS = ("day", *_OPENED)


def _shares(flow: PowerFlow, services_w: float) -> list[float]:
    """The flow in W split by where it comes from and goes to, in the order of `CHANNELS`."""
    charge, discharge = max(-flow.battery, 0.0), max(flow.battery, 0.0)
    solar_to_load = min(flow.solar, flow.load)
    solar_to_battery = min(flow.solar - solar_to_load, charge)
    solar_to_grid = flow.solar - solar_to_load - solar_to_battery
    battery_to_load = min(discharge, flow.load - solar_to_load)
    battery_to_grid = discharge - battery_to_load
    grid_to_load = max(flow.load - solar_to_load - battery_to_load, 0.0)
    grid_to_battery = max(charge - solar_to_battery, 0.0)
    return [
        flow.solar,
        flow.generator,
        grid_to_load + grid_to_battery,
        max(-services_w, 0.0),
        max(services_w, 0.0),
        solar_to_grid,
        0.0,
        battery_to_grid,
        discharge,
        grid_to_battery,
        solar_to_battery,
        0.0,
        grid_to_load,
        solar_to_load,
        battery_to_load,
        0.0,
    ]


def _nothing() -> Totals:
    return array("d", bytes(8 * len(CHANNELS)))


def _accumulate(totals: Totals, parts: Sequence[float]) -> None:
    for index, part in enumerate(parts):
        totals[index] += part
