"""Single values of a device state by their path, for tables that name what they look at."""

from google.protobuf.message import Message
from wattbus.v1.state_pb2 import DeviceState

Value = bool | int | float | str


def value_at(state: DeviceState, path: str) -> Value | None:
    """Return the value at a path such as `vehicle.charge.limit_percent`; None if it is not known."""
    message: Message = state
    *groups, name = path.split(".")
    for group in groups:
        if not message.HasField(group):
            return None
        message = getattr(message, group)
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.has_presence:
        return getattr(message, name) if message.HasField(name) else None
    return getattr(message, name) or None


def number_at(state: DeviceState, path: str) -> float | None:
    """Return the number at a path; None if it is not known."""
    value = value_at(state, path)
    return None if value is None else float(value)


def told(state: DeviceState, path: str, value: Value | None) -> str:
    """Write a value the way evidence names it: without the kind of device, enums by name."""
    group: Message = state
    *groups, name = path.split(".")
    for part in groups:
        group = getattr(group, part)
    field = group.DESCRIPTOR.fields_by_name[name]
    short = path.split(".", 1)[1] if path.count(".") > 1 else path
    if value is None:
        return f"{short} is unknown"
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(int(value))
        return f"{short}={known.name if known else value}"
    if isinstance(value, bool):
        return f"{short}={str(value).lower()}"
    return f"{short}={value:g}" if isinstance(value, float) else f"{short}={value}"
