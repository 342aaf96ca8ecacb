"""Capabilities: what a device can do, with the bounds of the parameters that it tells."""

from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.device_pb2 import Availability, Capability
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.vendors.contract import DeviceRecord
from wattbus_server.vendors.tesla.control.action_row import ActionRow
from wattbus_server.vendors.tesla.control.actions import rows_for
from wattbus_server.vendors.tesla.control.state_values import value_at


def capabilities_of(device: DeviceRecord, state: DeviceState) -> list[Capability]:
    """List the actions of a device, in the order of the contract. What blocks them is added by the caller."""
    return [
        Capability(
            action=row.kind,
            availability=_availability(row, state),
            parameter_bounds=[bound.described(state) for bound in row.bounds],
        )
        for row in rows_for(device.kind)
    ]


def _availability(row: ActionRow, state: DeviceState) -> Availability.ValueType:
    storm_watch = row.kind == ActionKind.ACTION_KIND_SET_STORM_WATCH
    if row.way is None or (storm_watch and value_at(state, "battery.settings.storm_watch_supported") is False):
        return Availability.AVAILABILITY_UNSUPPORTED
    return Availability.AVAILABILITY_AVAILABLE
