"""The engine: carries commands from the queue to the end that can be proven."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import structlog
from wattbus.v1.command_pb2 import Command, CommandState, Rung
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.catalogue_entry import Healing
from wattbus_server.blockers.identity import blocks
from wattbus_server.blockers.ledger import BlockerLedger
from wattbus_server.blockers.verification import BlockerVerifier, VendorAccess
from wattbus_server.commands import failures, life
from wattbus_server.commands.confirmation import Confirmation
from wattbus_server.commands.delivery import Delivery, States
from wattbus_server.commands.journal import Journal, StoredCommand
from wattbus_server.commands.late import LateProof
from wattbus_server.commands.live import LiveCommand
from wattbus_server.commands.pace import CommandPace
from wattbus_server.commands.preflight import action_kind
from wattbus_server.commands.queues import DeviceQueues
from wattbus_server.commands.slots import slot_of
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.problem import Execution, Problem, not_found
from wattbus_server.vendors.contract import DeviceRecord

log = structlog.get_logger()

_S = CommandState
_SUCCESSORS = 100
"""Newest commands of a device among which a successor is looked for."""


class CommandEngine:
    """Runs commands. Each step is stored before the next one begins, so that it goes on after a crash."""

    def __init__(
        self,
        journal: Journal,
        registry: DeviceRegistry,
        accounts: VendorAccess,
        states: States,
        ledger: BlockerLedger,
        verifier: BlockerVerifier,
        delivery: Delivery,
        confirmation: Confirmation,
        queue_limit: int,
        pace: CommandPace,
    ) -> None:
        self._journal = journal
        self._registry = registry
        self._accounts = accounts
        self._states = states
        self._ledger = ledger
        self._verifier = verifier
        self._delivery = delivery
        self._confirmation = confirmation
        self._pace = pace
        self._queues = DeviceQueues(self._run, queue_limit)
        self._late = LateProof(registry, accounts, states, pace.late_proof)
        self._live: dict[str, LiveCommand] = {}
        self._expiries: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Take up every command that was not at its end when the process stopped."""
        for stored in await self._journal.unfinished():
            await self._enqueue(LiveCommand(self._journal, stored.tenant, stored.command))
        for stored in await self._journal.of_unknown_outcome(datetime.now(UTC) - self._pace.late_proof):
            if not await self._has_successor(stored):
                self._late.watch(LiveCommand(self._journal, stored.tenant, stored.command))

    async def _has_successor(self, stored: StoredCommand) -> bool:
        """Say whether a later command concerns the same: what a device shows then says nothing about this one."""
        slot = slot_of(stored.command.action)
        newest = await self._journal.page(stored.tenant, stored.command.device, (), "", _SUCCESSORS)
        names = [found.command.name for found in newest if slot_of(found.command.action) is slot]
        return stored.command.name not in names[:1]

    async def close(self) -> None:
        """Begin nothing more, give what was sent a moment to be answered, and stop."""
        self._queues.stop_starting()
        waits = [
            asyncio.ensure_future(live.wait_until(lambda command: command.state != _S.COMMAND_STATE_SENT))
            for live in self._queues.running()
        ]
        if waits:
            _, late = await asyncio.wait(waits, timeout=self._pace.close_grace.total_seconds())
            for wait in late:
                wait.cancel()
        await self._queues.close()
        for expiry in self._expiries.values():
            expiry.cancel()
        await self._late.close()

    def find(self, tenant: str, name: str) -> LiveCommand | None:
        """Return a command of a tenant if it is under way."""
        live = self._live.get(name)
        return live if live is not None and live.tenant == tenant else None

    async def admit(self, tenant: str, command: Command, request_hash: bytes) -> LiveCommand:
        """Store a command and queue it, or return the one that the same request made before.

        Raises:
            Problem: QUOTA_EXCEEDED, REQUEST_ID_REUSED.
        """
        with self._queues.reserved(command.device):
            stored = await self._journal.add(tenant, life.received(command, datetime.now(UTC)), request_hash)
            if stored.name != command.name:
                return self.find(tenant, stored.name) or LiveCommand(self._journal, tenant, stored)
            live = LiveCommand(self._journal, tenant, stored)
            await self._enqueue(live)
            return live

    def observed(self, state: DeviceState) -> None:
        """Let an observation decide commands whose outcome is unknown."""
        self._late.observed(state)

    async def _enqueue(self, live: LiveCommand) -> None:
        self._live[live.name] = live
        if live.command.state == _S.COMMAND_STATE_RECEIVED:
            await live.move(_S.COMMAND_STATE_QUEUED, evidence="in the device's queue")
        expiry = asyncio.get_running_loop().create_task(self._expire_in_time(live))
        self._expiries[live.name] = expiry
        expiry.add_done_callback(partial(self._expiry_ended, live))
        self._queues.put(live)

    async def _expire_in_time(self, live: LiveCommand) -> None:
        """End a command that was not sent in time, also while others of the device are being carried out."""
        await live.pause(live.command.expire_time.ToDatetime(UTC) - datetime.now(UTC))
        with suppress(life.TransitionForbidden):
            if live.is_unsent:
                await self._expire(live)

    def _expiry_ended(self, live: LiveCommand, expiry: asyncio.Task[None]) -> None:
        self._expiries.pop(live.name, None)
        if live.is_finished:
            self._live.pop(live.name, None)
        if not expiry.cancelled() and (error := expiry.exception()) is not None:
            log.error("command_expiry_failed", command=live.name, error=repr(error))

    # One command

    async def _run(self, live: LiveCommand) -> None:
        """Carry out one command. Whatever happens, the queue goes on."""
        try:
            await self._carry_out(live)
        except life.TransitionForbidden:
            # It was cancelled or expired between two steps.
            log.info("command_ended_meanwhile", command=live.name, state=_S.Name(live.command.state))
        except Exception:
            log.exception("command_failed_by_defect", command=live.name)
            await self._end_by_defect(live)
        finally:
            if live.is_finished:
                self._live.pop(live.name, None)

    async def _carry_out(self, live: LiveCommand) -> None:
        device = self._registry.find(live.device)
        state = live.command.state
        if device is None:
            gone = not_found("device", live.device)
            if state in life.UNSENT:
                await self._refuse(live, gone)
            else:
                await self._leave_open(live, "the device is gone, so that it cannot be read back.")
        elif state in life.UNSENT:
            await self._send(live, device)
        elif state == _S.COMMAND_STATE_SENT:
            await self._after_lost_answer(live, device, "the server stopped before the answer.")
        else:
            await self._confirm(live, device)

    async def _send(self, live: LiveCommand, device: DeviceRecord) -> None:
        """Send until there is an answer that no second try would change."""
        refusals = 0
        while not live.is_finished:
            if life.is_expired(live.command, datetime.now(UTC)):
                await self._expire(live)
                return
            live.waits_for = "the vendor's answers to the checks before sending"
            try:
                findings = await self._delivery.prepare(live, device)
                self._late.forget(live)
                acceptance = await self._delivery.send(live, device, "; ".join(findings.vendor_writes))
            except Problem as problem:
                self._states.observe(problem.observed)
                refusals += 1
                if not await self._wait_for_second_try(live, problem, refusals):
                    await self._after_refusal(live, device, problem)
                    return
            else:
                await self._accepted(live, device, acceptance.evidence, acceptance.reason)
                return

    async def _wait_for_second_try(self, live: LiveCommand, problem: Problem, refusals: int) -> bool:
        """Put a refused command back into the queue and let time pass, or say that this is no use."""
        delay = self._delivery.second_try_delay(live, problem, refusals)
        if delay is None or life.is_expired(live.command, datetime.now(UTC) + delay):
            return False
        live.must_wake = live.must_wake or problem.reason == Reason.REASON_VEHICLE_ASLEEP
        live.waits_for, live.trouble = "the next try", problem
        if live.command.state == _S.COMMAND_STATE_SENT:
            words = f"refused: {problem.message} Tried again after {delay.total_seconds():g} s."
            await live.move(_S.COMMAND_STATE_QUEUED, evidence=words, reason=problem.vendor_reason or None)
        await live.pause(delay)
        return True

    async def _after_refusal(self, live: LiveCommand, device: DeviceRecord, problem: Problem) -> None:
        if live.command.state == _S.COMMAND_STATE_SENT and problem.execution is Execution.UNKNOWN:
            await self._after_lost_answer(live, device, problem.message, problem.vendor_reason)
        else:
            await self._refuse(live, problem)

    async def _accepted(self, live: LiveCommand, device: DeviceRecord, evidence: str, reason: str) -> None:
        await live.move(_S.COMMAND_STATE_ACCEPTED, evidence=evidence, reason=reason)
        await self._disprove(live, device)
        await self._confirm(live, device)

    async def _confirm(self, live: LiveCommand, device: DeviceRecord) -> None:
        """Bring an accepted command to the rung that it can prove."""
        if life.highest_rung(live.command) >= live.command.provable_rung:
            await self._succeed(live, device)
            return
        verdict = await self._confirmation.read_back(live, device)
        if verdict.proven:
            await self._succeed(live, device)
        elif life.highest_rung(live.command) >= Rung.RUNG_APPLIED:
            await self._leave_open(live, f"it was applied, but its effect was not seen: {verdict.evidence}")
        elif verdict.contradicted:
            await self._refuse(live, failures.write_not_applied(live.command, verdict.evidence), may_have_run=True)
        else:
            await self._leave_open(live, f"the vendor accepted it, but nothing proves it: {verdict.evidence}")

    async def _after_lost_answer(self, live: LiveCommand, device: DeviceRecord, why: str, words: str = "") -> None:
        """Find out what became of a command that may have run; only a value is ever sent again, and only once."""
        verdict = await self._confirmation.read_back(
            live, device, contradiction_is_enough=self._may_send_again(live, device)
        )
        if verdict.proven:
            await self._succeed(live, device)
        elif verdict.contradicted and self._may_send_again(live, device):
            await self._send_again(live, device, verdict.evidence)
        else:
            await self._leave_open(live, f"{why} Read back: {verdict.evidence}", words)

    def _may_send_again(self, live: LiveCommand, device: DeviceRecord) -> bool:
        now = datetime.now(UTC)
        sent = life.time_of(live.command, Rung.RUNG_SENT) or now
        sets_value = self._accounts.adapter(device.vendor).traits(live.command.action).sets_value
        in_time = now - sent <= self._pace.resend_window and not life.is_expired(live.command, now)
        return sets_value and live.command.send_count < 2 and in_time

    async def _send_again(self, live: LiveCommand, device: DeviceRecord, evidence: str) -> None:
        try:
            again = f"sent again, because the answer was lost and the device shows {evidence}"
            acceptance = await self._delivery.send(live, device, again)
        except Problem as problem:
            self._states.observe(problem.observed)
            if problem.execution is Execution.UNKNOWN:
                await self._after_lost_answer(live, device, problem.message, problem.vendor_reason)
            else:
                await self._refuse(live, problem, may_have_run=True)
        else:
            await self._accepted(live, device, acceptance.evidence, acceptance.reason)

    # Ends

    async def _succeed(self, live: LiveCommand, device: DeviceRecord) -> None:
        await live.move(_S.COMMAND_STATE_SUCCEEDED)
        # Another value of the same action may still be blocked, so that the vendor is asked.
        self._verifier.doubt(device, action_kind(live.command.action))

    async def _disprove(self, live: LiveCommand, device: DeviceRecord) -> None:
        """Close open blockers that only a command can disprove: the vendor took it, so that they are gone."""
        kind = action_kind(live.command.action)
        for blocker in self._ledger.open_for(device):
            if blocks(blocker, kind) and catalogue.entry(blocker.reason).healing is Healing.ON_USE:
                await self._ledger.resolve(blocker.name)

    async def _refuse(self, live: LiveCommand, problem: Problem, *, may_have_run: bool = False) -> None:
        recorded = await self._ledger.record_problem(live.tenant, problem)
        live.problem = recorded
        failure = failures.failure_of(recorded, may_have_run=may_have_run)
        await live.move(_S.COMMAND_STATE_FAILED, reason=problem.vendor_reason or None, failure=failure)

    async def _expire(self, live: LiveCommand) -> None:
        failure = failures.expired(live.command, live.waits_for, live.trouble)
        await live.move(_S.COMMAND_STATE_EXPIRED, failure=failure)

    async def _leave_open(self, live: LiveCommand, why: str, words: str = "") -> None:
        failure = failures.outcome_unknown(live.command, why, words)
        await live.move(_S.COMMAND_STATE_OUTCOME_UNKNOWN, reason=words or None, failure=failure)
        self._late.watch(live)

    async def _end_by_defect(self, live: LiveCommand) -> None:
        """Say that this server failed. If even that cannot be stored, the next start takes the command up."""
        try:
            if live.is_unsent:
                defect = Problem(Reason.REASON_INTERNAL, "The server failed before the command was sent.")
                failure = failures.failure_of(defect, may_have_run=False)
                await live.move(_S.COMMAND_STATE_FAILED, failure=failure)
            elif not live.is_finished:
                await self._leave_open(live, "the server failed after the command was sent.")
        except Exception:
            log.exception("command_end_not_stored", command=live.name)
