"""Advice on what concerns any device."""

from collections.abc import Mapping

from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.vendors.tesla.advice import notice
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
                notice.POLL,
            ),
        ),
        lasts=False,
    ),
    Reason.REASON_OUTCOME_UNKNOWN: AdviceRow(
        "The command may or may not have run.",
        (
            RemedyRow(
                Actor.ACTOR_CALLER,
                "Your call",
                ("Read the device's state before you send the command again.",),
                "The server watches the device for some minutes; what that proves, the command shows.",
            ),
        ),
        lasts=False,
    ),
    Reason.REASON_RESOURCE_NOT_FOUND: AdviceRow(
        "Tesla does not list the device for this account any more.",
        (
            RemedyRow(
                Actor.ACTOR_CALLER,
                "Your call",
                (
                    "Call ConnectionService.SyncConnection: a device that left the account disappears.",
                    "If another account has it now, send that end user a link session.",
                ),
                "The server lists the account's products (not billed) whenever it discovers devices.",
            ),
        ),
        metadata=("resource_type", "resource_name"),
        lasts=False,
    ),
    Reason.REASON_NOT_SUPPORTED_BY_DEVICE: AdviceRow(
        "This device cannot do {action}.", (_CHOOSE_OTHER,), metadata=("action",), lasts=False
    ),
    Reason.REASON_NOT_EXPOSED_BY_VENDOR: AdviceRow(
        "Tesla's interface does not offer {action}.", (_CHOOSE_OTHER,), metadata=("action",), lasts=False
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
        metadata=("parameter", "minimum", "maximum", "gap_start", "gap_end"),
        lasts=False,
    ),
}
"""What concerns any device."""
