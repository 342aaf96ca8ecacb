"""Merging an observation into the stored state, group by group.

A group is a message with an `observe_time`: `connectivity`, and each part of the values. It is replaced as a whole by
one that was observed later. The groups are found in the descriptor of `DeviceState`, so new ones need no change here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.state_pb2 import DeviceState

NANOSECONDS = 1_000_000_000
FUTURE_TOLERANCE_NS = 5 * 60 * NANOSECONDS
"""Clocks differ; a time further ahead than this is wrong and is set to now."""

# They say when something was observed, not what.
_OBSERVATION_TIMES = ("observe_time", "position_time")


def _is_group(field: FieldDescriptor) -> bool:
    return field.message_type is not None and "observe_time" in field.message_type.fields_by_name


_PATHS: dict[str, dict[str, str]] = {
    field.name: {part.name: f"{field.name}.{part.name}" for part in field.message_type.fields if _is_group(part)}
    for field in DeviceState.DESCRIPTOR.oneofs_by_name["values"].fields
    if field.message_type is not None
}

GROUPS = ("connectivity", *(path for paths in _PATHS.values() for path in paths.values()))
"""Paths of all groups, for example `connectivity` and `battery.energy`."""

VALUES_OF_KIND: dict[int, str] = {
    number: name.removeprefix("DEVICE_KIND_").lower() for name, number in DeviceKind.items() if number
}
"""The field of `DeviceState.values` that belongs to a kind of device."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of an observation."""

    state: DeviceState
    """The state after it. The stored message itself if nothing was taken over, else a new one."""
    changed: Sequence[str]
    """Paths of the groups whose values differ from before."""
    refreshed: bool
    """True if groups with unchanged values were seen again at a later time."""
    dropped: int
    """How many groups were older than the stored ones."""
    clamped: int
    """How many groups came from too far in the future."""


def merge(kind: DeviceKind.ValueType, stored: DeviceState, observed: DeviceState, now_ns: int) -> Merged:
    """Take over the groups of an observation that are not older than the stored ones.

    Neither message is changed. A group with the same values only gets the later time.

    Args:
        kind: the kind of the device.
        stored: the state so far.
        observed: the groups that were observed, nothing else.
        now_ns: the time, in nanoseconds since 1970.

    Raises:
        ValueError: the observation is of another kind of device or has no time, which is a defect of its source.
    """
    values = observed.WhichOneof("values")
    if values is not None and values != VALUES_OF_KIND[kind]:
        raise ValueError(f"{observed.device}: values of a {values} observed on a {VALUES_OF_KIND[kind]}")
    state = DeviceState()
    state.CopyFrom(stored)
    changed: list[str] = []
    refreshed = False
    dropped = clamped = 0
    for path, group in _groups(observed):
        observed_ns = _nanoseconds(group, observed.device, path)
        late = observed_ns > now_ns + FUTURE_TOLERANCE_NS
        if late:
            observed_ns = now_ns
            clamped += 1
        target, present = _target(state, path)
        stored_ns = _nanoseconds(target, observed.device, path) if present else -1
        if observed_ns < stored_ns:
            dropped += 1
            continue
        if not present or not _same_values(target, group):
            changed.append(path)
        elif observed_ns > stored_ns:
            refreshed = True
        target.CopyFrom(group)
        if late:
            _set_time(target.observe_time, now_ns)
    return Merged(state if changed or refreshed else stored, changed, refreshed, dropped, clamped)


def _groups(state: DeviceState) -> Iterator[tuple[str, Message]]:
    """Yield the groups that are present, with their paths."""
    if state.HasField("connectivity"):
        yield "connectivity", state.connectivity
    values = state.WhichOneof("values")
    if values is not None:
        paths = _PATHS[values]
        for field, part in getattr(state, values).ListFields():
            yield paths[field.name], part


def _target(state: DeviceState, path: str) -> tuple[Any, bool]:
    """Return the place of a group in a state, and whether it is present."""
    values, _, name = path.rpartition(".")
    parent: Any = getattr(state, values) if values else state
    return getattr(parent, name), parent.HasField(name)


def _nanoseconds(group: Any, device: str, path: str) -> int:
    if not group.HasField("observe_time"):
        raise ValueError(f"{device}: {path} was observed without observe_time")
    time = group.observe_time
    return int(time.seconds) * NANOSECONDS + int(time.nanos)


def _same_values(stored: Message, observed: Message) -> bool:
    """Compare two groups, leaving out when they were observed."""
    twin = type(observed)()
    twin.CopyFrom(observed)
    for name in _OBSERVATION_TIMES:
        if name not in twin.DESCRIPTOR.fields_by_name:
            continue
        if stored.HasField(name):
            getattr(twin, name).CopyFrom(getattr(stored, name))
        else:
            twin.ClearField(name)
    return twin == stored


def _set_time(time: Timestamp, now_ns: int) -> None:
    time.seconds, time.nanos = divmod(now_ns, NANOSECONDS)
