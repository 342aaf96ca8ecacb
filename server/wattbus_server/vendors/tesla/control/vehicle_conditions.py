"""What the owner or a workshop does to a vehicle as a whole that stands in the way of every command, one row each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from wattbus.v1.reason_pb2 import Reason

from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.control.free_reads import FreeReads
from wattbus_server.vendors.tesla.vehicle_flags import IN_SERVICE, MOBILE_ACCESS_DISABLED


@dataclass(frozen=True)
class VehicleCondition:
    """One row."""

    reason: Reason.ValueType
    flag: str
    """The flag of the vehicle that shows it."""
    read: Callable[[FreeReads, VendorAccount, DeviceRecord], Awaitable[bool]]
    """The free read that tells the flag."""

    @property
    def evidence(self) -> str:
        """The flag as Tesla tells it."""
        return f"{self.flag}=true"


VEHICLE_CONDITIONS = (
    VehicleCondition(Reason.REASON_VEHICLE_IN_SERVICE, IN_SERVICE, FreeReads.in_service),
    VehicleCondition(Reason.REASON_REMOTE_ACCESS_DISABLED, MOBILE_ACCESS_DISABLED, FreeReads.mobile_access_disabled),
)
