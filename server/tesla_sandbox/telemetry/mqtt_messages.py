"""A record as messages for MQTT: one topic per field, alert, error and connection, with JSON values.

Source: teslamotors/fleet-telemetry, documentation and behaviour of the dispatcher mqtt.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tesla_protocol.telemetry.vehicle_alert_pb2 import Audience, VehicleAlert, VehicleAlerts
from tesla_protocol.telemetry.vehicle_connectivity_pb2 import ConnectivityEvent, VehicleConnectivity
from tesla_protocol.telemetry.vehicle_data_pb2 import Field, Payload, Value
from tesla_protocol.telemetry.vehicle_error_pb2 import VehicleErrors

from tesla_sandbox.telemetry.record import TelemetryRecord

_WHOLE_MESSAGES = {"location_value", "door_value"}
"""Arms whose parts are all shown; of others only those that are set."""


def messages(record: TelemetryRecord, base: str) -> Iterator[tuple[str, bytes]]:
    """Topic and payload of every message that a record becomes."""
    for path, value in _values(record.message):
        yield f"{base}/{record.vin}/{path}", json.dumps(value, separators=(",", ":")).encode()


def _values(message: Message) -> Iterator[tuple[str, object]]:
    match message:
        case Payload():
            yield from ((f"v/{Field.Name(datum.key)}", plain_value(datum.value)) for datum in message.data)
        case VehicleAlerts():
            yield from _alerts(message)
        case VehicleErrors():
            for error in message.errors:
                shown = {"Name": error.name, "Body": error.body, "Tags": dict(error.tags)}
                yield f"errors/{error.name}", {**shown, "CreatedAt": _moment(error.created_at)}
        case VehicleConnectivity():
            yield (
                "connectivity",
                {
                    "ConnectionId": message.connection_id,
                    "Status": ConnectivityEvent.Name(message.status),
                    "CreatedAt": _moment(message.created_at),
                },
            )


def plain_value(value: Value) -> object:
    """The value of a field as bare JSON: a number, a text, an object, or null for `invalid`."""
    arm = value.WhichOneof("value")
    if arm is None or arm == "invalid":
        return None
    held = getattr(value, arm)
    if isinstance(held, Message):
        return _plain_message(held, whole=arm in _WHOLE_MESSAGES)
    enum = Value.DESCRIPTOR.fields_by_name[arm].enum_type
    return held if enum is None else enum.values_by_number[held].name


def _plain_message(message: Message, *, whole: bool) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=whole)


def _alerts(message: VehicleAlerts) -> Iterator[tuple[str, object]]:
    history: dict[str, list[VehicleAlert]] = defaultdict(list)
    for alert in message.alerts:
        history[alert.name].append(alert)
    for name, alerts in history.items():
        latest = max(alerts, key=lambda alert: alert.started_at.ToNanoseconds())
        yield f"alerts/{name}/current", _alert(latest)
    for name, alerts in history.items():
        yield f"alerts/{name}/history", [_alert(alert) for alert in alerts]


def _alert(alert: VehicleAlert) -> dict[str, object]:
    shown: dict[str, object] = {"Name": alert.name}
    if alert.HasField("started_at"):
        shown["StartedAt"] = _moment(alert.started_at)
    if alert.HasField("ended_at"):
        shown["EndedAt"] = _moment(alert.ended_at)
    return {**shown, "Audiences": [Audience.Name(audience) for audience in alert.audiences]}


def _moment(stamp: Timestamp) -> str:
    """RFC 3339 in whole seconds, as that server writes times for MQTT."""
    return stamp.ToDatetime(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
