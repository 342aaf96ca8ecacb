"""Delivery: check once more, wake the vehicle if needed and allowed, and send once."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol

from wattbus.v1.command_pb2 import CommandState, WakePolicy
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import ConnectivityStatus, DeviceState

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.catalogue_entry import Importance
from wattbus_server.blockers.verification import VendorAccess
from wattbus_server.commands.failures import blocker_metadata
from wattbus_server.commands.life import TransitionForbidden
from wattbus_server.commands.live import LiveCommand
from wattbus_server.commands.pace import CommandPace
from wattbus_server.commands.preflight import Findings, LatestStates, Preflight
from wattbus_server.problem import Execution, Problem
from wattbus_server.vendors.contract import Acceptance, DeviceRecord


class States(LatestStates, Protocol):
    """The newest states, and where observations go; the hub stands behind it."""

    def observe(self, observations: Iterable[DeviceState]) -> None:
        """Take over what was observed."""


class Delivery:
    """Brings a command to the vendor."""

    def __init__(self, accounts: VendorAccess, states: States, preflight: Preflight, pace: CommandPace) -> None:
        self._accounts = accounts
        self._states = states
        self._preflight = preflight
        self._pace = pace

    async def prepare(self, live: LiveCommand, device: DeviceRecord) -> Findings:
        """Check once more, and wake the vehicle if it sleeps.

        Raises:
            Problem: something blocks, or the vehicle did not wake.
            TransitionForbidden: the command ended meanwhile.
        """
        findings = await self._preflight.demand(device, live.command.action, live.command.wake_policy)
        if findings.needs_wake or live.must_wake:
            await self._wake(live, device)
        return findings

    async def send(self, live: LiveCommand, device: DeviceRecord, evidence: str) -> Acceptance:
        """Send a command once. It is stored as SENT before anything leaves.

        Raises:
            Problem: `execution` tells what may have happened.
            TransitionForbidden: the command ended meanwhile.
        """
        await live.move(CommandState.COMMAND_STATE_SENT, evidence=evidence)
        account = self._accounts.account(device.connection)
        return await self._accounts.adapter(device.vendor).send(account, device, live.command.action)

    def second_try_delay(self, live: LiveCommand, problem: Problem, refusals: int) -> timedelta | None:
        """Return after which delay a refused command is worth another try, or None.

        Args:
            live: the command.
            problem: the refusal, which certainly left nothing done.
            refusals: how many there were, this one included.
        """
        if live.command.state == CommandState.COMMAND_STATE_SENT and problem.execution is Execution.UNKNOWN:
            return None
        if problem.reason == Reason.REASON_VEHICLE_ASLEEP:
            may_wake = live.command.wake_policy != WakePolicy.WAKE_POLICY_NEVER and not live.woken
            return timedelta(0) if may_wake else None
        if catalogue.entry(problem.reason).importance is not Importance.REACH or refusals > self._pace.retry_limit:
            return None
        delay = problem.retry_delay
        return delay if delay is not None and delay <= self._pace.longest_retry_delay else None

    async def _wake(self, live: LiveCommand, device: DeviceRecord) -> None:
        """Ask the vehicle once to wake, and return when it is online."""
        live.waits_for, live.trouble = "the vehicle to wake", self._asleep(live, device, "The vehicle is not online.")
        try:
            async with asyncio.timeout(self._pace.wake_timeout.total_seconds()):
                if live.must_wake and not live.woken:
                    await self._ask_to_wake(live, device)
                # Looking is free, and the vehicle may be awake by now; asking it to wake is billed.
                while not await self._is_online(device):
                    if not live.woken:
                        await self._ask_to_wake(live, device)
                    await live.pause(self._pace.wake_check_interval)
                    if live.is_finished:
                        raise TransitionForbidden("the command ended while the vehicle was waking")
        except TimeoutError:
            seconds = round(self._pace.wake_timeout.total_seconds())
            raise self._asleep(live, device, f"The vehicle did not wake within {seconds} seconds.") from None
        live.must_wake = False

    async def _ask_to_wake(self, live: LiveCommand, device: DeviceRecord) -> None:
        account = self._accounts.account(device.connection)
        try:
            await self._accounts.adapter(device.vendor).wake(account, device)
        except Problem as problem:
            live.woken = problem.execution is Execution.UNKNOWN
            raise
        live.woken = True

    async def _is_online(self, device: DeviceRecord) -> bool:
        account = self._accounts.account(device.connection)
        try:
            state = await self._accounts.adapter(device.vendor).connectivity(account, device)
        except Problem as problem:
            if not catalogue.entry(problem.reason).retriable:
                raise
            # Looking failed for the moment; the vehicle may wake all the same.
            return False
        self._states.observe([state])
        return state.connectivity.status == ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE

    def _asleep(self, live: LiveCommand, device: DeviceRecord, message: str) -> Problem:
        blocker = self._accounts.adapter(device.vendor).asleep_blocker(device, live.command.action)
        return Problem(
            Reason.REASON_VEHICLE_ASLEEP,
            message,
            blockers=(blocker,),
            metadata=blocker_metadata(blocker, device),
            retry_delay=catalogue.entry(Reason.REASON_VEHICLE_ASLEEP).retry_delay,
        )
