"""Named, scriptable faults: each can be aimed at one device and limited to a number of hits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tesla_sandbox.fault_table import FAULTS, FaultKind, FaultValue

FaultParameters = dict[str, FaultValue]


class FaultError(ValueError):
    """Raised for a fault or a parameter that the sandbox does not know, or an unfit value; says what is allowed."""


def checked_parameters(name: str, given: Mapping[str, FaultValue]) -> FaultParameters:
    """All parameters of a fault: those that are given, and the defaults of the others.

    Raises:
        FaultError: If the fault, or a parameter, is unknown, or a value is not allowed.
    """
    kind = FAULTS.get(name)
    if kind is None:
        raise FaultError(f"unknown fault {name!r}; known: {', '.join(sorted(FAULTS))}")
    for unknown in sorted(set(given) - set(kind.parameters)):
        raise FaultError(f"{name} has no parameter {unknown!r}; {_parameters_in_words(kind)}")
    values: FaultParameters = {}
    for parameter, described in kind.parameters.items():
        value = described.read(given.get(parameter, described.default))
        if value is None:
            raise FaultError(f"{name}: {parameter} must be {described.allowed}")
        values[parameter] = value
    return values


def _parameters_in_words(kind: FaultKind) -> str:
    described = [f"{name} ({parameter.allowed})" for name, parameter in kind.parameters.items()]
    return f"it has: {', '.join(described)}" if described else "it has none"


@dataclass(slots=True)
class Fault:
    """One armed fault.

    Attributes:
        name: A key of `FAULTS`.
        target: VIN, energy site id, client id or path it is aimed at; None hits any.
        remaining: How many more hits; None means until cleared.
        parameters: All settings of this fault, such as `seconds`.
    """

    name: str
    target: str | None = None
    remaining: int | None = 1
    parameters: FaultParameters = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """The parameter of that name."""
        return float(self.parameters["seconds"])


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
            FaultError: If `name` is not in `FAULTS`, or a parameter does not fit.
        """
        fault = Fault(name, target, count, checked_parameters(name, parameters or {}))
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
