"""The examples of the documentation, run as their readers run them."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from wattbus.v1.device_pb2 import DeviceKind

from tests.processes import PATIENCE_SECONDS, ROOT
from tests.service import Setup, free_port

pytestmark = pytest.mark.timeout(400)

EXAMPLES = ROOT / "docs" / "examples"


@dataclass
class Watcher:
    """A running `watch.py`."""

    process: asyncio.subprocess.Process
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def next(self, event: str) -> dict[str, Any]:
        """Return the next line about an event."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := await self.process.stdout.readline():
                told: dict[str, Any] = json.loads(line)
                self.seen.append(told)
                if told["event"] == event:
                    return told
        raise AssertionError(f"watch.py ended before {event}; it told {self.seen}")


def environment(**changes: str) -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "generated"), **changes}


@contextlib.asynccontextmanager
async def watching(address: str, key: str) -> AsyncIterator[Watcher]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "watch.py"), address),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(KEY=key),
        limit=1 << 20,
    )
    try:
        yield Watcher(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_watch_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    setup, port = Setup(tmp_path), str(free_port())
    async with setup.sandbox() as sandbox, contextlib.AsyncExitStack() as watch:
        async with setup.service(sandbox, GRPC_PORT=port) as service:
            tenant = await service.new_tenant()
            await tenant.link()
            battery = await tenant.device_named("Canal House", DeviceKind.DEVICE_KIND_BATTERY)
            devices = {device.name for device in await tenant.list_devices()}
            watcher = await watch.enter_async_context(watching(service.address, tenant.key))
            assert (await watcher.next("synced"))["devices"] == len(devices)
            service.process.send_signal(signal.SIGKILL)
            assert (await watcher.next("lost"))["why"] == "UNAVAILABLE"
        async with setup.service(sandbox, GRPC_PORT=port):
            # A killed process cannot know what was sent: the stream says so, and everything comes once more.
            await watcher.next("reset")
            first_of_snapshot = len(watcher.seen)
            assert (await watcher.next("synced"))["devices"] == len(devices)
            again = {told["state"]["device"] for told in watcher.seen[first_of_snapshot:] if told["event"] == "state"}
            assert again == devices
            # And changes go on arriving.
            await sandbox.control.patch("/homes/20260001", {"state_of_charge": 33})
            while True:
                told = await watcher.next("state")
                energy = told["state"].get("battery", {}).get("energy", {})
                if told["state"]["device"] == battery.name and abs(energy.get("chargePercent", 0) - 33) < 2:
                    break


async def test_watch_resumes_without_a_reset_when_only_the_connection_was_lost(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.sandbox() as sandbox, setup.service(sandbox) as service:
        tenant = await service.new_tenant()
        await tenant.link()
        async with _cuttable(service.address) as (address, cut), watching(address, tenant.key) as watcher:
            first = await watcher.next("synced")
            cut()
            await watcher.next("lost")
            before = len(watcher.seen)
            assert await watcher.next("synced") == first
            assert "reset" not in {told["event"] for told in watcher.seen[before:]}


async def test_watch_gives_up_where_connecting_again_does_not_help(tmp_path: Path) -> None:
    async with Setup(tmp_path).service() as service, watching(service.address, "wbk_nobody") as watcher:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, errors = await watcher.process.communicate()
        assert watcher.process.returncode == 1
        assert errors.decode().startswith("API_KEY_INVALID")


@pytest.mark.skipif(shutil.which("grpcurl") is None, reason="grpcurl is not installed (a Go program; CI builds it)")
async def test_the_first_calls_of_the_shell_example_work(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.sandbox() as sandbox, setup.service(sandbox) as service:
        tenant = await service.new_tenant()
        await tenant.link()
        process = await asyncio.create_subprocess_exec(
            str(EXAMPLES / "first_calls.sh"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(KEY=tenant.key, ADDRESS=service.address),
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            output, errors = (part.decode() for part in await process.communicate())
        assert process.returncode == 0, errors
        assert "settings.reserve_percent=25" in output
        assert "VALUE_NOT_SUPPORTED_BY_DEVICE" in errors
        assert '"in_sync": true' in output


@contextlib.asynccontextmanager
async def _cuttable(address: str) -> AsyncIterator[tuple[str, Any]]:
    """A TCP relay to an address, and a function that cuts every connection through it."""
    host, _, port = address.rpartition(":")
    open_writers: set[asyncio.StreamWriter] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        open_writers.update((writer, far_writer))
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    def cut() -> None:
        for writer in open_writers:
            writer.transport.abort()
        open_writers.clear()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", cut
    finally:
        cut()
        server.close()
        await server.wait_closed()
