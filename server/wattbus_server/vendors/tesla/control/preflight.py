"""Preflight: everything that stands in the way of an action, found at once, without cost and without waking anything.

The known state may be minutes old, so what would block by it is confirmed by a free read before it is told: a caller
whose end user has just changed a setting in the app is not refused by a memory.
"""

from collections.abc import Awaitable, Sequence

from wattbus.v1.action_pb2 import Action
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import CommandCheck, DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.control.action_row import ActionRow, SiteWrite, VehicleCommand, VehicleWake
from wattbus_server.vendors.tesla.control.actions import WAKE_PRICE, kinds_with_scopes, row_of, signed_kinds
from wattbus_server.vendors.tesla.control.bounds import NumberBound
from wattbus_server.vendors.tesla.control.free_reads import FreeReads, reachable
from wattbus_server.vendors.tesla.control.key_status import KeyStatus
from wattbus_server.vendors.tesla.control.site_conditions import SITE_REASONS, SiteCondition, standing
from wattbus_server.vendors.tesla.control.vehicle_way import SIGNED, VehicleWays
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.scopes import to_grant

IN_SERVICE_FACT = "in_service"
"""The vendor fact of a vehicle that is `true` while it is in service."""
MOBILE_ACCESS_FACT = "mobile_access_disabled"
"""The vendor fact of a vehicle that is `true` while its owner has switched mobile access off."""


