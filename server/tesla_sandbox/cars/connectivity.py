"""Whether a car can be reached: awake, asleep or without network."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Connection(StrEnum):
    """`state` of a vehicle record."""

    ONLINE = "online"
    ASLEEP = "asleep"
    OFFLINE = "offline"


@dataclass(slots=True)
class Connectivity:
    """Sleep, wake and network. Times in unix seconds.

    Attributes:
        sleep_after: Idle seconds until the car falls asleep.
        sleep_shows_as: What the vehicle record says while the car sleeps.
        active_at: When the car last had something to do.
        asleep: Whether the car sleeps.
        no_network: Whether the car is out of coverage; a wake call cannot reach it.
        awake_at: When a wake that is under way completes; infinite when none is.
        changed: Called after every change, if somebody wants to know.
    """

    sleep_after: float
    sleep_shows_as: Connection
    active_at: float
    asleep: bool = False
    no_network: bool = False
    awake_at: float = math.inf
    changed: Callable[[], None] | None = None

    @property
    def state(self) -> Connection:
        """What the vehicle record says."""
        if self.no_network:
            return Connection.OFFLINE
        return self.sleep_shows_as if self.asleep else Connection.ONLINE

    @property
    def reachable(self) -> bool:
        """Whether the car answers now."""
        return not (self.asleep or self.no_network)

    def next_change(self, *, busy: bool) -> float:
        """When the car wakes or falls asleep by itself; infinite when it does not."""
        if self.asleep:
            return self.awake_at
        return math.inf if busy else self.active_at + self.sleep_after

    def settle(self, now: float, *, busy: bool) -> None:
        """Make the change that is due at `now`, if one is."""
        if self.asleep and now >= self.awake_at:
            self.rouse(now)
        elif not self.asleep and not busy and now >= self.active_at + self.sleep_after:
            self.asleep = True
            self._tell()

    def request_wake(self, now: float, delay: float) -> None:
        """Start to wake, done after `delay` seconds; a wake under way is not restarted."""
        if self.no_network:
            return
        if not self.asleep:
            self.active_at = now
        elif math.isinf(self.awake_at):
            self.awake_at = now + delay
            self._tell()

    def rouse(self, now: float) -> None:
        """Be awake from now on."""
        slept = self.asleep
        self.asleep = False
        self.awake_at = math.inf
        self.active_at = now
        if slept:
            self._tell()

    def fall_asleep(self) -> None:
        """Sleep at once."""
        self.asleep = True
        self.awake_at = math.inf
        self._tell()

    def set_network(self, *, available: bool) -> None:
        """Enter or leave network coverage."""
        self.no_network = not available
        self._tell()

    def _tell(self) -> None:
        if self.changed is not None:
            self.changed()
