"""Selections of devices, as lists and streams use them."""

import hashlib
import json
from dataclasses import dataclass

from wattbus.v1.device_service_pb2 import DeviceSelection

from wattbus_server.devices.owners import ConnectionIdentity
from wattbus_server.vendors.contract import DeviceRecord


@dataclass(frozen=True)
class Selection:
    """Which devices of a tenant are meant. What is set must all match; an empty selection means every device."""

    tenant: str
    """`tenants/…`. Always set: no selection reaches beyond a tenant."""
    devices: frozenset[str] = frozenset()
    connection: str = ""
    external_user_id: str = ""
    kinds: frozenset[int] = frozenset()

    @classmethod
    def from_message(cls, tenant: str, message: DeviceSelection) -> "Selection":
        """Read a selection whose fields were already validated."""
        return cls(
            tenant,
            frozenset(message.devices),
            message.connection,
            message.external_user_id,
            frozenset(message.kinds),
        )

    def matches(self, record: DeviceRecord) -> bool:
        """Say whether a device is meant."""
        return (
            record.tenant == self.tenant
            and (not self.devices or record.name in self.devices)
            and (not self.connection or record.connection == self.connection)
            and (not self.external_user_id or record.external_user_id == self.external_user_id)
            and (not self.kinds or record.kind in self.kinds)
        )

    def matches_connection(self, connection: ConnectionIdentity) -> bool:
        """Say whether all of a connection is meant, whatever devices it has."""
        return (
            connection.tenant == self.tenant
            and not self.devices
            and not self.kinds
            and (not self.connection or connection.name == self.connection)
            and (not self.external_user_id or connection.external_user_id == self.external_user_id)
        )

    def digest(self) -> bytes:
        """Return 32 bytes that are equal for equal selections, also across restarts; tokens hold them."""
        parts = [self.tenant, sorted(self.devices), self.connection, self.external_user_id, sorted(self.kinds)]
        return hashlib.sha256(json.dumps(parts).encode()).digest()
