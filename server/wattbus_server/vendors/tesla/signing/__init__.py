"""Signed vehicle commands: keys, sessions, tags, faults, and the client that ties them together.

Imports nothing of the rest of the server. The transport and the durable store are handed in.
"""

from wattbus_server.vendors.tesla.signing.client import VehicleCommandClient
from wattbus_server.vendors.tesla.signing.domains import Domain
from wattbus_server.vendors.tesla.signing.errors import CommandExpired, InvalidAnswer, SigningError, VehicleFault
from wattbus_server.vendors.tesla.signing.faults import RetryPolicy
from wattbus_server.vendors.tesla.signing.keys import ClientKey, InvalidKeyError
from wattbus_server.vendors.tesla.signing.messages import carries_command
from wattbus_server.vendors.tesla.signing.payloads import SignedPayload
from wattbus_server.vendors.tesla.signing.results import CommandResult, read_result
from wattbus_server.vendors.tesla.signing.sessions import SessionStore, StoredSession

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
