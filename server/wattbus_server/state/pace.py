"""The pace of one poll: regular with jitter, slower after failures."""

import random
from datetime import timedelta

LONGEST_BACKOFF_SECONDS = 15 * 60.0
FIRST_WITHIN_SECONDS = 1.0
_JITTER = 0.1


class Pace:
    """Says how long to wait before the next poll, in seconds."""

    def __init__(self, interval: timedelta, chance: random.Random) -> None:
        """Begin at the regular pace.

        Args:
            interval: the regular time between two polls.
            chance: source of the jitter that keeps polls from falling together.
        """
        self._interval = interval.total_seconds()
        self._chance = chance
        self._failures = 0

    def first(self) -> float:
        """Return when to begin: at once, but not all together."""
        return self._chance.uniform(0, min(self._interval, FIRST_WITHIN_SECONDS))

    def after_success(self) -> float:
        """Return the regular interval, a little earlier or later."""
        self._failures = 0
        return self._interval * self._chance.uniform(1 - _JITTER, 1 + _JITTER)

    def after_failure(self, retry_delay: timedelta | None) -> float:
        """Return a wait that doubles with every failure in a row, and is never shorter than the vendor asks for."""
        longest = max(LONGEST_BACKOFF_SECONDS, self._interval)
        backoff = min(self._interval * 2.0 ** min(self._failures, 20), longest)
        self._failures += 1
        asked = retry_delay.total_seconds() if retry_delay is not None else 0.0
        return max(asked, backoff) * self._chance.uniform(1, 1 + _JITTER)
