"""What callers do with commands: check, create, wait, get, list, cancel, watch."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.command_pb2 import Command, CommandState, Rung
from wattbus.v1.device_service_pb2 import (
    CheckCommandRequest,
    CheckCommandResponse,
    CreateCommandRequest,
    ListCommandsRequest,
    ListCommandsResponse,
    WatchCommandsRequest,
    WatchCommandsResponse,
)
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.ledger import BlockerLedger
from wattbus_server.blockers.verification import BlockerVerifier, VendorAccess
from wattbus_server.commands import failures, life
from wattbus_server.commands.confirmation import Confirmation, ReadNow
from wattbus_server.commands.delivery import Delivery, States
from wattbus_server.commands.engine import CommandEngine
from wattbus_server.commands.journal import Journal
from wattbus_server.commands.live import LiveCommand
from wattbus_server.commands.pace import CommandPace
from wattbus_server.commands.preflight import Preflight, most_important_first
from wattbus_server.commands.watch import CommandWatch, command_tokens
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.devices.selection import Selection
from wattbus_server.paging import PageRequest
from wattbus_server.problem import Problem
from wattbus_server.resource_names import random_id

log = structlog.get_logger()

ANY_DEVICE = "devices/-"


class CommandService:
    """Commands of all tenants."""

    def __init__(
        self,
        database: AsyncEngine,
        registry: DeviceRegistry,
        accounts: VendorAccess,
        states: States,
        ledger: BlockerLedger,
        verifier: BlockerVerifier,
        read_now: ReadNow,
        *,
        token_key: bytes,
        queue_limit: int,
        pace: CommandPace | None = None,
    ) -> None:
        """Wire the parts.

        Args:
            database: where commands are stored.
            registry: knows the devices.
            accounts: reaches the vendors.
            states: the newest states, and where observations go.
            ledger: open blockers.
            verifier: asks whether they still stand.
            read_now: reads one device from the vendor.
            token_key: secret that encrypts resume tokens, at least 16 bytes, the same after a restart.
            queue_limit: unfinished commands per device.
            pace: delays and limits.
        """
        self._pace = pace or CommandPace()
        self._registry = registry
        self._accounts = accounts
        self._states = states
        self._ledger = ledger
        self._tokens = command_tokens(token_key)
        self._journal = Journal(database, ledger.with_links)
        self._preflight = Preflight(accounts, states, ledger, verifier)
        delivery = Delivery(accounts, states, self._preflight, self._pace)
        confirmation = Confirmation(accounts, states, read_now)
        self._engine = CommandEngine(
            self._journal, registry, accounts, states, ledger, verifier, delivery, confirmation, queue_limit, self._pace
        )
        self._pruning: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up unfinished commands and begin to delete what is too old."""
        await self._journal.load()
        await self._engine.start()
        self._pruning = asyncio.get_running_loop().create_task(self._prune_regularly())

    async def close(self) -> None:
        """Stop; every command is stored as it stands."""
        if self._pruning is not None:
            self._pruning.cancel()
            await asyncio.gather(self._pruning, return_exceptions=True)
        await self._engine.close()

    def observed(self, state: DeviceState) -> None:
        """Let an observation decide commands whose outcome is unknown; the hub calls it."""
        self._engine.observed(state)

    async def check(self, tenant: str, request: CheckCommandRequest) -> CheckCommandResponse:
        """Say what CreateCommand would meet. Nothing is sent, woken or recorded.

        Raises:
            Problem: RESOURCE_NOT_FOUND, or why the vendor cannot be asked if that is no blocker.
        """
        device = self._registry.get(tenant, request.parent)
        try:
            findings = await self._preflight.examine(device, request.action, request.wake_policy)
        except Problem as problem:
            self._states.observe(problem.observed)
            if not catalogue.entry(problem.reason).lasting:
                raise
            return CheckCommandResponse(
                blockers=await self._ledger.identify(tenant, problem.blockers),
                provable_rung=self._accounts.adapter(device.vendor).traits(request.action).provable_rung,
            )
        refusing = await self._ledger.identify(tenant, findings.blockers)
        return CheckCommandResponse(
            blockers=most_important_first([*refusing, *findings.doubtful]),
            vendor_writes=findings.vendor_writes,
            needs_wake=findings.needs_wake,
            estimated_cost_micros_usd=findings.cost_micros_usd,
            provable_rung=findings.provable_rung,
        )

    async def create(
        self, tenant: str, request: CreateCommandRequest, seconds_left: float | None, draining: asyncio.Event
    ) -> Command:
        """Store a command and wait as asked.

        Args:
            tenant: whose device it is.
            request: a validated request.
            seconds_left: until the caller's deadline. None: the caller has none.
            draining: set when the server shuts down; the answer is then the command as it stands.

        Raises:
            Problem: what blocks, without a command; or why the command ended without success while the caller waited,
                with its name in the metadata.
        """
        begin = asyncio.get_running_loop().time()
        device = self._registry.get(tenant, request.parent)
        live = await self._repeated(tenant, request)
        if live is None:
            try:
                findings = await self._preflight.demand(device, request.action, request.wake_policy)
            except Problem as problem:
                self._states.observe(problem.observed)
                raise
            command = self._new_command(request, findings.provable_rung)
            # From here on the caller may hang up: what is stored must also be queued.
            admission = asyncio.ensure_future(self._engine.admit(tenant, command, _content_hash(request)))
            live = await asyncio.shield(admission)
        await self._wait(live, request, self._seconds_to_wait(request, seconds_left, begin), draining)
        return self._answer(live, request.wait_for)

    async def get(self, tenant: str, name: str) -> Command:
        """Return a command.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        live = self._engine.find(tenant, name)
        return live.command if live is not None else await self._journal.get(tenant, name)

    async def list(self, tenant: str, request: ListCommandsRequest) -> ListCommandsResponse:
        """List commands of a device, or of all, newest first.

        Raises:
            Problem: RESOURCE_NOT_FOUND, PAGE_TOKEN_INVALID, FIELD_INVALID.
        """
        device = "" if request.parent == ANY_DEVICE else self._registry.get(tenant, request.parent).name
        states = sorted(set(request.states))
        page = PageRequest.parse(request.page_size, request.page_token, f"{tenant} {device} {states}".encode())
        found = await self._journal.page(tenant, device, states, page.after, page.size + 1)
        chosen, token = page.cut(found, lambda stored: stored.key, lambda stored: stored.command)
        return ListCommandsResponse(commands=chosen, next_page_token=token)

    async def cancel(self, tenant: str, name: str) -> Command:
        """Cancel a command that was not sent. Cancelling a cancelled one again is no mistake.

        Raises:
            Problem: COMMAND_NOT_CANCELLABLE, RESOURCE_NOT_FOUND.
        """
        live = self._engine.find(tenant, name)
        if live is None:
            live = LiveCommand(self._journal, tenant, await self._journal.get(tenant, name))
        if live.command.state == CommandState.COMMAND_STATE_CANCELLED:
            return live.command
        try:
            await live.move(CommandState.COMMAND_STATE_CANCELLED, failure=failures.cancelled())
        except life.TransitionForbidden:
            state = CommandState.Name(live.command.state).removeprefix("COMMAND_STATE_")
            raise Problem(
                Reason.REASON_COMMAND_NOT_CANCELLABLE,
                f"The command is {state}; only a command that was not sent can be cancelled.",
                metadata={"command": name, "state": state},
            ) from None
        return live.command

    def watch(
        self, tenant: str, selection: Selection, request: WatchCommandsRequest, draining: asyncio.Event
    ) -> AsyncIterator[WatchCommandsResponse]:
        """Stream every transition of the selected devices' commands."""
        if selection.tenant != tenant:
            raise ValueError("the selection belongs to another tenant")
        return CommandWatch(self._journal, self._registry, self._tokens, selection).responses(request, draining)

    # Inside

    async def _repeated(self, tenant: str, request: CreateCommandRequest) -> LiveCommand | None:
        """Return the command that the same request made before."""
        earlier = await self._journal.repeated(tenant, request.request_id, _content_hash(request))
        if earlier is None:
            return None
        return self._engine.find(tenant, earlier.name) or LiveCommand(self._journal, tenant, earlier)

    def _new_command(self, request: CreateCommandRequest, provable_rung: Rung.ValueType) -> Command:
        now = datetime.now(UTC)
        time_to_live = self._pace.time_to_live
        if request.HasField("time_to_live"):
            time_to_live = request.time_to_live.ToTimedelta()
        command = Command(
            name=f"{request.parent}/commands/{_sortable_id(now)}",
            device=request.parent,
            action=request.action,
            provable_rung=provable_rung,
            request_id=request.request_id,
            wake_policy=request.wake_policy,
        )
        command.expire_time.FromDatetime(now + time_to_live)
        return command

    def _seconds_to_wait(self, request: CreateCommandRequest, seconds_left: float | None, begin: float) -> float:
        wait = self._pace.wait
        if request.HasField("wait_duration"):
            wait = min(wait, request.wait_duration.ToTimedelta())
        seconds = wait.total_seconds()
        if seconds_left is not None:
            seconds = min(seconds, seconds_left - self._pace.deadline_margin.total_seconds())
        return seconds - (asyncio.get_running_loop().time() - begin)

    async def _wait(
        self, live: LiveCommand, request: CreateCommandRequest, seconds: float, draining: asyncio.Event
    ) -> None:
        """Wait for the rung or the end. The command goes on whatever becomes of the wait."""
        rung = request.wait_for or Rung.RUNG_ACCEPTED
        known = self._engine.find(live.tenant, live.name) is not None
        if rung > Rung.RUNG_RECEIVED and known and not _is_waited_for(live.command, rung):
            reached = asyncio.ensure_future(live.wait_until(lambda command: _is_waited_for(command, rung)))
            leaving = asyncio.ensure_future(draining.wait())
            try:
                await asyncio.wait({reached, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                reached.cancel()
                leaving.cancel()

    def _answer(self, live: LiveCommand, wait_for: Rung.ValueType) -> Command:
        rung = wait_for or Rung.RUNG_ACCEPTED
        command = live.command
        if rung <= Rung.RUNG_RECEIVED or not command.HasField("failure") or _has_reached(command, rung):
            return command
        raise failures.problem_of(command, self._registry.find(command.device), live.problem)

    async def _prune_regularly(self) -> None:
        while True:
            now = datetime.now(UTC)
            try:
                await self._journal.prune(now - self._pace.command_retention, now - self._pace.event_retention)
            except Exception:
                log.exception("commands_not_pruned")
            await asyncio.sleep(self._pace.prune_interval.total_seconds())


def _has_reached(command: Command, rung: Rung.ValueType) -> bool:
    return life.highest_rung(command) >= rung


def _is_waited_for(command: Command, rung: Rung.ValueType) -> bool:
    """Say whether the wait is over; the highest rung that can be proven, and what lies above it, is the end."""
    return command.state in life.FINISHED or (rung < command.provable_rung and _has_reached(command, rung))


def _content_hash(request: CreateCommandRequest) -> bytes:
    """Return a hash of what is wanted; how long the caller waits for it is not part of that."""
    content = CreateCommandRequest(
        parent=request.parent,
        action=request.action,
        wake_policy=request.wake_policy,
        time_to_live=request.time_to_live if request.HasField("time_to_live") else None,
    )
    return hashlib.sha256(content.SerializeToString(deterministic=True)).digest()


def _sortable_id(now: datetime) -> str:
    """Return an identifier that nobody can guess and that sorts by time."""
    milliseconds = int(now.timestamp() * 1000)
    return f"{milliseconds:012x}{random_id()}"
