"""The shape of requests: which fields are required, what they look like, and their bounds.

The rules are a table by message. What they cannot know (does the device exist, can it do this) is checked later. Fields
and enum values that this server does not know are refused everywhere: what is not understood cannot be honoured.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from wattbus.v1 import action_pb2, admin_service_pb2, connection_service_pb2, device_service_pb2
from wattbus.v1.command_pb2 import WakePolicy

from wattbus_server.problem import FieldViolation, field_invalid

Check = Callable[[Any], str | None]
"""Returns what is wrong with a value, or None."""

MAXIMUM_NAMES = 1000
MAXIMUM_TOKEN_CHARACTERS = 2048


@dataclass(frozen=True)
class Rule:
    """What one field of a message must be."""

    field: str
    check: Check = lambda value: None
    required: bool = False
    agrees: Check = lambda message: None
    """Looks at the whole message: whether the field agrees with the others."""


@dataclass(frozen=True)
class _Form:
    """What is looked at in the messages of one type, worked out once."""

    rules: Sequence[tuple[Rule, Callable[[Message], bool], bool]]
    """Each rule, how to see whether its field is set, and whether the field has a value to check."""
    nested: Sequence[FieldDescriptor]
    """Fields that hold enum values or messages of ours."""


def validate(request: Message) -> None:
    """Check a request, everything at once.

    Raises:
        Problem: FIELD_INVALID with every violation.
    """
    violations: list[FieldViolation] = []
    _examine(request, "", violations)
    if violations:
        raise field_invalid(*violations)


def _examine(message: Message, path: str, violations: list[FieldViolation]) -> None:
    unknown = UnknownFieldSet(message)
    for index in range(len(unknown)):
        violations.append(
            FieldViolation(f"{path}#{unknown[index].field_number}", "this server does not know this field")
        )
    form = _form(message.DESCRIPTOR)
    for rule, is_set, has_value in form.rules:
        complaint = None
        if not is_set(message):
            complaint = "is required" if rule.required else None
        elif has_value:
            complaint = rule.check(getattr(message, rule.field)) or rule.agrees(message)
        if complaint is not None:
            violations.append(FieldViolation(f"{path}{rule.field}", complaint))
    for field in form.nested:
        _examine_field(message, field, path, violations)


def _examine_field(message: Message, field: FieldDescriptor, path: str, violations: list[FieldViolation]) -> None:
    name = field.name
    if field.is_repeated:
        values = [(f"{path}{name}[{index}]", value) for index, value in enumerate(getattr(message, name))]
    elif not field.has_presence or message.HasField(name):
        values = [(f"{path}{name}", getattr(message, name))]
    else:
        return
    for value_path, value in values:
        if field.enum_type is None:
            _examine(value, f"{value_path}.", violations)
        elif value not in field.enum_type.values_by_number:
            violations.append(FieldViolation(value_path, f"{value} is no value of {field.enum_type.name}"))


@cache
def _form(descriptor: Descriptor) -> _Form:
    rules = [
        (rule, _presence(descriptor, rule.field), rule.field not in descriptor.oneofs_by_name)
        for rule in RULES.get(descriptor.full_name, ())
    ]
    return _Form(rules, [field for field in descriptor.fields if _is_nested(field)])


def _presence(descriptor: Descriptor, name: str) -> Callable[[Message], bool]:
    if name in descriptor.oneofs_by_name:
        return lambda message: message.WhichOneof(name) is not None
    if descriptor.fields_by_name[name].has_presence:
        return lambda message: message.HasField(name)
    return lambda message: bool(getattr(message, name))


def _is_nested(field: FieldDescriptor) -> bool:
    if field.enum_type is not None:
        return True
    return field.message_type is not None and field.message_type.file.package.startswith("wattbus.")


def matches(pattern: str, example: str) -> Check:
    """Require a text of this form."""
    compiled = re.compile(pattern)

    def check(value: str) -> str | None:
        return None if compiled.fullmatch(value) else f"must look like {example}"

    return check


def between(minimum: float, maximum: float, unit: str) -> Check:
    """Require a number in a range, bounds included; not-a-number is outside of every range."""

    def check(value: float) -> str | None:
        return None if minimum <= value <= maximum else f"must be {minimum:g} to {maximum:g} {unit}"

    return check


def duration_between(minimum: float, maximum: float) -> Check:
    """Require a duration in a range of seconds, bounds included."""

    def check(value: Duration) -> str | None:
        seconds = value.seconds + value.nanos / 1e9
        return None if minimum <= seconds <= maximum else f"must be {minimum:g} to {maximum:g} seconds"

    return check


def at_most(limit: int) -> Check:
    """Require at most this many characters or items."""

    def check(value: Sequence[object]) -> str | None:
        return None if len(value) <= limit else f"must have at most {limit} characters or items"

    return check


def each(check_item: Check, limit: int) -> Check:
    """Require a bounded list whose items all pass a check."""

    def check(values: Sequence[Any]) -> str | None:
        if len(values) > limit:
            return f"must have at most {limit} items"
        complaints = (
            f"item {index} {complaint}" for index, item in enumerate(values) if (complaint := check_item(item))
        )
        return next(complaints, None)

    return check


def not_negative(value: int) -> str | None:
    """Require a number that is not negative."""
    return None if value >= 0 else "must not be negative"


def specified(value: int) -> str | None:
    """Require an enum value other than the unspecified one."""
    return None if value else "must be specified"


_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_VISIBLE_ASCII = re.compile(r"[!-~]+")


def return_address(value: str) -> str | None:
    """Require an absolute https URL; http only on loopback. Browsers are sent there, and headers name its host."""
    if len(value) > MAXIMUM_TOKEN_CHARACTERS:
        return f"must have at most {MAXIMUM_TOKEN_CHARACTERS} characters"
    if not _VISIBLE_ASCII.fullmatch(value):
        return "must be written in ASCII without spaces: hosts in punycode, the rest percent-encoded"
    try:
        parts = urlsplit(value)
        port = f":{parts.port}" if parts.port is not None else ""
        host = parts.hostname or ""
    except ValueError:
        return "must be an absolute https URL"
    secure = parts.scheme == "https" or (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1"))
    plain = _HOST.fullmatch(parts.netloc.removesuffix(port)) is not None
    return None if secure and plain else "must be an absolute https URL"


DEVICE = matches(r"devices/[a-z0-9]{1,48}", "devices/{device}")
DEVICE_OR_ANY = matches(r"devices/(-|[a-z0-9]{1,48})", "devices/{device} or devices/-")
COMMAND = matches(r"devices/[a-z0-9]{1,48}/commands/[a-z0-9]{1,48}", "devices/{device}/commands/{command}")
CONNECTION = matches(r"connections/[a-z0-9]{1,48}", "connections/{connection}")
LINK_SESSION = matches(r"linkSessions/[a-z0-9]{1,48}", "linkSessions/{link_session}")
TENANT = matches(r"tenants/[a-z0-9]{1,48}", "tenants/{tenant}")
API_KEY = matches(r"tenants/[a-z0-9]{1,48}/apiKeys/[a-z0-9]{1,48}", "tenants/{tenant}/apiKeys/{api_key}")
REQUEST_ID = matches(r"[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, `-` and `_`")
LOCALE = matches(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", "de-DE")
USER_ID = at_most(256)
TOKEN = at_most(MAXIMUM_TOKEN_CHARACTERS)
DISPLAY_NAME = at_most(100)
HEARTBEAT = duration_between(1, 300)
TEMPERATURE = between(15, 28, "degrees Celsius")

PAGE = (Rule("page_size", not_negative), Rule("page_token", TOKEN))


def _name(check: Check, field: str = "name") -> tuple[Rule, ...]:
    return (Rule(field, check, required=True),)


def _wakes_as_allowed(request: Any) -> str | None:
    contradicts = request.action.HasField("wake") and request.wake_policy == WakePolicy.WAKE_POLICY_NEVER
    return "contradicts the action wake" if contradicts else None


_COMMAND_REQUEST = (
    *_name(DEVICE, "parent"),
    Rule("action", required=True),
    Rule("wake_policy", agrees=_wakes_as_allowed),
)

_RULES_BY_TYPE: Mapping[type[Message], Sequence[Rule]] = {
    device_service_pb2.DeviceSelection: (
        Rule("devices", each(DEVICE, MAXIMUM_NAMES)),
        Rule("connection", CONNECTION),
        Rule("external_user_id", USER_ID),
        Rule("kinds", each(specified, 16)),
    ),
    device_service_pb2.ListDevicesRequest: PAGE,
    device_service_pb2.GetDeviceRequest: _name(DEVICE),
    device_service_pb2.GetDeviceStateRequest: _name(DEVICE),
    device_service_pb2.BatchGetDeviceStatesRequest: (Rule("names", each(DEVICE, MAXIMUM_NAMES), required=True),),
    device_service_pb2.RefreshDeviceStateRequest: _name(DEVICE),
    device_service_pb2.CheckCommandRequest: _COMMAND_REQUEST,
    device_service_pb2.CreateCommandRequest: (
        *_COMMAND_REQUEST,
        Rule("request_id", REQUEST_ID),
        Rule("wait_duration", duration_between(0, 30)),
        Rule("time_to_live", duration_between(1, 24 * 3600)),
    ),
    device_service_pb2.GetCommandRequest: _name(COMMAND),
    device_service_pb2.ListCommandsRequest: (
        *_name(DEVICE_OR_ANY, "parent"),
        Rule("states", each(specified, 32)),
        *PAGE,
    ),
    device_service_pb2.CancelCommandRequest: _name(COMMAND),
    device_service_pb2.ListBlockersRequest: PAGE,
    device_service_pb2.WatchDeviceStatesRequest: (
        Rule("resume_token", TOKEN),
        Rule("heartbeat_interval", HEARTBEAT),
        Rule("minimum_interval", duration_between(0, 3600)),
    ),
    device_service_pb2.WatchCommandsRequest: (Rule("resume_token", TOKEN), Rule("heartbeat_interval", HEARTBEAT)),
    device_service_pb2.WatchBlockersRequest: (Rule("heartbeat_interval", HEARTBEAT),),
    connection_service_pb2.CreateLinkSessionRequest: (
        Rule("external_user_id", USER_ID, required=True),
        Rule("access", each(specified, 16), required=True),
        Rule("return_url", return_address),
        Rule("time_to_live", duration_between(60, 7 * 24 * 3600)),
        Rule("locale", LOCALE),
        Rule("connection", CONNECTION),
        Rule("request_id", REQUEST_ID),
    ),
    connection_service_pb2.GetLinkSessionRequest: _name(LINK_SESSION),
    connection_service_pb2.GetConnectionRequest: _name(CONNECTION),
    connection_service_pb2.ListConnectionsRequest: (Rule("external_user_id", USER_ID), *PAGE),
    connection_service_pb2.SyncConnectionRequest: _name(CONNECTION),
    connection_service_pb2.DeleteConnectionRequest: _name(CONNECTION),
    admin_service_pb2.CreateTenantRequest: (Rule("display_name", DISPLAY_NAME, required=True),),
    admin_service_pb2.ListTenantsRequest: PAGE,
    admin_service_pb2.CreateApiKeyRequest: (*_name(TENANT, "parent"), Rule("display_name", DISPLAY_NAME)),
    admin_service_pb2.ListApiKeysRequest: (*_name(TENANT, "parent"), *PAGE),
    admin_service_pb2.RevokeApiKeyRequest: _name(API_KEY),
    action_pb2.Action: (Rule("action", required=True),),
    action_pb2.SetChargeLimit: (Rule("limit_percent", between(50, 100, "percent"), required=True),),
    action_pb2.SetChargingCurrent: (Rule("current_amps", between(1, 80, "amperes"), required=True),),
    action_pb2.SetClimateTemperature: (
        Rule("driver_temperature_celsius", TEMPERATURE, required=True),
        Rule("passenger_temperature_celsius", TEMPERATURE),
    ),
    action_pb2.SetSentryMode: (Rule("enabled", required=True),),
    action_pb2.SetBatteryMode: (Rule("mode", required=True),),
    action_pb2.SetBackupReserve: (Rule("reserve_percent", between(0, 100, "percent"), required=True),),
    action_pb2.SetExportRule: (Rule("rule", required=True),),
    action_pb2.SetGridCharging: (Rule("allowed", required=True),),
    action_pb2.SetStormWatch: (Rule("enabled", required=True),),
    action_pb2.DispatchBattery: (
        Rule("goal", required=True),
        Rule("lease_duration", duration_between(60, 24 * 3600), required=True),
    ),
    action_pb2.ChargeBattery: (
        Rule("until_charge_percent", between(0, 100, "percent")),
        Rule("power_w", between(1, 1e6, "watts")),
    ),
    action_pb2.DischargeBattery: (
        Rule("until_charge_percent", between(0, 100, "percent")),
        Rule("power_w", between(1, 1e6, "watts")),
    ),
}

RULES: Mapping[str, Sequence[Rule]] = {
    message_type.DESCRIPTOR.full_name: rules for message_type, rules in _RULES_BY_TYPE.items()
}
