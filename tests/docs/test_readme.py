"""The first five minutes of the README: its commands work as they are pasted, and print what the page shows."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.device_service_pb2 import GetDeviceStateRequest

from tests.docs.transcript import Typed, transcript
from tests.processes import PATIENCE_SECONDS, ROOT
from tests.service import Setup, eventually

pytestmark = pytest.mark.timeout(400)

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## The first five minutes")[2].partition("\n## ")[0]
# The stream never ends by itself; this stands in its first message.
IN_SYNC = b'"in_sync": true'

needs_grpcurl = pytest.mark.skipif(
    shutil.which("grpcurl") is None, reason="grpcurl is not installed (a Go program; CI builds it)"
)


def words(text: str) -> set[str]:
    """What is the same in every run: names of fields, of enum values, of services."""
    return set(re.findall(r'"(@?\w+)":|\b([A-Z]+_[A-Z_]+[A-Z])\b|\b((?:grpc|wattbus)\.[\w.]+)', text)) - {""}


async def printed_by(typed: Typed, environment: dict[str, str]) -> str:
    """Type a command, and return what it prints until it ends or the stream is in sync."""
    command = typed.command.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"exec {command}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while line := await process.stdout.readline():
            lines.append(line)
            if line == b"}\n" and any(IN_SYNC in earlier for earlier in lines):
                process.terminate()
                break
        await process.wait()
    return b"".join(lines).decode()


@needs_grpcurl
async def test_the_first_five_minutes_print_what_the_page_shows(tmp_path: Path) -> None:
    commands = transcript(SECTION)
    exports = [typed for typed in commands if typed.command.startswith("export ")]
    setup = Setup(tmp_path)
    async with setup.sandbox() as sandbox, setup.service(sandbox) as service:
        tenant = await service.new_tenant()
        await tenant.link()
        battery = await tenant.device_named("Dune Cottage", DeviceKind.DEVICE_KIND_BATTERY)
        environment = {
            "KEY": tenant.key,
            "ADDRESS": service.address,
            "BATTERY": battery.name,
            "SANDBOX": sandbox.base_url,
            "PYTHONPATH": f"{ROOT / 'server'}:{ROOT / 'generated'}",
        }

        async def read() -> bool | None:
            request = GetDeviceStateRequest(name=battery.name)
            state = (await tenant.devices.GetDeviceState(request, metadata=tenant.metadata)).state
            groups = state.battery.HasField("energy") and state.battery.HasField("settings")
            return (groups and state.HasField("connectivity")) or None

        assert await eventually(read)
        assert {typed.command.split()[1].partition("=")[0] for typed in exports} <= set(environment)
        for typed in commands:
            if typed in exports:
                continue
            printed = await printed_by(typed, environment)
            assert words(typed.output) <= words(printed), f"{typed.command}\n{printed}"
