"""Protocol faults of vehicles as reasons. One row per fault that the signing client knows.

The sentences and the advice on retrying within a call are the signing client's; this table says what is left to say
to a caller. Source: teslamotors/vehicle-command protocol.md and pkg/protocol/error.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from wattbus.v1.reason_pb2 import Reason


@dataclass(frozen=True)
class FaultReason:
    """What a fault means for a caller if the command certainly did not run."""

    reason: Reason.ValueType
    retry_delay: timedelta | None = None


_SESSION = FaultReason(Reason.REASON_COMMAND_PATH_UNAVAILABLE, timedelta(seconds=5))
"""Session and vehicle did not come to agree within the call; a later one begins with a new handshake."""
_BUSY = FaultReason(Reason.REASON_COMMAND_PATH_UNAVAILABLE, timedelta(seconds=10))
_UNKNOWN_TO_FIRMWARE = FaultReason(Reason.REASON_NOT_SUPPORTED_BY_DEVICE)
_NOT_OFFERED = FaultReason(Reason.REASON_NOT_EXPOSED_BY_VENDOR)
_REFUSED = FaultReason(Reason.REASON_VEHICLE_REFUSED)
_OUR_DEFECT = FaultReason(Reason.REASON_VENDOR_ERROR_UNCLASSIFIED)
"""The message itself was wrong: nobody outside of this server can help."""

FAULT_REASONS: Mapping[int, FaultReason] = MappingProxyType(
    {
        0: _REFUSED,  # an error without a number
        1: _BUSY,  # BUSY
        2: _BUSY,  # TIMEOUT
        3: FaultReason(Reason.REASON_VIRTUAL_KEY_NOT_PAIRED),  # UNKNOWN_KEY_ID
        4: FaultReason(Reason.REASON_VIRTUAL_KEY_DISABLED),  # INACTIVE_KEY
        5: _SESSION,  # INVALID_SIGNATURE
        6: _SESSION,  # INVALID_TOKEN_OR_COUNTER
        7: FaultReason(Reason.REASON_KEY_ROLE_INSUFFICIENT),  # INSUFFICIENT_PRIVILEGES
        8: _UNKNOWN_TO_FIRMWARE,  # INVALID_DOMAINS
        9: _UNKNOWN_TO_FIRMWARE,  # INVALID_COMMAND
        10: _OUR_DEFECT,  # DECODING
        11: FaultReason(Reason.REASON_COMMAND_PATH_UNAVAILABLE, timedelta(seconds=30)),  # INTERNAL, often while booting
        12: _OUR_DEFECT,  # WRONG_PERSONALIZATION
        13: _OUR_DEFECT,  # BAD_PARAMETER
        14: FaultReason(Reason.REASON_KEYCHAIN_FULL),  # KEYCHAIN_IS_FULL
        15: _SESSION,  # INCORRECT_EPOCH
        16: _OUR_DEFECT,  # IV_INCORRECT_LENGTH
        17: _SESSION,  # TIME_EXPIRED
        18: _REFUSED,  # NOT_PROVISIONED_WITH_IDENTITY
        19: _REFUSED,  # COULD_NOT_HASH_METADATA
        20: _SESSION,  # TIME_TO_LIVE_TOO_LONG
        21: FaultReason(Reason.REASON_REMOTE_ACCESS_DISABLED),  # REMOTE_ACCESS_DISABLED
        22: _NOT_OFFERED,  # REMOTE_SERVICE_ACCESS_DISABLED
        23: _NOT_OFFERED,  # COMMAND_REQUIRES_ACCOUNT_CREDENTIALS
        24: _OUR_DEFECT,  # REQUEST_MTU_EXCEEDED
        25: _REFUSED,  # RESPONSE_MTU_EXCEEDED
        26: _SESSION,  # REPEATED_COUNTER
        27: _OUR_DEFECT,  # INVALID_KEY_HANDLE
        28: _OUR_DEFECT,  # REQUIRES_RESPONSE_ENCRYPTION
        29: _NOT_OFFERED,  # COMMAND_REQUIRES_PHYSICAL_PROXIMITY
    }
)
"""By the number of `MessageFault_E`."""

UNKNOWN_FAULT = _OUR_DEFECT
"""A number that the table does not have."""
