"""`wattbus demo --once` tells the whole story and exits 0; a broken step exits 1."""

import asyncio
import os
import sys
from pathlib import Path

from tests.processes import ROOT


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
