"""The poller: reads from the vendors what their adapters want read regularly, and reads single devices on request."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.connections.accounts import Accounts
from wattbus_server.connections.store import ConnectionChange, ConnectionChangeKind, ConnectionStore
from wattbus_server.devices.registry import DeviceChange, DeviceRegistry
from wattbus_server.problem import Problem
from wattbus_server.shared_work import FreshWork
from wattbus_server.state import metrics
from wattbus_server.state.hub import StateHub
from wattbus_server.state.pace import Pace
from wattbus_server.vendors.contract import DeviceRecord, Poll

log = structlog.get_logger()

OnProblem = Callable[[str, Sequence[str], Problem], Awaitable[None]]
"""Told of every problem that reading met: the connection, the devices, what happened."""

CALLS_AT_ONCE = 32
CALLS_OF_CONNECTION = 2
CALL_LIMIT = timedelta(seconds=90)
"""After this a poll counts as failed, whatever its adapter still waits for."""
CLOSING_LIMIT = timedelta(seconds=5)

# After these the connection may answer differently, so its polls begin anew.
_FRESH_START = frozenset({ConnectionChangeKind.RENEWED, ConnectionChangeKind.SCOPES_CHANGED})


class Poller:
    """Keeps the polls of all connections going.

    A slow connection delays nobody: it has few calls in flight at once, and waits for its own turn before it takes one
    of the places that all share. Trouble at the vendor changes no value: states keep the time of their observation.
    """

    def __init__(
        self,
        hub: StateHub,
        registry: DeviceRegistry,
        accounts: Accounts,
        connections: ConnectionStore,
        on_problem: OnProblem,
    ) -> None:
        self._hub = hub
        self._registry = registry
        self._accounts = accounts
        self._connections = connections
        self._on_problem = on_problem
        self._reads: FreshWork[str, Sequence[DeviceState]] = FreshWork()
        self._places = asyncio.Semaphore(CALLS_AT_ONCE)
        self._running: dict[str, _ConnectionPolls] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._outdated: set[str] = set()
        self._stop_listening: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to poll every connection, and follow those that come, change and go."""
        self._stop_listening = [
            self._registry.listen(self._on_device),
            self._connections.listen(self._on_connection),
        ]
        for record in self._connections.all():
            self._update(record.name)

    async def close(self) -> None:
        """Stop polling; calls in flight get a few seconds to end."""
        for stop in self._stop_listening:
            stop()
        self._stop_listening = []
        for polls in self._running.values():
            polls.stop()
        self._running.clear()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSING_LIMIT.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._reads.close(CLOSING_LIMIT.total_seconds())

    async def read_now(self, record: DeviceRecord) -> Sequence[DeviceState]:
        """Read a device from the vendor now, take over what is learnt, and return the observations.

        Reads of a vehicle are billed, and all are limited: who asks together shares one that begins after that.

        Raises:
            Problem: what the vendor's refusal means; VEHICLE_ASLEEP and DEVICE_OFFLINE for a device that is away.
        """
        return await self._reads.join(record.name, lambda: self._read_now(record))

    async def _read_now(self, record: DeviceRecord) -> Sequence[DeviceState]:
        adapter = self._accounts.adapter(record.vendor)
        try:
            account = self._accounts.account(record.connection)
            observed = await adapter.read(account, record, self._registry.siblings(record))
        except Problem as problem:
            self._hub.observe(problem.observed)
            await self._on_problem(record.connection, (record.name,), problem)
            raise
        self._hub.observe(observed)
        return observed

    # Following connections and devices

    def _on_device(self, change: DeviceChange) -> None:
        self._mark_outdated(change.record.connection)

    def _on_connection(self, change: ConnectionChange) -> None:
        if change.kind in _FRESH_START:
            self._stop(change.record.name)
        self._mark_outdated(change.record.name)

    def _mark_outdated(self, connection: str) -> None:
        """Update a connection's polls soon, once for many changes at a time."""
        if not self._outdated:
            asyncio.get_running_loop().call_soon(self._update_outdated)
        self._outdated.add(connection)

    def _update_outdated(self) -> None:
        outdated, self._outdated = self._outdated, set()
        if self._stop_listening:
            for connection in outdated:
                self._update(connection)

    def _update(self, connection: str) -> None:
        """Start and stop polls until those run that the adapter wants."""
        wanted = self._wanted(connection)
        if not wanted:
            self._stop(connection)
            return
        polls = self._running.setdefault(connection, _ConnectionPolls())
        polls.stop_all_but(wanted)
        for poll in wanted:
            if poll not in polls.stops:
                polls.stops[poll] = stopping = asyncio.Event()
                task = asyncio.create_task(self._keep_polling(connection, poll, polls.places, stopping))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _wanted(self, connection: str) -> Sequence[Poll]:
        record = self._connections.find(connection)
        devices = self._registry.of_connection(connection)
        if record is None or record.needs_reauthorization or not devices:
            return ()
        return self._accounts.adapter(record.vendor).polls(devices)

    def _stop(self, connection: str) -> None:
        polls = self._running.pop(connection, None)
        if polls is not None:
            polls.stop()

    # Polling

    async def _keep_polling(
        self, connection: str, poll: Poll, places: asyncio.Semaphore, stopping: asyncio.Event
    ) -> None:
        pace = Pace(poll.interval, secrets.SystemRandom())
        wait = pace.first()
        while not await _set_within(stopping, wait):
            async with places, self._places:
                if stopping.is_set():
                    return
                wait = await self._poll(connection, poll, pace)

    async def _poll(self, connection: str, poll: Poll, pace: Pace) -> float:
        """Poll once and return how long to wait before the next time."""
        try:
            await self._read(connection, poll)
        except Problem as problem:
            metrics.POLLS.labels(problem.reason_name).inc()
            log.info("poll_failed", connection=connection, reason=problem.reason_name)
            return pace.after_failure(problem.retry_delay)
        except Exception:
            # A defect met in one poll must not end it, nor any other.
            metrics.POLLS.labels("DEFECT").inc()
            log.exception("poll_defect", connection=connection)
            return pace.after_failure(None)
        metrics.POLLS.labels("OK").inc()
        return pace.after_success()

    async def _read(self, connection: str, poll: Poll) -> None:
        devices = self._registry.of_connection(connection)
        if not devices:
            return
        adapter = self._accounts.adapter(devices[0].vendor)
        try:
            account = self._accounts.account(connection)
            async with asyncio.timeout(CALL_LIMIT.total_seconds()):
                observed = await adapter.poll(account, poll, devices)
        except Problem as problem:
            self._hub.observe(problem.observed)
            await self._on_problem(connection, poll.devices, problem)
            raise
        self._hub.observe(observed)


class _ConnectionPolls:
    """The polls of one connection that run."""

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(CALLS_OF_CONNECTION)
        self.stops: dict[Poll, asyncio.Event] = {}

    def stop_all_but(self, wanted: Sequence[Poll]) -> None:
        """Let those end that are not wanted. A call in flight ends by itself: it may be in the middle of a renewal."""
        for poll in self.stops.keys() - set(wanted):
            self.stops.pop(poll).set()

    def stop(self) -> None:
        self.stop_all_but(())


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until an event is set, at most this long, and say whether it is."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
