"""What every protocol fault of a vehicle means, and what the client does about it.

One row per `MessageFault_E` of `universal_message.proto`. Sources: teslamotors/vehicle-command
protocol.md, universal_message.proto and pkg/protocol/error.go. In one row Wattbus is stricter than
Tesla's own client: after TIMEOUT the subsystem may have acted although it stayed silent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

UNKNOWN_KEY_ID = 3
"""The fault of a key that is not paired, also used when a handshake says so."""

INVALID_KEY_HANDLE = 27
BUSY = 1
NONE = 0


class RetryPolicy(Enum):
    """What makes another try of the same command sensible."""

    NEVER = "never"
    """Somebody must first remove the cause, or the command itself is wrong."""

    AFTER_PAUSE = "after_pause"
    """The subsystem is busy or booting: the same command about a second later."""

    AFTER_RESYNC = "after_resync"
    """Session and vehicle disagree: adopt fresh session info, then sign again."""

    WITH_SHORTER_EXPIRY = "with_shorter_expiry"
    """The expiry lies too far ahead: sign again with a nearer one."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One row of the table."""

    name: str
    sentence: str
    retry: RetryPolicy = RetryPolicy.NEVER
    retries: int = 0
    """How often one call tries again after this fault, at most."""
    may_have_executed: bool = False


_REJECTED = "vehicle rejected request: "

FAULT_RULES: Mapping[int, FaultRule] = MappingProxyType(
    {
        NONE: FaultRule("NONE", "vehicle reported an error without naming it", may_have_executed=True),
        BUSY: FaultRule("BUSY", "vehicle busy or finishing wake-up", RetryPolicy.AFTER_PAUSE, retries=3),
        2: FaultRule(
            "TIMEOUT",
            "vehicle subsystem did not respond",
            RetryPolicy.AFTER_PAUSE,
            retries=2,
            may_have_executed=True,
        ),
        UNKNOWN_KEY_ID: FaultRule(
            "UNKNOWN_KEY_ID",
            _REJECTED + "your public key has not been paired with the vehicle",
        ),
        4: FaultRule("INACTIVE_KEY", _REJECTED + "your key has been disabled"),
        5: FaultRule(
            "INVALID_SIGNATURE",
            _REJECTED + "command signature is incorrect",
            RetryPolicy.AFTER_RESYNC,
            retries=1,
        ),
        6: FaultRule(
            "INVALID_TOKEN_OR_COUNTER",
            _REJECTED + "anti-replay counter has been used before",
            RetryPolicy.AFTER_RESYNC,
            retries=2,
        ),
        7: FaultRule(
            "INSUFFICIENT_PRIVILEGES",
            _REJECTED + "your key is not authorized to execute this command, "
            "because of its role or the state of the vehicle",
        ),
        8: FaultRule(
            "INVALID_DOMAINS",
            _REJECTED + "command was malformed or addressed to an unrecognized vehicle system",
        ),
        9: FaultRule(
            "INVALID_COMMAND",
            _REJECTED + "unrecognized command, the firmware may not support it",
        ),
        10: FaultRule("DECODING", _REJECTED + "command could not be parsed"),
        11: FaultRule(
            "INTERNAL",
            "internal vehicle error, the vehicle may not have finished booting",
            RetryPolicy.AFTER_PAUSE,
            retries=2,
        ),
        12: FaultRule("WRONG_PERSONALIZATION", _REJECTED + "command was sent to the wrong VIN"),
        13: FaultRule("BAD_PARAMETER", _REJECTED + "command was malformed or used a deprecated parameter"),
        14: FaultRule(
            "KEYCHAIN_IS_FULL",
            _REJECTED + "the keychain is full, a key must be deleted before another is added",
        ),
        15: FaultRule(
            "INCORRECT_EPOCH",
            _REJECTED + "the session does not match, the vehicle may have restarted",
            RetryPolicy.AFTER_RESYNC,
            retries=2,
        ),
        16: FaultRule("IV_INCORRECT_LENGTH", _REJECTED + "initialization vector length is wrong"),
        17: FaultRule(
            "TIME_EXPIRED",
            _REJECTED + "command expired before it arrived",
            RetryPolicy.AFTER_RESYNC,
            retries=2,
        ),
        18: FaultRule(
            "NOT_PROVISIONED_WITH_IDENTITY",
            _REJECTED + "vehicle has not been provisioned with a VIN and may require service",
        ),
        19: FaultRule("COULD_NOT_HASH_METADATA", "internal vehicle error, could not hash metadata"),
        20: FaultRule(
            "TIME_TO_LIVE_TOO_LONG",
            _REJECTED + "command expiration time was too far in the future",
            RetryPolicy.WITH_SHORTER_EXPIRY,
            retries=1,
        ),
        21: FaultRule("REMOTE_ACCESS_DISABLED", _REJECTED + "mobile access has been disabled by the owner"),
        22: FaultRule(
            "REMOTE_SERVICE_ACCESS_DISABLED",
            _REJECTED + "vehicle does not permit remote service commands",
        ),
        23: FaultRule(
            "COMMAND_REQUIRES_ACCOUNT_CREDENTIALS",
            _REJECTED + "command requires account credentials and must be sent by the Fleet API",
        ),
        24: FaultRule("REQUEST_MTU_EXCEEDED", _REJECTED + "command is too long"),
        25: FaultRule(
            "RESPONSE_MTU_EXCEEDED",
            "vehicle executed the command but its response is too long to be sent",
            may_have_executed=True,
        ),
        26: FaultRule(
            "REPEATED_COUNTER",
            _REJECTED + "counter was repeated",
            RetryPolicy.AFTER_RESYNC,
            retries=1,
        ),
        INVALID_KEY_HANDLE: FaultRule("INVALID_KEY_HANDLE", _REJECTED + "key handle is not valid"),
        28: FaultRule("REQUIRES_RESPONSE_ENCRYPTION", _REJECTED + "command requires an encrypted response"),
        29: FaultRule(
            "COMMAND_REQUIRES_PHYSICAL_PROXIMITY",
            _REJECTED + "command can only be sent from close to the vehicle",
        ),
    }
)


def fault_rule(number: int) -> FaultRule:
    """Return the row of a fault; a number that is not in the table may mean anything."""
    known = FAULT_RULES.get(number)
    if known is not None:
        return known
    return FaultRule(
        f"FAULT_{number}",
        f"vehicle responded with an unrecognized status code {number}",
        may_have_executed=True,
    )
