"""Advice on what concerns one vehicle.

Sources: Tesla Fleet API documentation, virtual-keys/developer-guide and vehicle-endpoints.
"""

from collections.abc import Mapping

from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.vendors.tesla.advice import notice
from wattbus_server.vendors.tesla.advice.rows import AdviceRow, RemedyRow

VEHICLE_ADVICE: Mapping[Reason.ValueType, AdviceRow] = {
    Reason.REASON_VIRTUAL_KEY_NOT_PAIRED: AdviceRow(
        "The virtual key of {domain} is not on the vehicle.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                "Tesla app on the phone of the vehicle's owner",
                (
                    "Open the link on the phone that has the Tesla app.",
                    "Choose the vehicle and approve the key. The vehicle must be online.",
                ),
                notice.KEY + " A new key can take a moment to show.",
                "{pairing_page}",
            ),
        ),
        metadata=("vin", "domain"),
    ),
    Reason.REASON_VIRTUAL_KEY_DISABLED: AdviceRow(
        "The virtual key of {domain} is on the vehicle but disabled.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                "Vehicle's screen, Controls, Locks",
                (
                    "Remove the key of this application from the list.",
                    "Open the link on the phone that has the Tesla app and approve the key again.",
                ),
                notice.NEXT_TRY,
                "{pairing_page}",
            ),
        ),
    ),
    Reason.REASON_KEYCHAIN_FULL: AdviceRow(
        "The vehicle holds as many keys as it can.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                "Vehicle's screen, Controls, Locks",
                (
                    "Delete a key that nobody uses; a vehicle holds at most 20.",
                    "Open the link on the phone that has the Tesla app and approve the key of this application.",
                ),
                notice.KEY,
                "{pairing_page}",
            ),
        ),
    ),
    Reason.REASON_REMOTE_ACCESS_DISABLED: AdviceRow(
        "Mobile access is switched off in the vehicle.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                "Vehicle's screen, Controls, Safety",
                ("Switch on Allow Mobile Access.",),
                notice.ACCOUNT,
            ),
        ),
    ),
    Reason.REASON_VEHICLE_REFUSED: AdviceRow(
        "The vehicle answered no: {vendor_reason}.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                "At the vehicle",
                ("Look at what the vehicle shows, then try again.",),
                notice.NEXT_TRY,
            ),
        ),
        metadata=("vendor_reason",),
        lasts=False,
    ),
    Reason.REASON_VEHICLE_IN_SERVICE: AdviceRow(
        "The vehicle is in service mode or at a service centre.",
        (RemedyRow(Actor.ACTOR_NOBODY, "Tesla service", ("Wait until the service has ended.",), notice.RECORD),),
    ),
    Reason.REASON_KEY_ROLE_INSUFFICIENT: AdviceRow(
        "The role of the virtual key, or the present state of the vehicle, does not allow this action.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                "Vehicle's screen, Controls, Locks",
                (
                    "Park the vehicle and leave valet or service mode, then try again.",
                    "If it still refuses, delete the key of this application and pair it again as the owner.",
                ),
                notice.NEXT_TRY,
                "{pairing_page}",
            ),
        ),
    ),
    Reason.REASON_VEHICLE_ASLEEP: AdviceRow(
        "The vehicle is asleep or offline.",
        (
            RemedyRow(
                Actor.ACTOR_CALLER,
                "Your call",
                (
                    "Send the command again and let it wake the vehicle (wake_policy WAKE_POLICY_IF_ASLEEP).",
                    "To read it, send the action wake first.",
                ),
                notice.POLL,
            ),
            RemedyRow(
                Actor.ACTOR_END_USER,
                "Tesla app or at the vehicle",
                ("Open the vehicle in the Tesla app, or a door, and make sure that it has mobile reception or Wi-Fi.",),
                notice.POLL,
            ),
        ),
        lasts=False,
    ),
    Reason.REASON_COMMAND_PATH_UNAVAILABLE: AdviceRow(
        "The vehicle is online, yet Tesla's path for commands to it does not answer; waking does not help.",
        (
            RemedyRow(
                Actor.ACTOR_NOBODY,
                "Nowhere: it passes with time",
                (
                    "Wait some minutes, then try again.",
                    "If the vehicle is charging, the Tesla app can still control it.",
                ),
                notice.NEXT_TRY,
            ),
        ),
        lasts=False,
    ),
}
"""What concerns one vehicle."""
