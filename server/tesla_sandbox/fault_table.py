"""Every fault by name: what it does, and which parameters it takes within which bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from tesla_protocol.command.universal_message_pb2 import MessageFault_E

FaultValue = str | int | float | bool

_FAULT_PREFIX = "MESSAGEFAULT_ERROR_"
_DAY, _YEAR = 86_400.0, 366 * 86_400.0


class Parameter(Protocol):
    """A parameter of a fault, with the value that it has when it is left out."""

    @property
    def default(self) -> FaultValue:
        """The value of a parameter that is not given."""

    @property
    def allowed(self) -> str:
        """What can be given, in words."""

    def read(self, given: FaultValue) -> FaultValue | None:
        """The value that was meant, or None if it is not allowed."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """A time of up to `longest` seconds."""

    default: float
    longest: float = _DAY

    @property
    def allowed(self) -> str:
        """The bounds."""
        return f"a number from 0 to {self.longest:.0f}"

    def read(self, given: FaultValue) -> FaultValue | None:
        """Any number within the bounds."""
        fits = isinstance(given, int | float) and not isinstance(given, bool)
        return float(given) if fits and 0 <= float(given) <= self.longest else None


@dataclass(frozen=True, slots=True)
class YesNo:
    """True or false."""

    default: bool = False
    allowed: str = "true or false"

    def read(self, given: FaultValue) -> FaultValue | None:
        """Only true and false themselves."""
        return given if isinstance(given, bool) else None


@dataclass(frozen=True, slots=True)
class Words:
    """A text of 1 to `longest` characters."""

    default: str
    longest: int = 200

    @property
    def allowed(self) -> str:
        """The length."""
        return f"a text of 1 to {self.longest} characters"

    def read(self, given: FaultValue) -> FaultValue | None:
        """Any text of that length."""
        return given if isinstance(given, str) and 0 < len(given) <= self.longest else None


@dataclass(frozen=True, slots=True)
class SignedMessageFault:
    """A fault of the command protocol, by its number or its name."""

    default: int = MessageFault_E.MESSAGEFAULT_ERROR_BUSY

    @property
    def allowed(self) -> str:
        """All numbers and names."""
        named = (f"{number} or {name}" for name, number in _SIGNED_MESSAGE_FAULTS.items())
        return f"one of {', '.join(named)}"

    def read(self, given: FaultValue) -> FaultValue | None:
        """The number."""
        if isinstance(given, str):
            return _SIGNED_MESSAGE_FAULTS.get(given.upper().removeprefix(_FAULT_PREFIX))
        known = not isinstance(given, bool) and given in _SIGNED_MESSAGE_FAULTS.values()
        return int(given) if known else None


_SIGNED_MESSAGE_FAULTS: Mapping[str, int] = {
    name.removeprefix(_FAULT_PREFIX): number for name, number in MessageFault_E.items() if number
}


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a fault does, in a sentence, and its parameters by name."""

    summary: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


FAULTS: Mapping[str, FaultKind] = MappingProxyType(
    {
        # Any Fleet API request; the target is a VIN, an energy site id or a path.
        "html_from_gateway": FaultKind("The gateway answers 503 with an HTML page."),
        "truncated_json": FaultKind("The answer's JSON body stops in the middle; the request is carried out."),
        "lost_answer": FaultKind("The request is carried out, then the gateway answers 504."),
        "connection_cut": FaultKind("The request is carried out; the connection closes after the headers."),
        "upstream_error": FaultKind("The answer is 500 'upstream internal error'; nothing is carried out."),
        "service_unavailable": FaultKind("The answer is 503; nothing is carried out."),
        "account_locked": FaultKind("The answer is 423 without a body, as for an account that Tesla locked."),
        "unknown_refusal": FaultKind("The answer is 403 with words that no page documents; nothing is carried out."),
        "slow_answer": FaultKind(
            "The answer takes `seconds` (default 5) of virtual time.", {"seconds": Seconds(5.0, _YEAR)}
        ),
        "unknown_fields": FaultKind("Objects in the answer carry an additional field that no page documents."),
        # Authentication; the target is a client id.
        "token_race": FaultKind("A refresh spends the token and succeeds, but its answer is lost (503)."),
        "token_server_error": FaultKind("The token endpoint answers 400 server_error."),
        "token_revoked_early": FaultKind("The access token is refused with 401 before it expires."),
        # Energy sites; the target is the energy site id.
        "ignored_energy_write": FaultKind("An energy write answers success and changes nothing."),
        "slow_energy_write": FaultKind(
            "An energy write is applied after `seconds` (default 60).", {"seconds": Seconds(60.0)}
        ),
        "empty_write_answer": FaultKind("An energy write is carried out and answers 204 without a body."),
        "blank_write_answer": FaultKind("An energy write is carried out and answers with a blank response."),
        "site_unreachable": FaultKind("Energy reads, histories too, answer 500 'upstream internal error'."),
        "no_energy_left": FaultKind("live_status and products leave out energy_left and total_pack_energy."),
        "stale_live_status": FaultKind(
            "live_status repeats the state of `seconds` (default 600) ago.", {"seconds": Seconds(600.0, _YEAR)}
        ),
        # Cars; the target is the VIN.
        "phantom_sleep": FaultKind("A reachable car answers 408 as if it were asleep."),
        "slow_handshake": FaultKind(
            "The car's answer to a session-info request takes `seconds` (default 8).", {"seconds": Seconds(8.0, _YEAR)}
        ),
        "epoch_change": FaultKind("The car reboots before it handles the next signed command."),
        "clock_drift": FaultKind(
            "The car's clock runs ahead by `seconds` (default 3600) for `count` signed commands; then the car restarts "
            "with the right one, in a new epoch.",
            {"seconds": Seconds(3600.0, _YEAR)},
        ),
        "vehicle_fault": FaultKind(
            "The car answers the next signed message with the protocol's fault `fault` (default BUSY), a number or "
            "a name such as UNKNOWN_KEY_ID.",
            {"fault": SignedMessageFault()},
        ),
        "vehicle_error": FaultKind("The car answers 540."),
        # Telemetry; the target is the VIN.
        "telemetry_gap": FaultKind(
            "The car's telemetry connection breaks under a bundle for `seconds` (default 60); the bundle is lost, or "
            "with `delivered` only its acknowledgement is.",
            {"seconds": Seconds(60.0, _YEAR), "delivered": YesNo()},
        ),
        "telemetry_error": FaultKind(
            "The car reports an error with `name` and `body` on its telemetry connection.",
            {"name": Words("cloud_channel_manager_unknown_topic"), "body": Words("a simulated error", 2_000)},
        ),
    }
)
"""A fault without a target hits the first that comes."""
