"""Starts the project's programs as real processes on free ports, for tests.

async with sandbox_process(scenario="demo-home", options=["--clock", "paused"]) as sandbox:
    await sandbox.control.patch("/clock", {"step_seconds": 60})
    httpx.get(sandbox.fleet_api("eu") + "/status")
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
# Patience costs nothing where what is waited for comes, and machines that run tests may be slow.
PATIENCE_SECONDS = 60.0
START_SECONDS = 90.0
STOP_SECONDS = 60.0

Json = dict[str, Any]


class ProcessFailedError(RuntimeError):
    """The program ended, or did not say that it listens, in time; carries its stderr."""


class SandboxControl:
    """The sandbox's control API; every method answers the parsed JSON and raises on refusal."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        return _parsed(await self._client.get(path, params=query))

    async def post(self, path: str, body: Mapping[str, object]) -> Json:
        return _parsed(await self._client.post(path, json=body))

    async def put(self, path: str, body: Mapping[str, object]) -> Json:
        return _parsed(await self._client.put(path, json=body))

    async def patch(self, path: str, body: Mapping[str, object]) -> Json:
        return _parsed(await self._client.patch(path, json=body))

    async def delete(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        return _parsed(await self._client.delete(path, params=query))

    async def inject_fault(
        self, name: str, *, target: str | None = None, count: int | None = 1, **parameters: object
    ) -> None:
        body = {"name": name, "target": target, "count": count, "parameters": parameters}
        await self.post("/faults", body)

    async def requests(self, path: str = "", **query: str) -> list[Json]:
        """Logged requests whose path contains `path`."""
        return list((await self.get("/requests", {"path": path, **query}))["requests"])

    async def step(self, seconds: float) -> None:
        """Jump the virtual clock forward."""
        await self.patch("/clock", {"step_seconds": seconds})


@dataclass
class Sandbox:
    """A running sandbox.

    Attributes:
        announcement: The first line that it printed.
    """

    announcement: Json
    control: SandboxControl
    process: asyncio.subprocess.Process
    stderr: list[str] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return str(self.announcement["url"])

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["Sandbox"]:
        """The same process with a control client of the running event loop."""
        control_url = str(self.announcement["control_url"])
        async with httpx.AsyncClient(base_url=control_url, timeout=PATIENCE_SECONDS, trust_env=False) as client:
            yield replace(self, control=SandboxControl(client))

    def fleet_api(self, region: str) -> str:
        return str(self.announcement["fleet_api_base_urls"][region])


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as the condition holds; TimeoutError if it does not in time."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def sandbox_process(
    *,
    scenario: str | Path | Mapping[str, object] = "demo-home",
    options: Sequence[str] = (),
) -> AsyncIterator[Sandbox]:
    """A sandbox on a free port; `scenario` is a name, a file, or the content of one."""
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(scenario, Mapping):
            path = Path(folder) / "scenario.yaml"
            path.write_text(json.dumps(scenario), encoding="utf-8")
            scenario = path
        arguments = ["-m", "tesla_sandbox", "--port", "0", "--scenario", str(scenario), *options]
        async with python_process(arguments) as (process, announcement, stderr):
            control_url = str(announcement["control_url"])
            async with httpx.AsyncClient(base_url=control_url, timeout=PATIENCE_SECONDS, trust_env=False) as client:
                yield Sandbox(announcement, SandboxControl(client), process, stderr)


@asynccontextmanager
async def python_process(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Json, list[str]]]:
    """A Python program of this project that announces itself by one JSON line on stdout.

    Yields the process, the announcement, and the lines of stderr as they come.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'server'}:{ROOT / 'generated'}", **(environment or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stderr: list[str] = []
    reading = asyncio.create_task(_collect(process.stderr, stderr))
    draining: asyncio.Task[None] | None = None
    try:
        announcement = await _announcement(process, stderr, reading)
        draining = asyncio.create_task(_collect(process.stdout, []))
        yield process, announcement, stderr
    finally:
        await _stop(process)
        await reading
        if draining is not None:
            await draining


async def _announcement(process: asyncio.subprocess.Process, stderr: list[str], reading: asyncio.Task[None]) -> Json:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
            if not line:
                await process.wait()
    except TimeoutError as silent:
        raise ProcessFailedError("no announcement in time:\n" + "".join(stderr)) from silent
    if not line:
        await reading
        raise ProcessFailedError(f"ended with {process.returncode}:\n" + "".join(stderr))
    announcement: Json = json.loads(line)
    return announcement


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _collect(stream: asyncio.StreamReader | None, lines: list[str]) -> None:
    assert stream is not None
    while line := await stream.readline():
        lines.append(line.decode(errors="replace"))


def _parsed(answered: httpx.Response) -> Json:
    answered.raise_for_status()
    parsed: Json = answered.json()
    return parsed
