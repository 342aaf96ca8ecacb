"""Advice on what concerns any device."""

from collections.abc import Mapping

from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.vendors.tesla.advice.rows import AdviceRow, RemedyRow

_CHOOSE_OTHER = RemedyRow(
    Actor.ACTOR_CALLER, "Your call", ("Use another device or another action.",), "It does not change for this device."
)
DEVICE_ADVICE: Mapping[Reason.ValueType, AdviceRow] = {
    Reason.REASON_DEVICE_OFFLINE: AdviceRow(
        "The device has no connection to Tesla.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                "At the device",
                ("Make sure that it has power and mobile reception, Wi-Fi or Ethernet.",),
                "The server reads it (not billed) about every {interval}.",
            ),
        ),
    ),
    Reason.REASON_OUTCOME_UNKNOWN: AdviceRow(
        "The command may or may not have run.",
        (
            RemedyRow(
                Actor.ACTOR_CALLER,
                "Your call",
                ("Read the device's state before you send the command again.",),
                "The server reads the device's state back.",
            ),
        ),
    ),
    Reason.REASON_NOT_SUPPORTED_BY_DEVICE: AdviceRow(
        "This device cannot do {action}.", (_CHOOSE_OTHER,), metadata=("action",)
    ),
    Reason.REASON_NOT_EXPOSED_BY_VENDOR: AdviceRow(
        "Tesla's interface does not offer {action}.", (_CHOOSE_OTHER,), metadata=("action",)
    ),
    Reason.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE: AdviceRow(
        "The value of {parameter} is outside what this device accepts.",
        (
            RemedyRow(
                Actor.ACTOR_CALLER,
                "Your call",
                ("Use a value within the parameter bounds of the device's capability.",),
                "The server checks the value of every command.",
            ),
        ),
        metadata=("parameter", "minimum", "maximum"),
    ),
}
"""What concerns any device."""
