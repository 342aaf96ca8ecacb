"""The vehicle's own words for a refusal: what each means and what helps.

Sources: Tesla Fleet API documentation, vehicle-commands (documented reasons); teslamotors/vehicle-command errors.proto.
The list is open: a word without a row stays in the evidence, unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.vendors.tesla.signing.results import BUSY


@dataclass(frozen=True)
class RefusalRow:
    """One refusal."""

    end_user_message: str
    steps: tuple[str, ...]
    place: str = "At the vehicle"
    actor: Actor.ValueType = Actor.ACTOR_END_USER
    reason: Reason.ValueType = Reason.REASON_VEHICLE_REFUSED
    retry_delay: timedelta | None = None


_PLUG_IN = RefusalRow("Your car is not plugged in.", ("Plug the charging cable into the vehicle.",))
_NOT_SUPPORTED = RefusalRow(
    "Your car cannot do this.",
    ("Use another action.",),
    "Your call",
    Actor.ACTOR_CALLER,
    Reason.REASON_NOT_SUPPORTED_BY_DEVICE,
)
_CLOSE = RefusalRow("A door or trunk of your car is open.", ("Close all doors and trunks.",))
_PARK = RefusalRow("Your car is not in park.", ("Stop and put the vehicle into park.",))

REFUSAL_WORDS: Mapping[str, RefusalRow] = MappingProxyType(
    {
        "disconnected": _PLUG_IN,
        "no_power": RefusalRow(
            "The charging cable of your car has no power.",
            ("Check the charging station: its breaker, its own app, and whether it was released.",),
            "At the charging station",
        ),
        "complete": RefusalRow(
            "Your car has reached its charge limit.",
            ("Send SetChargeLimit with a higher limit, then StartCharging.",),
            "Your call",
            Actor.ACTOR_CALLER,
        ),
        "car_wash": RefusalRow("Your car is in car wash mode.", ("End car wash mode.",), "Vehicle's screen"),
        "cable connected": RefusalRow(
            "The charging cable is still plugged in.", ("Pull the charging cable out of the vehicle.",)
        ),
        "non-motorized charge port": _NOT_SUPPORTED,
        "not_supported": _NOT_SUPPORTED,
        "not supported": _NOT_SUPPORTED,
        "user_not_present": RefusalRow("Somebody must sit in the car for this.", ("Sit in the vehicle.",)),
        "could_not_wake_buses": RefusalRow(
            "Your car did not wake up fully.",
            ("Try again in a minute.",),
            "Nowhere: it passes with time",
            Actor.ACTOR_NOBODY,
            Reason.REASON_COMMAND_PATH_UNAVAILABLE,
            timedelta(minutes=1),
        ),
        BUSY: RefusalRow(
            "Your car is busy.",
            ("Try again in some seconds.",),
            "Nowhere: it passes with time",
            Actor.ACTOR_NOBODY,
            Reason.REASON_COMMAND_PATH_UNAVAILABLE,
            timedelta(seconds=10),
        ),
        "closures open": _CLOSE,
        "vehicle not in park": _PARK,
        "unauthorized": RefusalRow(
            "This service may not do that with your car.",
            ("Delete the key of this application and pair it again as the owner of the vehicle.",),
            "Vehicle's screen, Controls, Locks",
            reason=Reason.REASON_KEY_ROLE_INSUFFICIENT,
        ),
        "disabled for user command": RefusalRow(
            "Your car does not allow this at the moment.", ("Look at what the vehicle shows, then try again.",)
        ),
        "not allowed": RefusalRow(
            "Your car does not allow this at the moment.", ("Look at what the vehicle shows, then try again.",)
        ),
        "not allowed over transport": RefusalRow(
            "Your car does not allow this from afar.",
            ("Use the Tesla app or the key next to the vehicle.",),
            reason=Reason.REASON_NOT_EXPOSED_BY_VENDOR,
        ),
    }
)
"""By the vehicle's word, without the prefix that proxies put in front."""
