"""`wattbus demo --once` tells the whole story and exits 0; a broken step exits 1."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.processes import PATIENCE_SECONDS, ROOT

# The story waits for a car to wake and for commands to be proven, in real time, over three processes.
pytestmark = pytest.mark.timeout(400)


async def demo(folder: Path, **environment: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wattbus_server", "demo", "--once"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'server'}:{ROOT / 'generated'}", **environment},
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_the_demo_tells_the_story(tmp_path: Path) -> None:
    status, output = await demo(tmp_path)
    assert status == 0, output
    for part in ("CONNECTION_STATE_ACTIVE", "in_sync", "SUCCEEDED", "VIRTUAL_KEY_NOT_PAIRED", "BLOCKER_STATE_RESOLVED"):
        assert part in output


async def test_a_broken_step_fails_the_demo(tmp_path: Path) -> None:
    status, output = await demo(tmp_path, WATTBUS_TESLA__REQUEST_TIMEOUT="PT0.000001S")
    assert status == 1, output
    assert "The demo failed" in output


async def test_a_demo_that_is_told_to_stop_takes_its_server_along(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wattbus_server", "demo"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'server'}:{ROOT / 'generated'}"},
    )
    assert process.stdout is not None
    output = ""
    async with asyncio.timeout(300):
        while "stay up" not in output:
            line = await process.stdout.readline()
            assert line, output
            output += line.decode()
    port = re.search(r"127\.0\.0\.1:(\d+) list", output)
    assert port is not None, output
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await process.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(port[1]))
