"""Named, scriptable faults: each can be aimed at one device and limited to a number of hits."""

from dataclasses import dataclass, field

FaultParameters = dict[str, str | int | float | bool]

FAULTS: dict[str, str] = {
    # Any Fleet API request; the target is a VIN, an energy site id or a path.
    "html_from_gateway": "The gateway answers 503 with an HTML page.",
    "truncated_json": "The answer's JSON body stops in the middle; the request is carried out.",
    "lost_answer": "The request is carried out, then the gateway answers 504.",
    "connection_cut": "The request is carried out; the connection closes after the headers.",
    "upstream_error": "The answer is 500 'upstream internal error'; nothing is carried out.",
    "service_unavailable": "The answer is 503; nothing is carried out.",
    "account_locked": "The answer is 423 without a body, as for an account that Tesla locked.",
    "unknown_refusal": "The answer is 403 with words that no page documents; nothing is carried out.",
    "slow_answer": "The answer takes `seconds` (default 5) of virtual time.",
    "unknown_fields": "Objects in the answer carry an additional field that no page documents.",
    # Authentication; the target is a client id.
    "token_race": "A refresh spends the token and succeeds, but its answer is lost (503).",
    "token_server_error": "The token endpoint answers 400 server_error.",
    "token_revoked_early": "The access token is refused with 401 before it expires.",
    # Energy sites; the target is the energy site id.
    "ignored_energy_write": "An energy write answers success and changes nothing.",
    "slow_energy_write": "An energy write is applied after `seconds` (default 60).",
    "empty_write_answer": "An energy write is carried out and answers 204 without a body.",
    "blank_write_answer": "An energy write is carried out and answers with a blank response.",
    "site_unreachable": "Energy reads answer 500 'upstream internal error'.",
    "no_energy_left": "live_status and products leave out energy_left and total_pack_energy.",
    "stale_live_status": "live_status repeats the state of `seconds` (default 600) ago.",
    # Cars; the target is the VIN.
    "phantom_sleep": "A reachable car answers 408 as if it were asleep.",
    "slow_handshake": "The car's answer to a session-info request takes `seconds` (default 8).",
    "epoch_change": "The car reboots before it handles the next signed command.",
    "clock_drift": "The car's clock runs ahead by `seconds` (default 3600).",
    "vehicle_fault": "The car answers the next signed message with fault number `fault`.",
    "vehicle_error": "The car answers 540.",
    # Telemetry; the target is the VIN.
    "telemetry_gap": (
        "The car's telemetry connection breaks under a bundle for `seconds` (default 60); the bundle is lost, or "
        "with `delivered` only its acknowledgement is."
    ),
    "telemetry_error": "The car reports an error with `name` and `body` on its telemetry connection.",
}
"""Every fault by name, with what it does. A fault without a target hits the first that comes."""


class UnknownFaultError(ValueError):
    """Raised for a fault name that the sandbox does not know."""


@dataclass(slots=True)
class Fault:
    """One armed fault.

    Attributes:
        name: A key of `FAULTS`.
        target: VIN, energy site id, client id or path it is aimed at; None hits any.
        remaining: How many more hits; None means until cleared.
        parameters: Settings of this fault, such as `seconds`.
    """

    name: str
    target: str | None = None
    remaining: int | None = 1
    parameters: FaultParameters = field(default_factory=dict)

    def number(self, name: str, default: float) -> float:
        """The numeric parameter `name`, or `default` when it is absent or no number."""
        value = self.parameters.get(name, default)
        return default if isinstance(value, str) else float(value)


class Faults:
    """All armed faults of a world."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def __bool__(self) -> bool:
        return bool(self._armed)

    def inject(
        self,
        name: str,
        *,
        target: str | None = None,
        count: int | None = 1,
        parameters: FaultParameters | None = None,
    ) -> Fault:
        """Arm a fault for the next `count` matching occasions (None: until cleared).

        Raises:
            UnknownFaultError: If `name` is not in `FAULTS`.
        """
        if name not in FAULTS:
            raise UnknownFaultError(f"unknown fault {name!r}; known: {', '.join(sorted(FAULTS))}")
        fault = Fault(name, target, count, dict(parameters or {}))
        self._armed.append(fault)
        return fault

    def peek(self, name: str, *targets: str | int | None) -> Fault | None:
        """The first armed fault of that name which hits one of `targets`, without using it up."""
        if not self._armed:
            return None
        wanted = {str(target) for target in targets if target is not None}
        for fault in self._armed:
            if fault.name == name and (fault.target is None or fault.target in wanted):
                return fault
        return None

    def take(self, name: str, *targets: str | int | None) -> Fault | None:
        """Like `peek`, and count one hit."""
        fault = self.peek(name, *targets)
        if fault is not None and fault.remaining is not None:
            fault.remaining -= 1
            if fault.remaining <= 0:
                self._armed.remove(fault)
        return fault

    def clear(self, name: str | None = None, target: str | None = None) -> int:
        """Disarm faults by name and target (None matches all); returns how many."""
        kept = [
            fault
            for fault in self._armed
            if (name is not None and fault.name != name) or (target is not None and fault.target != target)
        ]
        cleared = len(self._armed) - len(kept)
        self._armed = kept
        return cleared

    def armed(self) -> list[Fault]:
        """The armed faults, oldest first."""
        return list(self._armed)
