"""Simple reads a second from the sandbox with its largest fleet: its one process, so one core.

They are compared with a constant body of the same size, and with the number that is wanted on any machine.
"""

import tempfile
from pathlib import Path

from scripts.bench import constant_http
from scripts.bench.comparison import Comparison, compared, interleaved
from scripts.bench.http_client import reads_per_second
from scripts.bench.process import started
from scripts.bench.sandbox_process import get, linked, sandbox

PATH = "/eu/api/1/vehicles/SBX00000000007777"
CONNECTIONS = 16
READS = 1_600
ROUNDS = 15
WANTED = 1_000


async def run() -> list[Comparison]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        async with sandbox() as running:
            token = await linked(running)
            body = Path(folder) / "body.json"
            body.write_bytes(await get(running, PATH, token))
            async with started(constant_http.__name__, str(body)) as plain:

                async def ours() -> float:
                    return await _rate(running.port, token)

                async def constant() -> float:
                    return await _rate(int(plain.ready["port"]), token)

                await ours()
                await constant()
                value, baseline = await interleaved(ours, constant, ROUNDS)
    return [
        compared("sandbox, reads of a car", "reads/s", value, baseline, ">= 0.5"),
        compared("sandbox, reads wanted", "reads/s", value, WANTED, ">= 1"),
    ]


async def _rate(port: int, token: str) -> float:
    return await reads_per_second(port, PATH, token, connections=CONNECTIONS, reads=READS)
