"""What the hub keeps for one device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.vendors.contract import DeviceRecord

if TYPE_CHECKING:
    from wattbus_server.state.audience import Audience


class DeviceEntry:
    """A device, its newest state, and who watches it."""

    __slots__ = ("_encoded", "_state", "audiences", "name", "record")

    def __init__(self, record: DeviceRecord, state: DeviceState) -> None:
        self.name = record.name
        self.record = record
        self.audiences: dict[Audience, None] = {}
        """Those whose selection holds the device."""
        self._state = state
        self._encoded: bytes | None = None

    @property
    def state(self) -> DeviceState:
        """The newest state. The message is replaced by a change, never changed."""
        return self._state

    @state.setter
    def state(self, state: DeviceState) -> None:
        self._state = state
        self._encoded = None

    @property
    def encoded(self) -> bytes:
        """The newest state, serialised once, when it is first asked for."""
        if self._encoded is None:
            self._encoded = self._state.SerializeToString()
        return self._encoded
