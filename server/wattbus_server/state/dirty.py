"""What a watcher has yet to be told: a map of dirty devices instead of a queue of values.

Its size is bounded by the number of devices watched, however slow the reader and however fast the changes.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator

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
        if device in self._waiting or device in self._held:
            self._merged[device] = self._merged.get(device, 0) + 1
            return
        if self._sealed:
            return
        if self._minimum_interval and self._due_time(device) > self._clock():
            self._held[device] = sequence
            heapq.heappush(self._due, (self._due_time(device), device))
        else:
            self._waiting[device] = sequence
        self._ring()

    def removed(self, device: str, sequence: int) -> None:
        """Note that a device is gone; that is never held back."""
        if self._held.pop(device, None) is not None:
            self._merged[device] = self._merged.get(device, 0) + 1
            self._waiting[device] = sequence
            self._ring()
        else:
            self._sent.pop(device, None)
            self.changed(device, sequence)

    def ready(self) -> Iterator[str]:
        """Yield what may be sent now, in order; the caller says with `take` how much it sent."""
        self._release()
        yield from self._waiting

    def merged(self, device: str) -> int:
        """Return how many changes were merged into the entry that waits."""
        return self._merged.get(device, 0)

    def take(self, devices: Iterable[str]) -> None:
        """Remove what is being sent."""
        now = self._clock() if self._minimum_interval else 0.0
        for device in devices:
            del self._waiting[device]
            if self._merged:
                self._merged.pop(device, None)
            if self._minimum_interval and device != MARKER:
                self._sent[device] = now
        # A dict keeps its size when it is emptied; thousands of idle watchers should not pay for their snapshots.
        if not self._waiting:
            self._waiting = {}
            self._merged = {key: self._merged[key] for key in self._held if key in self._merged}

    def forget(self, device: str) -> None:
        """Drop what is kept for the minimum interval of a device whose removal is being sent."""
        self._sent.pop(device, None)

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
