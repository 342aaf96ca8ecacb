"""The two processes of the demo: the sandbox and the server, each as its users start it."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from wattbus_server.settings import PREFIX

START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 20


class StartError(RuntimeError):
    """A process did not start."""


def free_port(preferred: int) -> int:
    """Return the preferred port of the loopback address if it is free, else another."""
    for port in (preferred, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise StartError("no free port")


@contextlib.asynccontextmanager
async def running(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None, log: Path
) -> AsyncIterator[dict[str, Any]]:
    """Run a module as a process of its own until the block ends; gives the start-up line that it prints as JSON.

    Settings that the user exported for a server of their own are none for this one.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
    with log.open("ab") as log_file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=log_file,
            env={**inherited, **(environment or {})},
            cwd=log.parent,
        )
    try:
        yield await _start_line(process, module, log)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _start_line(process: asyncio.subprocess.Process, module: str, log: Path) -> dict[str, Any]:
    if process.stdout is None:
        raise StartError(f"{module} has no output")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_SECONDS)
        started: dict[str, Any] = json.loads(line)
    except (TimeoutError, ValueError) as error:
        raise StartError(f"{module} did not start:\n{_end_of(log)}") from error
    return started


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
