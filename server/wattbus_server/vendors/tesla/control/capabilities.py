"""Capabilities: what a device can do, with the bounds of its parameters, and what is known to block it."""

from collections.abc import Sequence

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.device_pb2 import Availability, Capability
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.control.action_row import ActionRow
from wattbus_server.vendors.tesla.control.actions import rows_for
from wattbus_server.vendors.tesla.control.known_blockers import KnownBlockers


def capabilities_of(
    known: KnownBlockers, account: VendorAccount, device: DeviceRecord, state: DeviceState
) -> list[Capability]:
    """List the actions of a device, in the order of the contract, by memory alone."""
    found = known.of_kinds(account, device, state)
    return [_capability(row, state, found.get(row.kind, ())) for row in rows_for(device.kind)]


def _capability(row: ActionRow, state: DeviceState, blockers: Sequence[Blocker]) -> Capability:
    capability = Capability(action=row.kind, parameter_bounds=[bound.described(state) for bound in row.bounds])
    if row.way is None or any(blocker.reason == Reason.REASON_NOT_SUPPORTED_BY_DEVICE for blocker in blockers):
        capability.availability = Availability.AVAILABILITY_UNSUPPORTED
    elif blockers:
        capability.availability = Availability.AVAILABILITY_BLOCKED
        capability.blockers.extend(blockers)
    else:
        capability.availability = Availability.AVAILABILITY_AVAILABLE
    return capability
