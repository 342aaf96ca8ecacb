"""Events a second that reach 20 watchers when 1,000 devices change at once, against one message for each event."""

import asyncio
import time

from scripts.bench import bare, subject
from scripts.bench.client import SERVICE, Client, connected
from scripts.bench.comparison import Comparison, Measure, compared, interleaved
from scripts.bench.process import ServerProcess, started
from scripts.bench.samples import DEVICES, REST_SECONDS

WATCHERS = 20
ROUNDS = 9


async def run() -> list[Comparison]:
    """Measure."""
    async with (
        started(subject.__name__) as wattbus,
        started(bare.__name__) as plain,
        connected(wattbus) as to_wattbus,
        connected(plain) as to_plain,
    ):
        ours = await _watching(to_wattbus, wattbus, f"{SERVICE}/WatchDeviceStates")
        single = await _watching(to_plain, plain, bare.WATCH)
        await ours()
        await single()
        value, baseline = await interleaved(ours, single, ROUNDS)
    return [compared("fan-out to 20 watchers", "events/s", value, baseline, ">= 10")]


async def _watching(client: Client, server: ServerProcess, method: str) -> Measure:
    """Open the streams, read their snapshots, and return what measures one burst."""
    streams = [client.stream(method, b"") for _ in range(WATCHERS)]
    await asyncio.gather(*(stream.read_events(DEVICES) for stream in streams))

    async def burst() -> float:
        await asyncio.sleep(REST_SECONDS)
        begun = time.perf_counter()
        reading = asyncio.gather(*(stream.read_events(DEVICES) for stream in streams))
        await server.ask("change")
        await reading
        return WATCHERS * DEVICES / (time.perf_counter() - begun)

    return burst
