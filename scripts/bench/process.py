"""Servers under measurement run in processes of their own and take commands, one JSON line each, on standard input."""

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

Answers = Mapping[str, Callable[[], Awaitable[Any]]]

_LINE_LIMIT = 1 << 20
_START_SECONDS = 60.0


class ServerProcess:
    """A server that was started and says on what port it listens."""

    def __init__(self, process: asyncio.subprocess.Process, ready: Mapping[str, Any]) -> None:
        self._process = process
        self.address = f"127.0.0.1:{ready['port']}"
        self.ready = ready

    async def ask(self, command: str) -> Any:
        """Let the server do something and return its answer."""
        if self._process.stdin is None:
            raise RuntimeError("the process was started without standard input")
        self._process.stdin.write(f"{command}\n".encode())
        await self._process.stdin.drain()
        return await _line(self._process)

    async def memory_bytes(self) -> int:
        """Return the resident memory after a garbage collection."""
        return int(await self.ask("memory"))


@asynccontextmanager
async def started(module: str, *arguments: str) -> AsyncIterator[ServerProcess]:
    """Run a module as a server until the block ends; arguments go to its command line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT,
    )
    try:
        async with asyncio.timeout(_START_SECONDS):
            ready = await _line(process)
        yield ServerProcess(process, ready)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> Any:
    if process.stdout is None:
        raise RuntimeError("the process was started without standard output")
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"the server ended with status {await process.wait()}")
    return json.loads(line)


async def serve_commands(ready: Mapping[str, Any], answers: Answers) -> None:
    """Say that the server is ready, then answer commands until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _say(ready)
    while line := await reader.readline():
        command = line.decode().strip()
        _say(_memory_bytes() if command == "memory" else await answers[command]())


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _memory_bytes() -> int:
    gc.collect()
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    output = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], check=True, capture_output=True, text=True)
    return int(output.stdout) * 1024