class Preflight:
    """Finds blockers."""

    def __init__(self, remedies: TeslaRemedies, reads: FreeReads, ways: VehicleWays) -> None:
        self._remedies = remedies
        self._reads = reads
        self._ways = ways

    async def check(
        self, account: VendorAccount, device: DeviceRecord, state: DeviceState, action: Action
    ) -> CommandCheck:
        """Say what a command would meet."""
        row = row_of(action)
        if row.device_kind != device.kind:
            return CommandCheck(blockers=[self._unsupported(account, device, row)])
        blockers = [*self._scopes(account, row), *self._values(account, device, row, state, action)]
        judged: frozenset[Reason.ValueType] = frozenset()
        if device.kind == DeviceKind.DEVICE_KIND_VEHICLE:
            blockers += await self._vehicle(account, device, state, row)
        else:
            found, judged = await self._site(account, device, state, action, row)
            blockers += found
        needs_wake = isinstance(row.way, VehicleCommand) and not reachable(state)
        return CommandCheck(
            blockers=_unique(blockers),
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

    def _scopes(self, account: VendorAccount, row: ActionRow) -> list[Blocker]:
        required, missing = to_grant(row.scopes, account.scopes)
        if not missing:
            return []
        return [
            self._remedies.blocker(
                Reason.REASON_SCOPE_MISSING,
                account=account,
                evidence=f"granted: {' '.join(sorted(account.scopes))}",
                blocked_actions=kinds_with_scopes(row.scopes),
                required_scopes=required,
                missing_scopes=missing,
            )
        ]

    def _values(
        self, account: VendorAccount, device: DeviceRecord, row: ActionRow, state: DeviceState, action: Action
    ) -> list[Blocker]:
        blockers = []
        for bound in row.bounds:
            refusal = bound.refusal(action, state)
            if refusal and isinstance(bound, NumberBound):
                lowest, highest = bound.limits(state)
                blockers.append(
                    self._remedies.blocker(
                        Reason.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE,
                        account=account,
                        device=device,
                        evidence=refusal,
                        message=f"This device cannot {row.label} to that: {refusal}.",
                        blocked_actions=(row.kind,),
                        parameter=bound.parameter,
                        minimum=lowest,
                        maximum=highest,
                    )
                )
        return blockers

    async def _vehicle(
        self, account: VendorAccount, device: DeviceRecord, state: DeviceState, row: ActionRow
    ) -> list[Blocker]:
        if not isinstance(row.way, VehicleCommand):
            return []
        blockers: list[Blocker] = []
        facts = device.vendor_facts
        if state.vehicle.information.in_service or facts.get(IN_SERVICE_FACT) == "true":
            stands = self._reads.in_service(account, device)
            blockers += await self._confirmed(
                account, device, Reason.REASON_VEHICLE_IN_SERVICE, "in_service=true", stands
            )
        if facts.get(MOBILE_ACCESS_FACT) == "true":
            stands = self._reads.mobile_access_disabled(account, device)
            blockers += await self._confirmed(
                account, device, Reason.REASON_REMOTE_ACCESS_DISABLED, "mobile_access_disabled=true", stands
            )
        if await self._ways.of(account, device) is SIGNED:
            key, refused = await self._key(account, device)
            blockers += refused + self._signing(account, device, key)
        return blockers

    async def _key(self, account: VendorAccount, device: DeviceRecord) -> tuple[KeyStatus, list[Blocker]]:
        try:
            return await self._ways.keys.get(account, device), []
        except Problem as problem:
            return KeyStatus(), _lasting(problem)

    def _signing(self, account: VendorAccount, device: DeviceRecord, key: KeyStatus) -> list[Blocker]:
        found: list[tuple[Reason.ValueType, str, str]] = []
        if not self._ways.can_sign:
            setting = "tesla.command_key_file"
            found.append((Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED, f"{setting} is empty", setting))
        if key.paired is False:
            found.append((Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, "fleet_status: unpaired_vins has the vehicle", ""))
            if key.keychain_full:
                full = f"fleet_status: total_number_of_keys={key.key_count}"
                found.append((Reason.REASON_KEYCHAIN_FULL, full, ""))
        return [self._of_vehicle(account, device, *row) for row in found]

    async def _confirmed(
        self,
        account: VendorAccount,
        device: DeviceRecord,
        reason: Reason.ValueType,
        evidence: str,
        stands: Awaitable[bool],
    ) -> list[Blocker]:
        """Return the blocker of a condition that the known state shows, if a free read confirms it."""
        try:
            confirmed = await stands
        except Problem as problem:
            return _lasting(problem)
        return [self._of_vehicle(account, device, reason, evidence)] if confirmed else []

    def _of_vehicle(
        self,
        account: VendorAccount,
        device: DeviceRecord,
        reason: Reason.ValueType,
        evidence: str,
        setting: str = "",
    ) -> Blocker:
        return self._remedies.blocker(
            reason,
            account=account,
            device=device,
            evidence=evidence,
            blocked_actions=signed_kinds(),
            setting=setting,
        )

    async def _site(
        self, account: VendorAccount, device: DeviceRecord, state: DeviceState, action: Action, row: ActionRow
    ) -> tuple[list[Blocker], frozenset[Reason.ValueType]]:
        """Return what blocks at the site, and the reasons that could be judged."""
        blockers: list[Blocker] = []
        if row.way is None:
            blockers.append(
                self._remedies.blocker(
                    Reason.REASON_NOT_EXPOSED_BY_VENDOR,
                    account=account,
                    device=device,
                    evidence="Fleet API, energy endpoints: there is no power set-point",
                    blocked_actions=(row.kind,),
                    action=row.name,
                )
            )
        if not _is_known(state) or standing(action, state):
            try:
                state = _refreshed(state, await self._reads.battery(account, device))
            except Problem as problem:
                blockers += _lasting(problem)
        blockers += [self._condition(account, device, condition, state) for condition in standing(action, state)]
        return blockers, SITE_REASONS if _is_known(state) else frozenset()

    def _condition(
        self, account: VendorAccount, device: DeviceRecord, condition: SiteCondition, state: DeviceState
    ) -> Blocker:
        return self._remedies.blocker(
            condition.reason,
            account=account,
            device=device,
            evidence=condition.evidence(state),
            message=condition.message,
            blocked_actions=condition.blocks,
            **condition.facts_of(state),
        )

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


def _lasting(problem: Problem) -> list[Blocker]:
    """Return what a failed free read says about the command. Reading needs scopes of its own, which do not block it."""
    return [blocker for blocker in problem.blockers if blocker.reason != Reason.REASON_SCOPE_MISSING]


def _is_known(state: DeviceState) -> bool:
    """Say whether the groups are known in which conditions of a site show."""
    return state.battery.HasField("settings") and state.battery.HasField("overrides")


def _unique(blockers: Sequence[Blocker]) -> list[Blocker]:
    return list({(blocker.reason, blocker.device, blocker.message): blocker for blocker in blockers}.values())


def _refreshed(state: DeviceState, fresh: DeviceState) -> DeviceState:
    """Return the known state with the groups that were read again."""
    result = DeviceState()
    result.CopyFrom(state)
    for group in ("settings", "overrides"):
        if fresh.battery.HasField(group):
            getattr(result.battery, group).CopyFrom(getattr(fresh.battery, group))
    return result
