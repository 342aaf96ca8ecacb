"""The stream of transitions: every one, in order, from the log in the database. Notices in memory only say: look."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from wattbus.v1.command_pb2 import CommandEvent
from wattbus.v1.device_service_pb2 import WatchCommandsRequest, WatchCommandsResponse
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.commands.journal import Journal, StoredEvent
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.devices.selection import Selection
from wattbus_server.problem import Problem
from wattbus_server.state.tokens import EPOCH_BYTES, ResumeTokens, watch_digest
from wattbus_server.waiting import first_of

_DEFAULT_HEARTBEAT_SECONDS = 30.0
_BATCH = 100

# The log belongs to the database, not to one life of the process, so that its epoch never ends.
_EPOCH = b"commands"[:EPOCH_BYTES]


def command_tokens(key: bytes) -> ResumeTokens:
    """Return what issues and reads the tokens of WatchCommands.

    Args:
        key: secret, at least 16 bytes, the same after a restart.
    """
    return ResumeTokens(key, _EPOCH)


class CommandWatch:
    """Streams transitions to one reader."""

    def __init__(self, journal: Journal, registry: DeviceRegistry, tokens: ResumeTokens, selection: Selection) -> None:
        self._journal = journal
        self._registry = registry
        self._tokens = tokens
        self._selection = selection
        self._digest = watch_digest(b"wattbus.v1.WatchCommands/", selection.digest())
        self._look = asyncio.Event()

    async def responses(
        self, request: WatchCommandsRequest, draining: asyncio.Event
    ) -> AsyncIterator[WatchCommandsResponse]:
        """Yield the responses; the first one comes at once and tells where the stream begins.

        Raises:
            Problem: HISTORY_TRUNCATED, RESUME_TOKEN_INVALID, and SERVER_DRAINING when the server shuts down.
        """
        heartbeat = _DEFAULT_HEARTBEAT_SECONDS
        if request.HasField("heartbeat_interval"):
            heartbeat = request.heartbeat_interval.ToTimedelta().total_seconds()
        clock = asyncio.get_running_loop().time
        stop_listening = self._journal.listen(self._noticed)
        try:
            position = await self._begin(request.resume_token)
            yield self._response(position, ())
            silent_since = clock()
            while True:
                # Cleared before looking, so that what is stored while looking is looked for again.
                self._look.clear()
                drained = draining.is_set()
                reached = self._journal.last_sequence
                async for found in self._news(position):
                    position = found[-1].sequence
                    if selected := [event for event in found if self._selects(event)]:
                        yield self._response(position, selected)
                        silent_since = clock()
                # Other tenants' transitions are passed by: they may be pruned before this tenant has one.
                position = max(position, reached)
                if drained:
                    raise Problem(Reason.REASON_SERVER_DRAINING, "The server is shutting down; connect again.")
                # Transitions of other devices end the wait too, but say nothing to this reader.
                await first_of(self._look, draining, seconds=silent_since + heartbeat - clock())
                if clock() >= silent_since + heartbeat:
                    yield self._response(position, ())
                    silent_since = clock()
        finally:
            stop_listening()

    async def _begin(self, resume_token: str) -> int:
        if not resume_token:
            return self._journal.last_sequence
        position = self._tokens.read(resume_token, self._digest)
        if not isinstance(position, int):
            raise Problem(Reason.REASON_RESUME_TOKEN_INVALID, "resume_token belongs to another stream.")
        if not await self._journal.continues_after(position):
            raise Problem(
                Reason.REASON_HISTORY_TRUNCATED,
                "The transitions behind this resume_token are gone; list commands and connect without a token.",
            )
        return position

    async def _news(self, position: int) -> AsyncIterator[Sequence[StoredEvent]]:
        while found := await self._journal.events(self._selection.tenant, position, _BATCH):
            position = found[-1].sequence
            yield found

    def _noticed(self, tenant: str) -> None:
        if tenant == self._selection.tenant:
            self._look.set()

    def _selects(self, event: StoredEvent) -> bool:
        record = self._registry.find(event.device)
        if record is not None:
            return self._selection.matches(record)
        # The device is gone: only its name can still be compared.
        by_name = Selection(self._selection.tenant, self._selection.devices)
        return self._selection == by_name and (not by_name.devices or event.device in by_name.devices)

    def _response(self, position: int, events: Sequence[StoredEvent]) -> WatchCommandsResponse:
        return WatchCommandsResponse(
            events=[CommandEvent(command=event.command, sequence=event.sequence) for event in events],
            resume_token=self._tokens.issue(position, self._digest),
        )
