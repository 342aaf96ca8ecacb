"""What a watcher has yet to be told: a map of dirty devices instead of a queue of values.

Its size is bounded by the number of devices watched, however slow the reader and however fast the changes.
"""

import heapq
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import islice

MARKER = ""
"""Stands in the map, behind the snapshot, where a device name would."""


class DirtyMap:
    """Devices that changed since the watcher was told, in the order in which they became dirty."""

    __slots__ = ("_clock", "_due", "_held", "_merged", "_minimum_interval", "_ring", "_sealed", "_sent", "_waiting")

    def __init__(self, ring: Callable[[], None], clock: Callable[[], float], minimum_interval: float = 0.0) -> None:
        """Start empty.

        Args:
            ring: called when there is something new to send or to wait for.
            clock: monotonic time in seconds.
            minimum_interval: shortest time between two changes of one device, in seconds.
        """
        self._ring = ring
        self._clock = clock
        self._minimum_interval = minimum_interval
        self._sealed = False
        # Device → sequence number of its oldest change that is not sent yet.
        self._waiting: dict[str, int] = {}
        self._held: dict[str, int] = {}
        # Device → how many further changes were merged.
        self._merged: dict[str, int] = {}
        # For the minimum interval: when each device was last sent, and when those held back are due.
        self._sent: dict[str, float] = {}
        self._due: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._held) - self.beginning

    def begin(self, devices: Iterable[str], sequence: int) -> None:
        """Make everything dirty that the stream begins with, and put the marker behind it."""
        self._waiting = dict.fromkeys(devices, sequence)
        self._waiting[MARKER] = sequence

    @property
    def beginning(self) -> bool:
        """True until the marker was taken."""
        return MARKER in self._waiting

    def seal(self) -> None:
        """From now on only merge into entries that exist."""
        self._sealed = True

    def changed(self, device: str, sequence: int) -> None:
        """Note a change: a new entry, or one more merged into the entry that waits."""
        waiting = self._waiting
        if device in waiting or device in self._held:
            self._merged[device] = self._merged.get(device, 0) + 1
            return
        if self._sealed:
            return
        if self._minimum_interval and self._due_time(device) > self._clock():
            self._held[device] = sequence
            heapq.heappush(self._due, (self._due_time(device), device))
            self._ring()
            return
        if not waiting:
            # Nobody sleeps while something waits, so the first entry is the only one that has to wake.
            self._ring()
        waiting[device] = sequence

    def removed(self, device: str, sequence: int) -> None:
        """Note that a device is gone; that is never held back."""
        if self._held.pop(device, None) is not None:
            self._merged[device] = self._merged.get(device, 0) + 1
            self._ring()
            self._waiting[device] = sequence
        else:
            self._sent.pop(device, None)
            self.changed(device, sequence)

    def ready(self, limit: int) -> list[str]:
        """Return what may be sent now, in order; the caller says with `take` how much it sent."""
        self._release()
        return list(islice(self._waiting, limit))

    @property
    def merged(self) -> Mapping[str, int]:
        """How many changes were merged into the entry of a device, where any were."""
        return self._merged

    def take(self, devices: Sequence[str], present: Container[str]) -> None:
        """Remove what is being sent.

        Args:
            devices: what is being sent.
            present: the devices that exist. Of the others the removal is sent, and their next state is a first one.
        """
        if self._minimum_interval:
            now = self._clock()
            for device in devices:
                if device in present:
                    self._sent[device] = now
                else:
                    self._sent.pop(device, None)
        if self._merged:
            for device in devices:
                self._merged.pop(device, None)
        if len(devices) == len(self._waiting):
            # A dict keeps its size when it is emptied; thousands of idle watchers should not pay for their snapshots.
            self._waiting = {}
            self._merged = dict(self._merged)
        else:
            for device in devices:
                del self._waiting[device]

    def oldest(self) -> int | None:
        """Return the sequence number of the oldest change that is not sent yet."""
        return min(min(numbers.values()) for numbers in (self._waiting, self._held) if numbers) if len(self) else None

    def next_due(self) -> float | None:
        """Return when the next device that is held back may be sent, by the clock; maybe too early, never too late."""
        return self._due[0][0] if self._due else None

    def _release(self) -> None:
        """Let those go that were held back long enough."""
        now = self._clock() if self._due else 0.0
        while self._due and self._due[0][0] <= now:
            _, device = heapq.heappop(self._due)
            if device in self._held and self._due_time(device) <= now:
                self._waiting[device] = self._held.pop(device)

    def _due_time(self, device: str) -> float:
        sent = self._sent.get(device)
        return 0.0 if sent is None else sent + self._minimum_interval
