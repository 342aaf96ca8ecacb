"""Calls a second to a vendor's HTTP API with many in flight: the adapter's transport against httpx's default one."""

import asyncio
import tempfile
import time
from pathlib import Path

import httpx

from scripts.bench import constant_http
from scripts.bench.comparison import Comparison, compared, interleaved
from scripts.bench.process import started
from wattbus_server.vendors.tesla.http import new_transport

BODY = b'{"response":{"result":true,"reason":""}}'
IN_FLIGHT = 50
CALLS = 600
ROUNDS = 7


async def run() -> list[Comparison]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body.json"
        body.write_bytes(BODY)
        async with started(constant_http.__name__, str(body)) as server:
            limits = httpx.Limits(max_connections=IN_FLIGHT)
            async with (
                httpx.AsyncClient(transport=new_transport()) as ours,
                httpx.AsyncClient(limits=limits, trust_env=False) as default,
            ):
                url = f"http://{server.address}/api/1/products"
                await _rate(ours, url)
                await _rate(default, url)
                value, baseline = await interleaved(lambda: _rate(ours, url), lambda: _rate(default, url), ROUNDS)
    return [compared("vendor HTTP, transport", "calls/s", value, baseline, ">= 1.5")]


async def _rate(client: httpx.AsyncClient, url: str) -> float:
    left = CALLS

    async def caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            (await client.get(url)).raise_for_status()

    begin = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return CALLS / (time.perf_counter() - begin)
