"""Preflight: everything that blocks an action, found at once and before anything is sent."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from wattbus.v1.action_pb2 import Action, ActionKind
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.command_pb2 import Rung, WakePolicy
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.catalogue_entry import Healing
from wattbus_server.blockers.completion import completed
from wattbus_server.blockers.identity import blocks, identity
from wattbus_server.blockers.ledger import BlockerLedger
from wattbus_server.blockers.verification import BlockerVerifier, VendorAccess
from wattbus_server.commands.failures import action_name, blocker_metadata
from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import CommandCheck, DeviceRecord


class LatestStates(Protocol):
    """Where the newest state of a device is found; the hub stands behind it."""

    def get(self, device: str) -> DeviceState:
        """Return the newest state."""


@dataclass(frozen=True)
class Findings:
    """What a command would meet."""

    blockers: Sequence[Blocker]
    """Most important first. Empty: nothing known refuses the command."""
    doubtful: Sequence[Blocker]
    """What is told and refuses nothing: open blockers that only the next command can close, because a refusal would
    keep them open for ever, and why something could not be looked at."""
    vendor_writes: Sequence[str]
    needs_wake: bool
    cost_micros_usd: int
    provable_rung: Rung.ValueType
    retry_delay: timedelta | None
    """When trying again makes sense, if everything that blocks passes with time."""


class Preflight:
    """Merges what the adapter finds now with what the ledger knows."""

    def __init__(
        self, accounts: VendorAccess, states: LatestStates, ledger: BlockerLedger, verifier: BlockerVerifier
    ) -> None:
        self._accounts = accounts
        self._states = states
        self._ledger = ledger
        self._verifier = verifier

    async def examine(self, device: DeviceRecord, action: Action, wake_policy: WakePolicy.ValueType) -> Findings:
        """Find everything that blocks an action, without cost, without waking and without recording.

        Raises:
            Problem: the vendor could not be asked.
        """
        adapter = self._accounts.adapter(device.vendor)
        account = self._accounts.account(device.connection)
        check = await adapter.check(account, device, self._states.get(device.name), action)
        found = [*check.blockers, *await self._remembered(device, action, check)]
        if check.needs_wake and wake_policy == WakePolicy.WAKE_POLICY_NEVER:
            found.append(adapter.asleep_blocker(device, action))
        return Findings(
            blockers=most_important_first(found),
            doubtful=[
                *(one for one in self._open(device, action, check) if _healing(one) is Healing.ON_USE),
                *map(completed, check.unseen),
            ],
            vendor_writes=check.vendor_writes,
            needs_wake=check.needs_wake,
            cost_micros_usd=check.cost_micros_usd,
            provable_rung=adapter.traits(action).provable_rung,
            retry_delay=_retry_delay(found, check),
        )

    async def demand(self, device: DeviceRecord, action: Action, wake_policy: WakePolicy.ValueType) -> Findings:
        """Return the findings if nothing blocks.

        Raises:
            Problem: the most important reason first, with every blocker; lasting ones are recorded.
        """
        try:
            findings = await self.examine(device, action, wake_policy)
        except Problem as problem:
            raise await self._ledger.record_problem(device.tenant, problem) from problem
        if not findings.blockers:
            return findings
        blockers = await self._ledger.record(device.tenant, findings.blockers)
        first = blockers[0]
        metadata = blocker_metadata(first, device)
        if "action" in catalogue.entry(first.reason).metadata_keys:
            metadata["action"] = action_name(action)
        raise Problem(
            first.reason, first.message, blockers=blockers, metadata=metadata, retry_delay=findings.retry_delay
        )

    async def _remembered(self, device: DeviceRecord, action: Action, check: CommandCheck) -> list[Blocker]:
        """Return open blockers that the check did not meet and that still stand when the vendor is asked."""
        candidates = [one for one in self._open(device, action, check) if _healing(one) is Healing.VERIFIED]
        standing = await asyncio.gather(*(self._verifier.still_stands(blocker.name) for blocker in candidates))
        return [blocker for blocker, stands in zip(candidates, standing, strict=True) if stands]

    def _open(self, device: DeviceRecord, action: Action, check: CommandCheck) -> list[Blocker]:
        """Return the open blockers of an action that the check could not judge."""
        kind = action_kind(action)
        met = {identity(blocker) for blocker in check.blockers}
        return [
            blocker
            for blocker in self._ledger.open_for(device)
            if blocks(blocker, kind) and identity(blocker) not in met and blocker.reason not in check.judged
        ]


def most_important_first(blockers: Iterable[Blocker]) -> list[Blocker]:
    """Return blockers in the order in which they are told."""
    return sorted(blockers, key=lambda blocker: catalogue.entry(blocker.reason).importance)


def _healing(blocker: Blocker) -> Healing:
    return catalogue.entry(blocker.reason).healing


def action_kind(action: Action) -> ActionKind.ValueType:
    """Return the kind of an action."""
    return ActionKind.Value(f"ACTION_KIND_{action_name(action).upper()}")


def _retry_delay(blockers: Sequence[Blocker], check: CommandCheck) -> timedelta | None:
    """Return when the last blocker may have passed by itself, or None if one of them does not."""
    rows = [catalogue.entry(blocker.reason) for blocker in blockers]
    delays = [row.retry_delay for row in rows if row.retry_delay is not None]
    if not delays or len(delays) < len(rows):
        return None
    return check.retry_delay or max(delays)
