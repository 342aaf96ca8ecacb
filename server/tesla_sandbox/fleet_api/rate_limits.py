"""Rate limits per account, device and class of request.

Source: Tesla Fleet API documentation, billing-and-limits.
"""

from collections import deque
from enum import StrEnum
from math import ceil

from tesla_sandbox.clock import Clock


class RateClass(StrEnum):
    """A group of endpoints that share a limit."""

    DATA = "data"
    WAKE = "wake"
    COMMAND = "command"
    AUTH = "auth"


DEFAULT_LIMITS: dict[RateClass, int] = {
    RateClass.DATA: 60,
    RateClass.WAKE: 3,
    RateClass.COMMAND: 30,
    RateClass.AUTH: 20,
}

WINDOW_SECONDS: dict[RateClass, float] = {
    RateClass.DATA: 60.0,
    RateClass.WAKE: 60.0,
    RateClass.COMMAND: 60.0,
    RateClass.AUTH: 1.0,
}


class RateLimits:
    """Counts requests in sliding windows of virtual time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.limits: dict[RateClass, int | None] = dict(DEFAULT_LIMITS)
        self._seen: dict[tuple[str, str, RateClass], deque[float]] = {}

    def retry_after(self, account: str, device: str, rate: RateClass) -> int | None:
        """Count one request; the seconds to wait if it is one too many, else None.

        A refused request is not counted.
        """
        limit = self.limits[rate]
        if limit is None:
            return None
        now, window = self._clock.time(), WINDOW_SECONDS[rate]
        seen = self._seen.setdefault((account, device, rate), deque())
        while seen and seen[0] <= now - window:
            seen.popleft()
        if len(seen) < limit:
            seen.append(now)
            return None
        return max(1, ceil((seen[0] if seen else now) + window - now))

    def clear(self) -> None:
        """Forget what was counted."""
        self._seen.clear()
