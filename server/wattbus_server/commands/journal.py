"""The journal: commands, and the log of their transitions. What it confirmed survives `kill -9`.

The log is the queue of WatchCommands. Sequence numbers are given out by one writer, so that a number that can be read
is never followed by the late commit of a smaller one. They follow the clock: counted one by one they would tell every
tenant how much the others do.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.command_pb2 import Command, CommandState
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.blockers.relink import without_link
from wattbus_server.commands.failures import with_blockers
from wattbus_server.commands.life import FINISHED, UNFINISHED
from wattbus_server.paging import read_time_key, time_key
from wattbus_server.problem import Problem, not_found
from wattbus_server.storage.tables import command_events, commands

KEPT_IN_MEMORY = 1000
"""Newest transitions that are kept in memory too: otherwise each of many streams would read each one from the database,
and one tenant's streams would slow down everybody's commands."""


@dataclass(frozen=True)
class StoredCommand:
    """A command and the tenant that it belongs to."""

    tenant: str
    command: Command

    @property
    def key(self) -> str:
        """Where it stands in lists."""
        return time_key(self.command.create_time.ToDatetime(UTC), self.command.name)


@dataclass(frozen=True)
class StoredEvent:
    """One transition."""

    sequence: int
    device: str
    command: Command


JournalListener = Callable[[str], None]

WithLinks = Callable[[Iterable[Blocker]], Iterable[Blocker]]
"""Returns stored blockers, those that are open with the links that they carry now."""


class Journal:
    """Writes and reads commands and their transitions."""

    def __init__(self, engine: AsyncEngine, with_links: WithLinks = tuple) -> None:
        self._engine = engine
        self._with_links = with_links
        self._writing = asyncio.Lock()
        self._listeners: list[JournalListener] = []
        self.last_sequence = 0
        """The number of the newest transition that this process knows of."""
        self._newest: deque[tuple[str, StoredEvent]] = deque()
        # Every transition behind this number is in `_newest`, because only this process writes. None: not loaded yet.
        self._kept_behind: int | None = None

    async def load(self) -> None:
        """Find out how far the log goes, once, at start."""
        async with self._engine.connect() as database:
            newest = await database.scalar(select(func.max(command_events.c.sequence)))
        self.last_sequence = self._kept_behind = newest or 0

    def listen(self, listener: JournalListener) -> Callable[[], None]:
        """Tell a listener the tenant of every new transition, which is then in the log; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # Writing

    async def add(self, tenant: str, command: Command, request_hash: bytes) -> Command:
        """Store a new command and its first transition, or return the one that has the same `request_id`.

        Raises:
            Problem: REQUEST_ID_REUSED if that one has other content.
        """
        row = {
            **_values(tenant, command),
            "name": command.name,
            "request_id": command.request_id or None,
            "request_hash": request_hash,
            "create_time": command.create_time.ToDatetime(UTC),
        }
        try:
            async with self._writing:
                async with self._engine.begin() as database:
                    await database.execute(insert(commands).values(**row))
                    sequence = await self._log(database, tenant, command)
                self._tell(tenant, sequence, command)
        except IntegrityError:
            earlier = await self.repeated(tenant, command.request_id, request_hash)
            if earlier is None:
                raise
            return earlier
        return command

    async def save(self, tenant: str, command: Command) -> None:
        """Store a transition. When this returns it may be told."""
        command = with_blockers(command, lambda blockers: map(without_link, blockers))
        async with self._writing:
            async with self._engine.begin() as database:
                row = commands.c.name == command.name
                await database.execute(update(commands).where(row).values(**_values(tenant, command)))
                sequence = await self._log(database, tenant, command)
            self._tell(tenant, sequence, command)

    async def prune(self, commands_before: datetime, events_before: datetime) -> None:
        """Delete finished commands that were created, and transitions that happened, before these moments.

        The newest of the old transitions stays, so that the log knows where it begins.
        """
        is_old = command_events.c.create_time < events_before
        newest = select(func.max(command_events.c.sequence)).where(is_old).scalar_subquery()
        old_events = and_(is_old, command_events.c.sequence < newest)
        old_commands = and_(commands.c.state.in_(FINISHED), commands.c.create_time < commands_before)
        async with self._writing, self._engine.begin() as database:
            await database.execute(delete(command_events).where(old_events))
            await database.execute(delete(commands).where(old_commands))

    async def _log(self, database: AsyncConnection, tenant: str, command: Command) -> int:
        # A stream that began before the very first transition is at 0, right before it.
        sequence = max(self.last_sequence + 1, time.time_ns() // 1000) if self.last_sequence else 1
        values = {
            "sequence": sequence,
            "tenant": tenant,
            "device": command.device,
            "command": command.SerializeToString(),
            "create_time": command.update_time.ToDatetime(UTC),
        }
        await database.execute(insert(command_events).values(**values))
        return sequence

    def _tell(self, tenant: str, sequence: int, command: Command) -> None:
        self.last_sequence = sequence
        self._newest.append((tenant, StoredEvent(sequence, command.device, command)))
        if len(self._newest) > KEPT_IN_MEMORY:
            self._kept_behind = self._newest.popleft()[1].sequence
        for listener in tuple(self._listeners):
            listener(tenant)

    # Reading

    async def repeated(self, tenant: str, request_id: str, request_hash: bytes) -> Command | None:
        """Return the command that a `request_id` made before.

        Raises:
            Problem: REQUEST_ID_REUSED if it has other content.
        """
        if not request_id:
            return None
        query = select(commands).where(commands.c.tenant == tenant, commands.c.request_id == request_id)
        async with self._engine.connect() as database:
            row = (await database.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        if row["request_hash"] != request_hash:
            raise Problem(
                Reason.REASON_REQUEST_ID_REUSED,
                f"The request_id {request_id!r} was used before with other content.",
                metadata={"requestId": request_id},
            )
        return self._stored(row).command

    async def get(self, tenant: str, name: str) -> Command:
        """Return a command of a tenant.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        query = select(commands).where(commands.c.name == name, commands.c.tenant == tenant)
        async with self._engine.connect() as database:
            row = (await database.execute(query)).mappings().one_or_none()
        if row is None:
            raise not_found("command", name)
        return self._stored(row).command

    async def page(
        self, tenant: str, device: str, states: Collection[CommandState.ValueType], after: str, size: int
    ) -> list[StoredCommand]:
        """Return up to `size` commands of a device, or of all if `device` is empty, newest first, behind a key.

        Raises:
            Problem: PAGE_TOKEN_INVALID if the key is none.
        """
        query = select(commands).where(commands.c.tenant == tenant)
        if device:
            query = query.where(commands.c.device == device)
        if states:
            query = query.where(commands.c.state.in_(states))
        if after:
            time, name = read_time_key(after)
            older = and_(commands.c.create_time == time, commands.c.name < name)
            query = query.where(or_(commands.c.create_time < time, older))
        return await self._read(query.order_by(commands.c.create_time.desc(), commands.c.name.desc()).limit(size))

    async def unfinished(self) -> list[StoredCommand]:
        """Return every command that was not at its end when the process stopped, oldest first."""
        return await self._read(
            select(commands).where(commands.c.state.in_(UNFINISHED)).order_by(commands.c.create_time, commands.c.name)
        )

    async def of_unknown_outcome(self, since: datetime) -> list[StoredCommand]:
        """Return every command whose outcome became unknown after a moment."""
        found = await self._read(select(commands).where(commands.c.state == CommandState.COMMAND_STATE_OUTCOME_UNKNOWN))
        return [stored for stored in found if stored.command.update_time.ToDatetime(UTC) > since]

    async def events(self, tenant: str, after: int, limit: int) -> Sequence[StoredEvent]:
        """Return the next transitions of a tenant's commands behind a sequence number."""
        if self._kept_behind is not None and after >= self._kept_behind:
            found = self._events_in_memory(tenant, after)[:limit]
        else:
            found = await self._events_in_database(tenant, after, limit)
        return [replace(event, command=with_blockers(event.command, self._with_links)) for event in found]

    async def _events_in_database(self, tenant: str, after: int, limit: int) -> Sequence[StoredEvent]:
        query = (
            select(command_events)
            .where(command_events.c.tenant == tenant, command_events.c.sequence > after)
            .order_by(command_events.c.sequence)
            .limit(limit)
        )
        async with self._engine.connect() as database:
            rows = (await database.execute(query)).mappings()
            return [StoredEvent(row["sequence"], row["device"], Command.FromString(row["command"])) for row in rows]

    def _events_in_memory(self, tenant: str, after: int) -> Sequence[StoredEvent]:
        found = []
        for owner, event in reversed(self._newest):
            if event.sequence <= after:
                break
            if owner == tenant:
                found.append(event)
        return found[::-1]

    async def continues_after(self, sequence: int) -> bool:
        """Say whether the log goes on after a sequence number: it was reached, and nothing behind it is pruned."""
        ends = select(func.min(command_events.c.sequence), func.max(command_events.c.sequence))
        async with self._engine.connect() as database:
            oldest, newest = (await database.execute(ends)).one()
        # A reader may have seen a transition that is stored, but whose writer was not told so yet.
        reached = max(newest or 0, self.last_sequence)
        return sequence <= reached and (oldest is None or sequence >= oldest - 1)

    async def _read(self, query: Select[Any]) -> list[StoredCommand]:
        async with self._engine.connect() as database:
            return [self._stored(row) for row in (await database.execute(query)).mappings()]

    def _stored(self, row: RowMapping) -> StoredCommand:
        command = Command.FromString(row["command"])
        return StoredCommand(row["tenant"], with_blockers(command, self._with_links))


def _values(tenant: str, command: Command) -> dict[str, object]:
    return {
        "tenant": tenant,
        "device": command.device,
        "state": command.state,
        "command": command.SerializeToString(),
    }
