"""Lets what is planned happen at its moment, while time flows and when it is stepped."""

import asyncio
import math
from typing import Protocol

from tesla_sandbox.clock import Clock

EXACT_JUMP_SECONDS = 86_400.0
"""Longest jump in which nothing is passed over."""

_MOMENTS_OF_A_LONG_JUMP = 172_800


class Planned(Protocol):
    """Something with things to do at known moments."""

    def next_moment(self) -> float:
        """When there is something to do next, in unix seconds; infinite when there is not."""

    def take_due(self) -> None:
        """Do what is due by now."""


class Timeline:
    """The order of everything that happens by itself. Times in unix seconds.

    Args:
        clock: The clock of the world.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._nudged = asyncio.Event()
        self._punctual: list[Planned] = []
        self._lenient: list[Planned] = []

    def add(self, planned: Planned, *, punctual: bool = True) -> None:
        """Take part from now on.

        Args:
            planned: What takes part; at the same moment, earlier parts come first.
            punctual: False if jumps of more than a day may pass over moments.
        """
        (self._punctual if punctual else self._lenient).append(planned)

    def nudge(self) -> None:
        """Look again: something is due earlier than it was."""
        self._nudged.set()

    async def run(self) -> None:
        """Follow the clock until cancelled."""
        while True:
            self._nudged.clear()
            self._take_due()
            await self._wait(self._next_moment())

    def jump(self, seconds: float) -> None:
        """Step the clock forward, stopping at every moment on the way.

        Raises:
            ValueError: If the clock cannot make that step.
        """
        target = self._clock.after(seconds)
        grain = seconds / _MOMENTS_OF_A_LONG_JUMP if seconds > EXACT_JUMP_SECONDS else 0.0
        self._take_due()
        while (moment := self._next_moment(grain)) <= target:
            self._step_to(moment)
            self._take_due()
        self._step_to(target)

    def _step_to(self, moment: float) -> None:
        self._clock.step(max(moment - self._clock.time(), 0.0))

    def _next_moment(self, grain: float = 0.0) -> float:
        punctual = min((planned.next_moment() for planned in self._punctual), default=math.inf)
        lenient = min((planned.next_moment() for planned in self._lenient), default=math.inf)
        return min(punctual, max(lenient, self._clock.time() + grain) if grain else lenient)

    def _take_due(self) -> None:
        for planned in (*self._punctual, *self._lenient):
            planned.take_due()

    async def _wait(self, moment: float) -> None:
        waiting = {
            asyncio.ensure_future(self._clock.sleep_until(moment)),
            asyncio.ensure_future(self._nudged.wait()),
        }
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
