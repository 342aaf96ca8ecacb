"""Memory that an idle watcher costs the server, against a bare stream."""

import asyncio

from scripts.bench import bare, subject
from scripts.bench.client import SERVICE, connected
from scripts.bench.comparison import Comparison, compared, interleaved
from scripts.bench.process import started
from scripts.bench.samples import DEVICES

STREAMS = 1_000
ROUNDS = 3
_KIB = 1024


async def run() -> list[Comparison]:
    """Measure."""

    async def ours() -> float:
        return await _kibibytes_each(subject.__name__, f"{SERVICE}/WatchDeviceStates", DEVICES)

    async def plain() -> float:
        return await _kibibytes_each(bare.__name__, bare.IDLE, 1)

    value, baseline = await interleaved(ours, plain, ROUNDS)
    return [compared("memory of an idle watcher", "KiB", value, baseline, "<= 2")]


async def _kibibytes_each(module: str, method: str, snapshot: int) -> float:
    """Open streams in a fresh server, read what each begins with, and return what each costs."""
    async with started(module) as server, connected(server) as client:
        streams = [client.stream(method, b"")]
        await streams[0].read_events(snapshot)
        before = await server.memory_bytes()
        for _ in range(0, STREAMS, 50):
            batch = [client.stream(method, b"") for _ in range(50)]
            await asyncio.gather(*(stream.read_events(snapshot) for stream in batch))
            streams += batch
        return (await server.memory_bytes() - before) / STREAMS / _KIB
