"""One queue per device: its commands are sent one after another, those of different devices side by side.

While an accepted command is being proven, the next one of another slot is sent already.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from wattbus.v1.reason_pb2 import Reason

from wattbus_server.commands import life
from wattbus_server.commands.live import LiveCommand
from wattbus_server.commands.slots import slot_of
from wattbus_server.problem import Problem

Run = Callable[[LiveCommand], Coroutine[Any, Any, None]]


@dataclass
class _Line:
    """The commands of one device."""

    waiting: deque[LiveCommand] = field(default_factory=deque)
    reserved: int = 0
    running: dict[asyncio.Task[None], LiveCommand] = field(default_factory=dict)
    """The one that is being sent, and those that are being proven."""
    worker: asyncio.Task[None] | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a command comes or ends."""

    @property
    def unfinished(self) -> int:
        """How many commands count against the limit."""
        return self.reserved + sum(not live.is_finished for live in (*self.waiting, *self.running.values()))

    def take_next(self) -> LiveCommand | None:
        """Take the first waiting command whose slot is free; in a slot the order is kept."""
        busy = {slot_of(live.command.action) for live in self.running.values()}
        for live in self.waiting:
            if (slot := slot_of(live.command.action)) not in busy:
                self.waiting.remove(live)
                return live
            busy.add(slot)
        return None

    def ended(self, task: asyncio.Task[None]) -> None:
        """Note that a command is no longer carried out."""
        del self.running[task]
        self.news.set()


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
        line.news.set()
        if line.worker is None and not self._closed:
            line.worker = asyncio.get_running_loop().create_task(self._work(live.device, line))

    def running(self) -> list[LiveCommand]:
        """Return the commands that are being carried out."""
        return [live for line in self._lines.values() for live in line.running.values()]

    def stop_starting(self) -> None:
        """Begin no further command; those that run go on."""
        self._closed = True

    async def close(self) -> None:
        """Interrupt what runs. Everything is stored as it stands, and goes on after the next start."""
        self._closed = True
        lines = self._lines.values()
        tasks = [task for line in lines for task in (line.worker, *line.running) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, device: str, line: _Line) -> None:
        try:
            while (line.waiting or line.running) and not self._closed:
                line.news.clear()
                if (live := line.take_next()) is not None:
                    await self._run_until_accepted(line, live)
                else:
                    await line.news.wait()
        finally:
            line.worker = None
            self._drop_if_idle(device)

    async def _run_until_accepted(self, line: _Line, live: LiveCommand) -> None:
        if live.is_finished:
            return
        running = asyncio.get_running_loop().create_task(self._run(live))
        line.running[running] = live
        running.add_done_callback(line.ended)
        accepted = asyncio.ensure_future(live.wait_until(lambda command: command.state not in life.ON_THE_WAY))
        try:
            await asyncio.wait({running, accepted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            accepted.cancel()

    def _drop_if_idle(self, device: str) -> None:
        line = self._lines.get(device)
        if line is not None and line.worker is None and not line.waiting and not line.reserved:
            del self._lines[device]
