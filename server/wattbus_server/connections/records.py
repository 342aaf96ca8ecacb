"""A connection as the server keeps it, and the rows behind it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping
from wattbus.v1.connection_pb2 import Access, ConnectionState, Vendor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.devices.owners import ConnectionIdentity
from wattbus_server.resource_names import derived_id

MAXIMUM_MESSAGE = 500


@dataclass(frozen=True)
class ConnectionRecord:
    """One end user's authorisation of one vendor account."""

    name: str
    """`connections/…`."""
    tenant: str
    """`tenants/…`."""
    external_user_id: str
    vendor: Vendor.ValueType
    subject: str
    """The vendor's identifier of the account."""
    region: str
    """Empty while unknown."""
    requested_access: frozenset[Access.ValueType]
    scopes: frozenset[str]
    """The vendor's names of what the latest token grants."""
    state: ConnectionState.ValueType
    state_reason: Reason.ValueType
    state_message: str
    create_time: datetime
    update_time: datetime
    sync_time: datetime | None

    @property
    def identity(self) -> ConnectionIdentity:
        """What its devices take over."""
        return ConnectionIdentity(self.name, self.tenant, self.external_user_id, self.vendor)

    @property
    def needs_reauthorization(self) -> bool:
        """Whether the grant is dead, so that nothing may be asked of the vendor."""
        return self.state == ConnectionState.CONNECTION_STATE_REAUTHORIZATION_REQUIRED


@dataclass(frozen=True)
class Standing:
    """How a connection stands, and why."""

    state: ConnectionState.ValueType
    state_reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    state_message: str = ""

    @classmethod
    def of_access(cls, requested: Collection[Access.ValueType], granted: Collection[Access.ValueType]) -> "Standing":
        """Compare what was requested with what is granted."""
        missing = sorted(set(requested) - set(granted))
        if not missing:
            return cls(ConnectionState.CONNECTION_STATE_ACTIVE)
        names = ", ".join(Access.Name(access).removeprefix("ACCESS_") for access in missing)
        return cls(
            ConnectionState.CONNECTION_STATE_PARTIAL,
            Reason.REASON_SCOPE_MISSING,
            f"The end user did not grant: {names}.",
        )

    def changes(self) -> dict[str, Any]:
        """Return the fields of a record to set."""
        return {
            "state": self.state,
            "state_reason": self.state_reason,
            "state_message": self.state_message[:MAXIMUM_MESSAGE],
        }


def connection_name(tenant: str, vendor: Vendor.ValueType, subject: str, external_user_id: str) -> str:
    """Return the resource name: the same account linked again for the same end user is the same connection."""
    return f"connections/{derived_id(tenant, Vendor.Name(vendor), subject, external_user_id)}"


def access_text(access: Collection[Access.ValueType]) -> str:
    """Return access as the database keeps it, equal for equal sets."""
    return ",".join(str(int(item)) for item in sorted(set(access)))


def access_set(text: str) -> frozenset[Access.ValueType]:
    """Read what `access_text` wrote."""
    return frozenset(Access.ValueType(int(number)) for number in text.split(",") if number)


def connection_row(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of `connections` for fields of a record; the scopes stand with the grant."""
    row = {field: value for field, value in changes.items() if field != "scopes"}
    if "requested_access" in row:
        row["requested_access"] = access_text(row["requested_access"])
    return row


def connection_record(row: RowMapping) -> ConnectionRecord:
    """Read a row of `connections` joined with the scopes of its grant."""
    values = dict(row)
    values["requested_access"] = access_set(values["requested_access"])
    values["scopes"] = frozenset((values["scopes"] or "").split())
    return ConnectionRecord(**values)
