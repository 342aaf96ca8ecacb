"""A command that is under way: the stored message, the lock around its transitions, and those who wait for it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from wattbus.v1.command_pb2 import Command, CommandFailure, CommandState, Rung

from wattbus_server.commands import life
from wattbus_server.commands.journal import Journal
from wattbus_server.problem import Problem


class LiveCommand:
    """One command in memory. `command` is replaced by every transition, never changed."""

    def __init__(self, journal: Journal, tenant: str, command: Command) -> None:
        self._journal = journal
        self._moving = asyncio.Lock()
        self._changed = asyncio.Event()
        self.tenant = tenant
        self.command = command
        self.problem: Problem | None = None
        """What ended it, with the metadata that the stored failure does not hold."""
        self.waits_for = "its turn in the device's queue"
        """What has to happen before it can be sent, in words."""
        self.trouble: Problem | None = None
        """What it last met before it was sent, and waits out."""
        self.must_wake = False
        """Whether the vendor refused it because the vehicle sleeps."""
        self.woken = False
        """Whether the vehicle was asked to wake for it."""

    @property
    def name(self) -> str:
        """`devices/…/commands/…`."""
        return self.command.name

    @property
    def device(self) -> str:
        """`devices/…`."""
        return self.command.device

    @property
    def is_unsent(self) -> bool:
        """Whether nothing reached the vendor."""
        return self.command.state in life.UNSENT

    @property
    def is_finished(self) -> bool:
        """Whether its queue goes on without it."""
        return self.command.state in life.FINISHED

    async def move(
        self,
        state: CommandState.ValueType,
        *,
        evidence: str = "",
        reason: str | None = None,
        failure: CommandFailure | None = None,
        proven: Rung.ValueType = Rung.RUNG_UNSPECIFIED,
    ) -> None:
        """Store a transition and tell it. A caller who is cancelled meanwhile does not interrupt it.

        Args:
            state: where it goes.
            evidence: what proves the rung.
            reason: the vendor's own words. None: those from before stay.
            failure: why it ended.
            proven: the rung that a late observation proved.

        Raises:
            life.TransitionForbidden: it is not where this move begins.
        """
        moving = asyncio.ensure_future(self._move(state, evidence, reason, failure, proven))
        try:
            await asyncio.shield(moving)
        except asyncio.CancelledError:
            await asyncio.wait([moving])
            raise

    async def _move(
        self,
        state: CommandState.ValueType,
        evidence: str,
        reason: str | None,
        failure: CommandFailure | None,
        proven: Rung.ValueType,
    ) -> None:
        async with self._moving:
            now = datetime.now(UTC)
            begin = life.climbed(self.command, proven, now, evidence) if proven else self.command
            moved = life.moved(begin, state, now, evidence=evidence, reason=reason, failure=failure)
            await self._journal.save(self.tenant, moved)
            self.command = moved
            self._changed.set()
            self._changed = asyncio.Event()

    async def pause(self, delay: timedelta) -> None:
        """Let time pass, or less if the command ends meanwhile, for example because it is cancelled."""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay.total_seconds()):
                await self.wait_until(lambda command: command.state in life.FINISHED)

    async def wait_until(self, fulfilled: Callable[[Command], bool]) -> None:
        """Return once the command fulfils a predicate."""
        while not fulfilled(self.command):
            await self._changed.wait()
