"""What the hub keeps for one device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.vendors.contract import DeviceRecord

if TYPE_CHECKING:
    from wattbus_server.state.audience import Audience


class DeviceEntry:
    """A device, its newest state, and who watches it."""

    __slots__ = ("_encoded", "audiences", "name", "record", "state")

    def __init__(self, record: DeviceRecord, state: DeviceState) -> None:
        self.name = record.name
        self.record = record
        self.state = state
        """The newest state. `replace` puts another message in its place; the message itself never changes."""
        self.audiences: dict[Audience, None] = {}
        """Those whose selection holds the device."""
        self._encoded: bytes | None = None

    def replace(self, state: DeviceState) -> None:
        """Make this the newest state."""
        self.state = state
        self._encoded = None

    @property
    def encoded(self) -> bytes:
        """The newest state, serialised once, when it is first asked for."""
        if self._encoded is None:
            self._encoded = self.state.SerializeToString()
        return self._encoded
