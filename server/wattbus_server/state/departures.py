"""Departures: which devices went out of which selections, kept for a while so that streams can resume."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from wattbus_server.devices.selection import Selection
from wattbus_server.vendors.contract import DeviceRecord

KEPT_SECONDS = 24 * 3600.0
KEPT_AT_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Departure:
    """A device was removed, or its record changed in what selections look at."""

    sequence: int
    record: DeviceRecord
    """The record as it was before."""
    time: float
    """When, by a monotonic clock in seconds."""


class Departures:
    """The departures of the last 24 hours, ordered by sequence number."""

    def __init__(self, sequence: int) -> None:
        """Begin to keep departures after this sequence number."""
        self._floor = sequence
        self._kept: deque[Departure] = deque()
        self._latest: dict[str, Departure] = {}

    def add(self, sequence: int, record: DeviceRecord, now: float) -> None:
        """Keep one more."""
        departure = self._latest[record.name] = Departure(sequence, record, now)
        self._kept.append(departure)
        self._prune(now)

    def reach_back_to(self, sequence: int, now: float) -> bool:
        """Say whether every departure after this sequence number is still known."""
        self._prune(now)
        return sequence >= self._floor

    def since(self, sequence: int, selection: Selection) -> Iterator[str]:
        """Yield the devices that left a selection after a sequence number, newest first."""
        for departure in reversed(self._kept):
            if departure.sequence <= sequence:
                return
            if selection.matches(departure.record):
                yield departure.record.name

    def revision(self, device: str, tenant: str) -> int:
        """Return the sequence number of the latest departure of a tenant's device, 0 if none is known."""
        latest = self._latest.get(device)
        return latest.sequence if latest is not None and latest.record.tenant == tenant else 0

    def _prune(self, now: float) -> None:
        while self._kept and (self._kept[0].time < now - KEPT_SECONDS or len(self._kept) > KEPT_AT_MOST):
            departure = self._kept.popleft()
            self._floor = departure.sequence
            if self._latest[departure.record.name] is departure:
                del self._latest[departure.record.name]
