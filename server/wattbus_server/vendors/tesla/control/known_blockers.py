"""What stands in the way of an action by memory alone: granted scopes, settings, states, and what Tesla told lately.

Nothing here asks or waits. The preflight asks first where memory may be wrong, and then comes here; capabilities show
what is found here as it is.
"""

from collections.abc import Iterable, Mapping, Sequence

from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.control.action_row import ActionRow, VehicleCommand
from wattbus_server.vendors.tesla.control.actions import kinds_with_scopes, rows_for, signed_kinds
from wattbus_server.vendors.tesla.control.free_reads import FreeReads
from wattbus_server.vendors.tesla.control.key_status import KeyStatus
from wattbus_server.vendors.tesla.control.site_conditions import SiteCondition, standing_for_kinds
from wattbus_server.vendors.tesla.control.vehicle_conditions import VEHICLE_CONDITIONS, VehicleCondition
from wattbus_server.vendors.tesla.control.vehicle_way import SIGNED, VehicleWays
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.scopes import to_grant
from wattbus_server.vendors.tesla.vehicle_flags import VehicleFlags

Found = Mapping[ActionKind.ValueType, Sequence[Blocker]]


class KnownBlockers:
    """Turns what is known into blockers."""

    def __init__(self, remedies: TeslaRemedies, flags: VehicleFlags, reads: FreeReads, ways: VehicleWays) -> None:
        self._remedies = remedies
        self._flags = flags
        self._reads = reads
        self._ways = ways

    def of_kinds(self, account: VendorAccount, device: DeviceRecord, state: DeviceState) -> Found:
        """Return what blocks each kind of action that Tesla offers for a device, whatever its parameters.

        Called for each device of a page: what blocks several kinds is described once.
        """
        rows = [row for row in rows_for(device.kind) if row.way is not None]
        lacking = {rule: self.of_scopes(account, row) for rule, row in {row.scopes: row for row in rows}.items()}
        if device.kind == DeviceKind.DEVICE_KIND_VEHICLE:
            closed = self._of_whole_vehicle(account, device, state)
            return {row.kind: lacking[row.scopes] + (closed if _is_command(row) else []) for row in rows}
        newest = self._reads.newest(device, state)
        standing = standing_for_kinds([row.kind for row in rows], newest)
        shown = {condition for conditions in standing.values() for condition in conditions}
        told = {condition: self._of_condition(account, device, condition, newest) for condition in shown}
        return {row.kind: lacking[row.scopes] + [told[one] for one in standing[row.kind]] for row in rows}

    def _of_whole_vehicle(self, account: VendorAccount, device: DeviceRecord, state: DeviceState) -> list[Blocker]:
        shown = [one for one in VEHICLE_CONDITIONS if self._flags.is_set(device, state, one.flag)]
        blockers = self.of_vehicle(account, device, shown)
        if self._ways.known(device) is SIGNED:
            blockers += self.of_signing(account, device, self._ways.keys.known(device))
        return blockers

    def of_scopes(self, account: VendorAccount, row: ActionRow) -> list[Blocker]:
        """Return what the end user did not grant."""
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

    def suspected(self, device: DeviceRecord, state: DeviceState) -> list[VehicleCondition]:
        """Return the conditions that anything known of a vehicle shows, however old."""
        return [condition for condition in VEHICLE_CONDITIONS if self._flags.was_seen(device, state, condition.flag)]

    def of_vehicle(
        self, account: VendorAccount, device: DeviceRecord, conditions: Iterable[VehicleCondition]
    ) -> list[Blocker]:
        """Return conditions of a vehicle as blockers."""
        return [self._of_commands(account, device, condition.reason, condition.evidence) for condition in conditions]

    def of_signing(self, account: VendorAccount, device: DeviceRecord, key: KeyStatus) -> list[Blocker]:
        """Return why a vehicle that takes signed commands only would take none."""
        found: list[Blocker] = []
        if not self._ways.can_sign:
            reason, setting = Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED, "tesla.command_key_file"
            found.append(self._of_commands(account, device, reason, f"{setting} is empty", setting))
        if key.paired is False:
            evidence = "fleet_status: unpaired_vins has the vehicle"
            found.append(self._of_commands(account, device, Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, evidence))
            if key.keychain_full:
                full = f"fleet_status: total_number_of_keys={key.key_count}"
                found.append(self._of_commands(account, device, Reason.REASON_KEYCHAIN_FULL, full))
        return found

    def of_site(
        self, account: VendorAccount, device: DeviceRecord, conditions: Iterable[SiteCondition], state: DeviceState
    ) -> list[Blocker]:
        """Return conditions of a site as blockers."""
        return [self._of_condition(account, device, condition, state) for condition in conditions]

    def _of_condition(
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

    def _of_commands(
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


def _is_command(row: ActionRow) -> bool:
    return isinstance(row.way, VehicleCommand)
