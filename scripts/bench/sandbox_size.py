"""Memory of a sandbox with its largest fleet after every car and home was looked at, against what is allowed."""

from scripts.bench.comparison import Comparison, compared
from scripts.bench.sandbox_process import get, linked, sandbox

ALLOWED_MEBIBYTES = 1024


async def run() -> list[Comparison]:
    """Measure."""
    async with sandbox() as running:
        await get(running, "/eu/api/1/products", await linked(running))
        memory = running.memory_mebibytes()
    return [compared("sandbox, 10,000 cars + 5,000 homes", "MiB", memory, ALLOWED_MEBIBYTES, "<= 1")]
