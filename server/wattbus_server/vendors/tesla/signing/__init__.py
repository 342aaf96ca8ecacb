"""Signed vehicle commands: keys, sessions, tags, faults, and the client that ties them together.

Imports nothing of the rest of the server. The transport and the durable store are handed in.
"""

from .client import VehicleCommandClient
from .domains import Domain
from .errors import CommandExpired, InvalidAnswer, SigningError, VehicleFault
from .faults import RetryPolicy
from .keys import ClientKey, InvalidKeyError
from .messages import carries_command
from .payloads import SignedPayload
from .results import CommandResult, read_result
from .sessions import SessionStore, StoredSession

__all__ = [
    "ClientKey",
    "CommandExpired",
    "CommandResult",
    "Domain",
    "InvalidAnswer",
    "InvalidKeyError",
    "RetryPolicy",
    "SessionStore",
    "SignedPayload",
    "SigningError",
    "StoredSession",
    "VehicleCommandClient",
    "VehicleFault",
    "carries_command",
    "read_result",
]
