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


# Settings for a server of the user's own: the demo is no business of theirs.
EXPORTED = {
    "WATTBUS_PUBLIC_URL": "https://link.example.com",
    "WATTBUS_GRPC_HOST": "0.0.0.0",
    "WATTBUS_ALLOW_PLAINTEXT": "true",
    "wattbus_tesla__request_timeout": "PT0.000001S",
}

# Announces itself like the sandbox, and answers every request with 501.
BROKEN_TESLA = """
import json
from http.server import BaseHTTPRequestHandler, HTTPServer

server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
url = f"http://127.0.0.1:{server.server_port}"
print(json.dumps({"url": url, "page_url": url, "fleet_api_base_urls": {"na": url, "eu": url}}), flush=True)
server.serve_forever()
"""


async def start_demo(folder: Path, *options: str, modules: Path = ROOT / "server") -> asyncio.subprocess.Process:
    """Start the demo; `modules` are found first."""
    path = f"{modules}:{ROOT / 'server'}:{ROOT / 'generated'}"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wattbus_server", "demo", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, **EXPORTED, "PYTHONPATH": path},
    )


async def test_the_demo_tells_the_story(tmp_path: Path) -> None:
    process = await start_demo(tmp_path, "--once")
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    for part in ("CONNECTION_STATE_ACTIVE", "in_sync", "SUCCEEDED", "VIRTUAL_KEY_NOT_PAIRED", "BLOCKER_STATE_RESOLVED"):
        assert part in output


async def test_a_broken_step_fails_the_demo(tmp_path: Path) -> None:
    (tmp_path / "tesla_sandbox.py").write_text(BROKEN_TESLA)
    process = await start_demo(tmp_path, "--once", modules=tmp_path)
    output = (await process.communicate())[0].decode()
    assert process.returncode == 1, output
    assert "The demo failed" in output


async def test_a_demo_that_is_told_to_stop_takes_its_server_along(tmp_path: Path) -> None:
    process = await start_demo(tmp_path)
    assert process.stdout is not None
    output = ""
    async with asyncio.timeout(300):
        while "stay up" not in output:
            line = await process.stdout.readline()
            assert line, output
            output += line.decode()
    port = re.search(r"export ADDRESS=127\.0\.0\.1:(\d+)$", output, re.MULTILINE)
    assert port is not None, output
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await process.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(port[1]))
