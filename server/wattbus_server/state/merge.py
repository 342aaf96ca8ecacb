"""Merging an observation into the stored state, group by group.

A group is a message with an `observe_time`: `connectivity`, and each part of the values. It is replaced as a whole by
one that was observed later. The groups are found in the descriptor of `DeviceState`, so new ones need no change here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.state_pb2 import DeviceState

NANOSECONDS = 1_000_000_000
FUTURE_TOLERANCE_NS = 5 * 60 * NANOSECONDS
"""Clocks differ; a time further ahead than this is wrong and is set to now."""


def _is_group(field: FieldDescriptor) -> bool:
    return field.message_type is not None and "observe_time" in field.message_type.fields_by_name


_PATHS: dict[str, dict[str, str]] = {
    field.name: {part.name: f"{field.name}.{part.name}" for part in field.message_type.fields if _is_group(part)}
    for field in DeviceState.DESCRIPTOR.oneofs_by_name["values"].fields
    if field.message_type is not None
}

_PLACES = {"connectivity": ("", "connectivity")} | {
    path: (values, name) for values, paths in _PATHS.items() for name, path in paths.items()
}

# They say when something was observed, not what.
_OTHER_TIMES = {"vehicle.drive": "position_time"}

GROUPS = ("connectivity", *(path for paths in _PATHS.values() for path in paths.values()))
"""Paths of all groups, for example `connectivity` and `battery.energy`."""

VALUES_OF_KIND: dict[int, str] = {
    number: name.removeprefix("DEVICE_KIND_").lower() for name, number in DeviceKind.items() if number
}
"""The field of `DeviceState.values` that belongs to a kind of device."""


@dataclass(slots=True)
class Merged:
    """What became of an observation."""

    state: DeviceState
    """The state after it. The stored message itself if nothing was taken over, else a new one."""
    changed: list[str] = field(default_factory=list)
    """Paths of the groups whose values differ from before."""
    refreshed: bool = False
    """True if groups with unchanged values were seen again at a later time."""
    dropped: int = 0
    """How many groups were older than the stored ones."""
    clamped: int = 0
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
    merged = Merged(DeviceState())
    merged.state.CopyFrom(stored)
    for path, group in _groups(observed):
        if not group.HasField("observe_time"):
            raise ValueError(f"{observed.device}: {path} was observed without observe_time")
        _merge_group(merged, path, group, now_ns)
    if not merged.changed and not merged.refreshed:
        merged.state = stored
    return merged


def _groups(state: DeviceState) -> Iterator[tuple[str, Any]]:
    """Yield the groups that are present, with their paths."""
    if state.HasField("connectivity"):
        yield "connectivity", state.connectivity
    values = state.WhichOneof("values")
    if values is not None:
        paths = _PATHS[values]
        for part, group in getattr(state, values).ListFields():
            yield paths[part.name], group


def _merge_group(merged: Merged, path: str, group: Any, now_ns: int) -> None:
    values, name = _PLACES[path]
    parent: Any = getattr(merged.state, values) if values else merged.state
    present = parent.HasField(name)
    target = getattr(parent, name)
    observed_ns = _nanoseconds(group)
    late = observed_ns > now_ns + FUTURE_TOLERANCE_NS
    if late:
        merged.clamped += 1
        observed_ns = now_ns
    stored_ns = _nanoseconds(target) if present else -1
    if observed_ns < stored_ns:
        merged.dropped += 1
    elif present and _differs_in_time_only(target, group, path):
        merged.refreshed = merged.refreshed or observed_ns > stored_ns
    else:
        target.CopyFrom(group)
        merged.changed.append(path)
    if late and observed_ns >= stored_ns:
        target.observe_time.seconds, target.observe_time.nanos = divmod(now_ns, NANOSECONDS)


def _differs_in_time_only(target: Any, group: Any, path: str) -> bool:
    """Give the stored group the times of the observed one and say whether that makes them equal."""
    target.observe_time.CopyFrom(group.observe_time)
    other_time = _OTHER_TIMES.get(path)
    if other_time is not None:
        target.ClearField(other_time)
        if group.HasField(other_time):
            getattr(target, other_time).CopyFrom(getattr(group, other_time))
    return bool(target == group)


def _nanoseconds(group: Any) -> int:
    time: Timestamp = group.observe_time
    return time.seconds * NANOSECONDS + time.nanos
