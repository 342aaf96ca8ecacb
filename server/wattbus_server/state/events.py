"""How states leave the server: events are encoded once and joined byte-wise into responses.

`WatchDeviceStatesResponse.events` is a repeated field, so a response is its encoded events one after the other, then
its other fields.
"""

import time

from google.protobuf.timestamp_pb2 import Timestamp
from wattbus.v1.device_service_pb2 import DeviceStateCause, DeviceStateEvent, WatchDeviceStatesResponse
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.state.entry import DeviceEntry
from wattbus_server.state.mask import StateMask
from wattbus_server.state.merge import NANOSECONDS
from wattbus_server.wire import length_delimited

CHANGE = DeviceStateCause.DEVICE_STATE_CAUSE_CHANGE
SNAPSHOT = DeviceStateCause.DEVICE_STATE_CAUSE_SNAPSHOT
REMOVED = DeviceStateCause.DEVICE_STATE_CAUSE_REMOVED

_EVENTS = WatchDeviceStatesResponse.DESCRIPTOR.fields_by_name["events"].number
_STATE = DeviceStateEvent.DESCRIPTOR.fields_by_name["state"].number


def event_body(state: DeviceState, encoded: bytes) -> bytes:
    """Encode what an event says to every watcher: device, revision and state."""
    head = DeviceStateEvent(device=state.device, revision=state.revision).SerializeToString()
    return head + length_delimited(_STATE, encoded)


def event(body: bytes, cause: DeviceStateCause.ValueType, merged: int) -> bytes:
    """Complete an event for one watcher, ready to be joined into a response."""
    return length_delimited(_EVENTS, body + DeviceStateEvent(cause=cause, merged_count=merged).SerializeToString())


def removal(device: str, revision: int, merged: int) -> bytes:
    """Encode the event that a device is gone, ready to be joined into a response."""
    return event(DeviceStateEvent(device=device, revision=revision).SerializeToString(), REMOVED, merged)


def closing(resume_token: str, *, in_sync: bool = False, reset: bool = False) -> bytes:
    """Encode the other fields of a response; alone it is a heartbeat."""
    seconds, nanos = divmod(time.time_ns(), NANOSECONDS)
    return WatchDeviceStatesResponse(
        resume_token=resume_token,
        in_sync=in_sync,
        reset=reset,
        server_time=Timestamp(seconds=seconds, nanos=nanos),
    ).SerializeToString()


class EventView:
    """The events of one mask, encoded once for each state and shared by all who watch with that mask."""

    def __init__(self, mask: StateMask) -> None:
        self._mask = mask
        # By device: the state that was encoded, its body, and the commonest event with it.
        self._encoded: dict[str, tuple[DeviceState, bytes, bytes]] = {}

    def event(self, entry: DeviceEntry, cause: DeviceStateCause.ValueType, merged: int) -> bytes:
        """Return the event with the newest state of a device, into which `merged` older changes went."""
        known = self._encoded.get(entry.name)
        # The hub replaces states and never changes them, so identity tells a new one.
        if known is None or known[0] is not entry.state:
            known = self._encode(entry)
        return known[2] if cause == CHANGE and not merged else event(known[1], cause, merged)

    def forget(self, device: str) -> None:
        """Drop what is kept for a device that is gone."""
        self._encoded.pop(device, None)

    def _encode(self, entry: DeviceEntry) -> tuple[DeviceState, bytes, bytes]:
        state = entry.state
        part = self._mask.cut(state).SerializeToString() if self._mask.paths else entry.encoded
        body = event_body(state, part)
        known = self._encoded[entry.name] = (state, body, event(body, CHANGE, 0))
        return known
