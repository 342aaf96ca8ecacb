"""What devices and blockers know of the connections that they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wattbus.v1.connection_pb2 import Vendor


@dataclass(frozen=True)
class ConnectionIdentity:
    """What a device takes over from its connection."""

    name: str
    """`connections/…`."""
    tenant: str
    """`tenants/…`."""
    external_user_id: str
    vendor: Vendor.ValueType


class KnownConnections(Protocol):
    """The connections of all tenants, also those without devices; the connections room stands behind it."""

    def identity(self, connection: str) -> ConnectionIdentity | None:
        """Return who a connection is, or None if there is none of that name."""

    def identities(self, tenant: str) -> Sequence[ConnectionIdentity]:
        """Return every connection of a tenant."""
