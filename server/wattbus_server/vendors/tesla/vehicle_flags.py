"""Flags of vehicles: whether one is in service, and whether its owner switched mobile access off.

Several answers of Tesla tell them: the list of products, which is read every minute, a vehicle's record and its full
data. What was told last counts.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.vendors.contract import DeviceRecord
from wattbus_server.vendors.tesla.normalize.fields import lookup

IN_SERVICE = "in_service"
"""The vehicle is in service."""
MOBILE_ACCESS_DISABLED = "mobile_access_disabled"
"""The owner switched mobile access off. Only the list of products tells it."""

IN_PRODUCTS = (IN_SERVICE, MOBILE_ACCESS_DISABLED)
IN_RECORD = (IN_SERVICE,)

_MEMORY_LIMIT = 100_000


class VehicleFlags:
    """Remembers what answers told since the last discovery, which keeps its own as vendor facts of the device."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], tuple[datetime, bool]] = {}

    def note(self, connection: str, vin: str, body: object, flags: Collection[str]) -> None:
        """Remember what an answer says of a vehicle; a flag that it leaves out is not set.

        Args:
            connection: whose answer it is.
            vin: the vehicle.
            body: its entry in the list of products, or its record.
            flags: those that such an answer tells.
        """
        if len(self._told) >= _MEMORY_LIMIT:
            self._told.clear()
        now = datetime.now(UTC)
        for flag in flags:
            self._told[connection, vin, flag] = (now, lookup(body, flag) is True)

    def is_set(self, device: DeviceRecord, state: DeviceState, flag: str) -> bool:
        """Say whether a flag is set by what was told last; no if nobody told."""
        return max(self._sightings(device, state, flag), default=(None, False))[1]

    def was_seen(self, device: DeviceRecord, state: DeviceState, flag: str) -> bool:
        """Say whether anything known shows a flag, however old."""
        return any(shown for _, shown in self._sightings(device, state, flag))

    def _sightings(self, device: DeviceRecord, state: DeviceState, flag: str) -> Iterator[tuple[datetime, bool]]:
        """Yield what is known of a flag, with the time when it was told."""
        if (told := self._told.get((device.connection, device.vendor_id, flag))) is not None:
            yield told
        if flag in device.vendor_facts:
            yield device.discover_time, device.vendor_facts[flag] == "true"
        if flag == IN_SERVICE and state.vehicle.information.HasField("in_service"):
            information = state.vehicle.information
            yield information.observe_time.ToDatetime(UTC), information.in_service
