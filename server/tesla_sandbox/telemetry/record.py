"""One record as the telemetry server hands it to its outputs, in protobuf or JSON.

Source: teslamotors/fleet-telemetry, its protos and its documentation of the dispatchers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


class RecordType(StrEnum):
    """The kinds of records, spelled as in topic names."""

    VEHICLE_DATA = "V"
    ALERTS = "alerts"
    ERRORS = "errors"
    CONNECTIVITY = "connectivity"


@dataclass(frozen=True, slots=True)
class TelemetryRecord:
    """One record of one car.

    Attributes:
        record_type: What `message` is.
        vin: The car.
        message: `Payload`, `VehicleAlerts`, `VehicleErrors` or `VehicleConnectivity`.
    """

    record_type: RecordType
    vin: str
    message: Message

    def protobuf(self) -> bytes:
        """The record in protobuf's wire format."""
        return self.message.SerializeToString(deterministic=True)

    def json(self) -> bytes:
        """The record as the server decodes it: protobuf's JSON with unset fields written out."""
        return json.dumps(_written_out(self.message), separators=(",", ":")).encode()


def timestamp(moment: float) -> Timestamp:
    """A moment (unix seconds) with the precision of a microsecond."""
    stamp = Timestamp()
    stamp.FromMicroseconds(round(moment * 1_000_000))
    return stamp


def _written_out(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = MessageToDict(message, always_print_fields_with_no_presence=True)
    _add_nulls(message, shown)
    return shown


def _add_nulls(message: Message, shown: dict[str, Any]) -> None:
    """Show unset messages as null, which the server's JSON does and this library's does not."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None or field.containing_oneof is not None:
            continue
        if field.is_repeated:
            parts = getattr(message, field.name)
            if not isinstance(parts, Mapping):
                for part, rendered in zip(parts, shown[field.json_name], strict=True):
                    _add_nulls(part, rendered)
        elif not message.HasField(field.name):
            shown[field.json_name] = None
