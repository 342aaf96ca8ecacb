"""Preflight: everything that stands in the way of an action, found at once, without cost and without waking anything.

What memory shows is found by `known_blockers`; this module asks for what memory cannot show. The known state may be
minutes old, so what would block by it is confirmed by a free read before it is told: a caller whose end user has just
changed a setting in the app is not refused by a memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from wattbus.v1.action_pb2 import Action
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import CommandCheck, DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.advice import LASTING
from wattbus_server.vendors.tesla.control.action_row import ActionRow, SiteWrite, VehicleCommand, VehicleWake
from wattbus_server.vendors.tesla.control.actions import WAKE_PRICE, row_of
from wattbus_server.vendors.tesla.control.bounds import NumberBound
from wattbus_server.vendors.tesla.control.free_reads import FreeReads, reachable, refreshed
from wattbus_server.vendors.tesla.control.key_status import KeyStatus
from wattbus_server.vendors.tesla.control.known_blockers import KnownBlockers
from wattbus_server.vendors.tesla.control.site_conditions import SITE_REASONS, standing
from wattbus_server.vendors.tesla.control.vehicle_conditions import VehicleCondition
from wattbus_server.vendors.tesla.control.vehicle_way import SIGNED, VehicleWays
from wattbus_server.vendors.tesla.remedies import TeslaRemedies

_SAID_OF_COMMANDS = LASTING - {Reason.REASON_SCOPE_MISSING}


class Preflight:
    """Finds blockers, and asks Tesla where memory may be wrong."""

    def __init__(self, remedies: TeslaRemedies, known: KnownBlockers, reads: FreeReads, ways: VehicleWays) -> None:
        self._remedies = remedies
        self._known = known
        self._reads = reads
        self._ways = ways

    async def check(
        self, account: VendorAccount, device: DeviceRecord, state: DeviceState, action: Action
    ) -> CommandCheck:
        """Say what a command would meet."""
        row = row_of(action)
        if row.device_kind != device.kind:
            return CommandCheck(blockers=[self._unsupported(account, device, row)])
        found = _Found([*self._known.of_scopes(account, row), *self._values(account, device, row, state, action)])
        judged: frozenset[Reason.ValueType] = frozenset()
        if device.kind == DeviceKind.DEVICE_KIND_VEHICLE:
            await self._vehicle(account, device, state, row, found)
        else:
            judged = await self._site(account, device, state, action, row, found)
        needs_wake = isinstance(row.way, VehicleCommand) and not await self._is_reachable(account, device, state)
        return CommandCheck(
            blockers=_unique(found.blockers),
            unseen=_unique(found.unseen),
            vendor_writes=await self._writes(account, device, row, needs_wake=needs_wake),
            needs_wake=needs_wake,
            cost_micros_usd=row.cost_micros_usd + (WAKE_PRICE if needs_wake else 0),
            judged=judged,
        )

    def _unsupported(self, account: VendorAccount, device: DeviceRecord, row: ActionRow) -> Blocker:
        return self._remedies.blocker(
            Reason.REASON_NOT_SUPPORTED_BY_DEVICE,
            account=account,
            device=device,
            blocked_actions=(row.kind,),
            action=row.name,
        )

    def _values(
        self, account: VendorAccount, device: DeviceRecord, row: ActionRow, state: DeviceState, action: Action
    ) -> list[Blocker]:
        blockers = []
        for bound in row.bounds:
            refusal = bound.refusal(action, state)
            if refusal and isinstance(bound, NumberBound):
                blockers.append(
                    self._remedies.blocker(
                        Reason.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE,
                        account=account,
                        device=device,
                        evidence=refusal,
                        message=f"This device cannot {row.label} to that: {refusal}.",
                        blocked_actions=(row.kind,),
                        parameter=bound.parameter,
                        **bound.facts(state),
                    )
                )
        return blockers

    async def _is_reachable(self, account: VendorAccount, device: DeviceRecord, state: DeviceState) -> bool:
        """Look before a vehicle is called asleep: it may have woken since the last poll, and waking is billed."""
        if reachable(state):
            return True
        seen = await self._reads.connectivity(account, device)
        return seen is not None and reachable(seen)

    async def _vehicle(
        self, account: VendorAccount, device: DeviceRecord, state: DeviceState, row: ActionRow, found: "_Found"
    ) -> None:
        if not isinstance(row.way, VehicleCommand):
            return
        confirmed: list[VehicleCondition] = []
        for condition in self._known.suspected(device, state):
            try:
                if await condition.read(self._reads, account, device):
                    confirmed.append(condition)
            except Problem as problem:
                found.note_failed_look(problem)
        found.blockers += self._known.of_vehicle(account, device, confirmed)
        if await self._ways.of(account, device) is SIGNED:
            key = await self._key(account, device, found)
            found.blockers += self._known.of_signing(account, device, key)

    async def _key(self, account: VendorAccount, device: DeviceRecord, found: "_Found") -> KeyStatus:
        keys = self._ways.keys
        try:
            # Others ask too, to verify: a key that was paired since must not be called missing.
            return await keys.get(account, device, fresh=keys.known(device).paired is False)
        except Problem as problem:
            found.note_failed_look(problem)
            return KeyStatus()

    async def _site(
        self,
        account: VendorAccount,
        device: DeviceRecord,
        state: DeviceState,
        action: Action,
        row: ActionRow,
        found: "_Found",
    ) -> frozenset[Reason.ValueType]:
        """Find what blocks at the site, and return the reasons that could be judged."""
        if row.way is None:
            found.blockers.append(
                self._remedies.blocker(
                    Reason.REASON_NOT_EXPOSED_BY_VENDOR,
                    account=account,
                    device=device,
                    evidence="Fleet API, energy endpoints: there is no power set-point",
                    blocked_actions=(row.kind,),
                    action=row.name,
                )
            )
        newest = self._reads.newest(device, state)
        if not _is_known(newest) or standing(action, state) or standing(action, newest):
            try:
                newest = refreshed(newest, await self._reads.battery(account, device))
            except Problem as problem:
                found.note_failed_look(problem)
        found.blockers += self._known.of_site(account, device, standing(action, newest), newest)
        return SITE_REASONS if _is_known(newest) else frozenset()

    async def _writes(
        self, account: VendorAccount, device: DeviceRecord, row: ActionRow, *, needs_wake: bool
    ) -> list[str]:
        writes = ["POST wake_up"] if needs_wake else []
        match row.way:
            case VehicleCommand(name=name):
                signed = await self._ways.of(account, device) is SIGNED
                writes.append(f"POST signed_command {name}" if signed else f"POST command/{name}")
            case VehicleWake(name=name) | SiteWrite(name=name):
                writes.append(f"POST {name}")
        return writes


@dataclass
class _Found:
    """What was found so far."""

    blockers: list[Blocker]
    unseen: list[Blocker] = field(default_factory=list)

    def note_failed_look(self, problem: Problem) -> None:
        """Take what a failed free read says about the command.

        Reading needs scopes of its own, which do not block it. What passes by itself may pass before the command is
        sent; until then nobody knows what the read would have shown.
        """
        self.blockers += [blocker for blocker in problem.blockers if blocker.reason in _SAID_OF_COMMANDS]
        self.unseen += [blocker for blocker in problem.blockers if blocker.reason not in LASTING]


def _is_known(state: DeviceState) -> bool:
    """Say whether the groups are known in which conditions of a site show."""
    return state.battery.HasField("settings") and state.battery.HasField("overrides")


def _unique(blockers: Sequence[Blocker]) -> list[Blocker]:
    return list({(blocker.reason, blocker.device, blocker.message): blocker for blocker in blockers}.values())
