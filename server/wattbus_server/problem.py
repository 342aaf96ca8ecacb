"""The one domain error: everything that can go wrong on behalf of a caller is a `Problem`.

Adapters turn vendor answers into it, rooms raise it, `rpc.status` renders it as a gRPC status, and commands store it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState


class Execution(Enum):
    """What is known about whether the vendor did what was asked when the problem arose."""

    NOT_SENT = "not_sent"
    """Nothing left this server, or nothing that asks for a change."""
    REFUSED = "refused"
    """The vendor or the device answered no; nothing changed."""
    UNKNOWN = "unknown"
    """It may have been done: the answer is lost, unreadable, or says neither yes nor no."""


@dataclass(frozen=True)
class FieldViolation:
    """One wrong field of a request."""

    field: str
    """Path of the field, for example `action.set_charge_limit.limit_percent`."""
    description: str
    """What is wrong with it, for developers."""


@dataclass(eq=False)
class Problem(Exception):
    """A refusal or failure with everything that the caller needs to act on it.

    `blockers/catalogue.py` knows the gRPC code, the texts and the retry behaviour of each reason.
    """

    reason: Reason.ValueType
    message: str
    """One sentence for developers. No secrets, no stack traces."""
    blockers: Sequence[Blocker] = ()
    """Everything that blocks, most important first."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The changing parts of the message, by lowerCamelCase key, as `reason.proto` names them."""
    field_violations: Sequence[FieldViolation] = ()
    """For REASON_FIELD_INVALID."""
    retry_delay: timedelta | None = None
    """When trying again makes sense. None: waiting does not help, or nobody knows."""
    execution: Execution = Execution.NOT_SENT
    vendor_reason: str = ""
    """The vendor's own words, unchanged, at most 500 characters."""
    observed: Sequence[DeviceState] = ()
    """What the failure itself tells about devices, for example that a vehicle sleeps; as good as any observation."""

    def __post_init__(self) -> None:
        """Hand the message to Exception so that logs show it."""
        super().__init__(f"{Reason.Name(self.reason)}: {self.message}")

    @property
    def reason_name(self) -> str:
        """The reason as it stands on the wire, without the enum prefix."""
        return Reason.Name(self.reason).removeprefix("REASON_")


def not_found(resource_type: str, name: str) -> Problem:
    """Say that a resource does not exist for this caller; another tenant's resource looks the same."""
    return Problem(
        Reason.REASON_RESOURCE_NOT_FOUND,
        f"{resource_type} {name[:200]!r} does not exist.",
        metadata={"resourceType": resource_type, "resourceName": name[:200]},
    )


def field_invalid(*violations: FieldViolation) -> Problem:
    """Say which fields of the request are wrong."""
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return Problem(
        Reason.REASON_FIELD_INVALID,
        f"{first.field}: {first.description}{more}",
        field_violations=violations,
    )
