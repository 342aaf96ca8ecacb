"""Seconds from starting the sandbox to its announcement, against what is allowed."""

import statistics

from scripts.bench.comparison import Comparison, compared
from scripts.bench.sandbox_process import sandbox

ALLOWED_SECONDS = 2
ROUNDS = 5


async def run() -> list[Comparison]:
    """Measure."""
    seconds = []
    for _ in range(ROUNDS):
        async with sandbox("demo-home") as running:
            seconds.append(running.start_seconds)
    return [compared("sandbox, start", "s", statistics.median(seconds), ALLOWED_SECONDS, "<= 1")]
