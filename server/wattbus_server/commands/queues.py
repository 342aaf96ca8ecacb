"""One queue per device: its commands run one after another, those of different devices side by side."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from wattbus.v1.reason_pb2 import Reason

from wattbus_server.commands.live import LiveCommand
from wattbus_server.problem import Problem

Run = Callable[[LiveCommand], Awaitable[None]]


@dataclass
class _Line:
    """The commands of one device."""

    waiting: deque[LiveCommand] = field(default_factory=deque)
    reserved: int = 0
    running: LiveCommand | None = None
    worker: asyncio.Task[None] | None = None

    @property
    def unfinished(self) -> int:
        """How many commands count against the limit."""
        waiting = sum(not live.is_finished for live in self.waiting)
        return self.reserved + waiting + (self.running is not None and not self.running.is_finished)


class DeviceQueues:
    """Runs commands by device, in order."""

    def __init__(self, run: Run, limit: int) -> None:
        """Begin with empty queues.

        Args:
            run: carries out one command; never raises but for cancellation.
            limit: how many unfinished commands a device may have.
        """
        self._run = run
        self._limit = limit
        self._lines: dict[str, _Line] = {}
        self._closed = False

    @contextmanager
    def reserved(self, device: str) -> Iterator[None]:
        """Keep a place free for a command that is about to be stored.

        Raises:
            Problem: QUOTA_EXCEEDED.
        """
        line = self._lines.setdefault(device, _Line())
        if line.unfinished >= self._limit:
            raise Problem(
                Reason.REASON_QUOTA_EXCEEDED,
                f"{device} has {self._limit} unfinished commands, which is the limit.",
                metadata={"limit": str(self._limit)},
            )
        line.reserved += 1
        try:
            yield
        finally:
            line.reserved -= 1
            self._drop_if_idle(device)

    def put(self, live: LiveCommand) -> None:
        """Let a command wait for its turn."""
        line = self._lines.setdefault(live.device, _Line())
        line.waiting.append(live)
        if line.worker is None and not self._closed:
            line.worker = asyncio.get_running_loop().create_task(self._work(live.device, line))

    def running(self) -> list[LiveCommand]:
        """Return the commands that are being carried out."""
        return [line.running for line in self._lines.values() if line.running is not None]

    def stop_starting(self) -> None:
        """Begin no further command; those that run go on."""
        self._closed = True

    async def close(self) -> None:
        """Interrupt what runs. Everything is stored as it stands, and goes on after the next start."""
        self._closed = True
        workers = [line.worker for line in self._lines.values() if line.worker is not None]
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, device: str, line: _Line) -> None:
        try:
            while line.waiting and not self._closed:
                line.running = line.waiting.popleft()
                if not line.running.is_finished:
                    await self._run(line.running)
                line.running = None
        finally:
            line.running = None
            line.worker = None
            self._drop_if_idle(device)

    def _drop_if_idle(self, device: str) -> None:
        line = self._lines.get(device)
        if line is not None and line.worker is None and not line.waiting and not line.reserved:
            del self._lines[device]
