"""The connection between a car and the telemetry server: attempts, back-off, identity."""

import math
import uuid
from random import Random

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 30.0
"""Shortest and longest wait between two attempts. Source: Tesla Fleet API documentation, fleet-telemetry."""


class Link:
    """One car's connection for one configuration. Times in unix seconds.

    Args:
        origin: Text that decides the connections' ids.
    """

    def __init__(self, origin: str) -> None:
        self.connection_id: str | None = None
        self._origin = origin
        self._connections = 0
        self._broken_until = -math.inf
        self._retry_at = -math.inf
        self._retry_after = FIRST_RETRY_SECONDS

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self.connection_id is not None

    @property
    def next_attempt(self) -> float:
        """When the car tries to connect again; infinite while it is connected."""
        return math.inf if self.connected else self._retry_at

    def attempt(self, now: float, *, network: bool) -> bool:
        """Try to connect if it is time to; True when that succeeds."""
        if self.connected or now < self._retry_at:
            return False
        if not network or now < self._broken_until:
            self._retry_at = now + self._retry_after
            self._retry_after = min(2 * self._retry_after, LONGEST_RETRY_SECONDS)
            return False
        self._connections += 1
        random = Random(f"{self._origin}/{self._connections}")  # noqa: S311 - repeatable on purpose
        self.connection_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        return True

    def lose(self, now: float, seconds: float = 0.0) -> None:
        """Lose the connection; it cannot be made again within `seconds`."""
        self.rest()
        self._broken_until = now + seconds
        self.attempt(now, network=False)

    def rest(self) -> None:
        """Be disconnected, with the next attempt at once when there is one."""
        self.connection_id = None
        self._retry_at = -math.inf
        self._retry_after = FIRST_RETRY_SECONDS
