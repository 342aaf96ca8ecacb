"""The sandbox's virtual clock: real time, faster, or paused and stepped."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

FIRST_START = datetime(2000, 1, 1, tzinfo=UTC)
"""The earliest start of a scenario."""

LONGEST_STEP = timedelta(days=3653)

END = datetime(2200, 1, 1, tzinfo=UTC)
"""No start and no step goes beyond, so that every date that is told exists."""


class Clock:
    """Virtual time that every simulated thing reads instead of the computer's clock.

    Args:
        start: Virtual time at creation, in unix seconds; the real time when absent.
        speed: Virtual seconds per real second; above 0.
        paused: Whether the clock stands still until it is stepped or resumed.
    """

    def __init__(self, start: float | None = None, *, speed: float = 1.0, paused: bool = False) -> None:
        self._base = time.time() if start is None else start
        self._base_real = time.monotonic()
        self._speed = _checked_speed(speed)
        self._paused = paused
        self._changed = asyncio.Event()
        self._ended = False

    @property
    def speed(self) -> float:
        """Virtual seconds per real second while the clock is running."""
        return self._speed

    @property
    def paused(self) -> bool:
        """Whether virtual time stands still."""
        return self._paused

    def time(self) -> float:
        """Virtual time in unix seconds."""
        if self._paused:
            return self._base
        return self._base + (time.monotonic() - self._base_real) * self._speed

    def now(self) -> datetime:
        """Virtual time as an aware UTC datetime."""
        return datetime.fromtimestamp(self.time(), UTC)

    def pause(self) -> None:
        """Stop the flow of virtual time."""
        self._rebase(paused=True)

    def resume(self) -> None:
        """Let virtual time flow again at the current speed."""
        self._rebase(paused=False)

    def set_speed(self, speed: float) -> None:
        """Change how many virtual seconds pass per real second."""
        checked = _checked_speed(speed)
        self._rebase(paused=self._paused)
        self._speed = checked

    def step(self, seconds: float) -> None:
        """Jump forward by `seconds` (0 or more), paused or not.

        Raises:
            ValueError: As for `after`.
        """
        self.after(seconds)
        self._rebase(paused=self._paused)
        self._base += seconds

    def after(self, seconds: float) -> float:
        """The moment to which a step of `seconds` leads.

        Raises:
            ValueError: If `seconds` is negative, not finite or beyond ten years, or leads beyond `END`.
        """
        if not 0 <= seconds <= LONGEST_STEP.total_seconds():
            raise ValueError("a step goes forward by at most ten years")
        moment = self.time() + seconds
        if moment > END.timestamp():
            raise ValueError(f"the clock ends on {END:%Y-%m-%d}")
        return moment

    def end(self) -> None:
        """Let nobody wait any longer: the world of this clock is about to go."""
        self._ended = True
        self._changed.set()

    async def sleep(self, seconds: float) -> bool:
        """Return when `seconds` of virtual time have passed; False if the clock ended before."""
        return await self.sleep_until(self.time() + seconds)

    async def sleep_until(self, moment: float) -> bool:
        """Return when virtual time has reached `moment` (unix seconds); False if the clock ended before."""
        while (remaining := moment - self.time()) > 0:
            if self._ended:
                return False
            changed = self._changed
            timeout = None if self._paused else remaining / self._speed
            try:
                async with asyncio.timeout(timeout):
                    await changed.wait()
            except TimeoutError:
                continue
        return True

    def _rebase(self, *, paused: bool) -> None:
        self._base = self.time()
        self._base_real = time.monotonic()
        self._paused = paused
        self._changed.set()
        self._changed = asyncio.Event()


def _checked_speed(speed: float) -> float:
    if not 0 < speed <= 100_000:
        raise ValueError("the speed of the clock is above 0 and at most 100000")
    return speed
