"""What a vehicle command is: name, parameters, effect, and who may send it how."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from tesla_protocol.command.errors_pb2 import GenericError_E
from tesla_protocol.command.universal_message_pb2 import Domain

from tesla_sandbox.cars.car import Car


class Parameters(BaseModel):
    """Parameters of a command; fields that the car does not know are ignored, as it does."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class NoParameters(Parameters):
    """Of commands that take none."""


class Unsigned(StrEnum):
    """Whether a command can be sent without a signature."""

    UNLESS_REQUIRED = "unless_required"
    """Refused by cars that require the command protocol."""
    ALWAYS = "always"
    """Needs Tesla's servers and therefore goes unsigned to every car."""
    NEVER = "never"
    """Exists only in the command protocol."""


class CommandRefusal(Exception):
    """The car understood a command and does not carry it out.

    Reasons are the documented ones where Tesla's documentation names any (vehicle-commands page);
    the others are the sandbox's own wording.

    Args:
        reason: The text that the API shows as `reason`.
        error: What the security controller says instead of a text.
    """

    def __init__(
        self,
        reason: str,
        error: "GenericError_E" = GenericError_E.GENERICERROR_UNKNOWN,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True, slots=True)
class Command(Generic[P]):
    """One command of a car.

    Attributes:
        name: As in the path of the REST endpoint.
        run: Changes the car, which is up to date; raises `CommandRefusal` instead if it must.
        charging: Whether the charging scope and role suffice.
        domain: The computer that executes it.
    """

    name: str
    parameters: type[P]
    run: Callable[[Car, P], None]
    charging: bool = False
    domain: "Domain" = Domain.DOMAIN_INFOTAINMENT
    unsigned: Unsigned = Unsigned.UNLESS_REQUIRED

    @property
    def parameterless(self) -> bool:
        """Whether no parameter is required."""
        return not any(parameter.is_required() for parameter in self.parameters.model_fields.values())

    def execute(self, car: Car, values: object) -> None:
        """Validate the parameters and carry the command out.

        Raises:
            pydantic.ValidationError: If a parameter is missing or unfit.
            CommandRefusal: If the car refuses.
        """
        parameters = self.parameters.model_validate(values)
        car.advance()
        car.touch()
        self.run(car, parameters)
        car.touch()


AnyCommand = Command[Any]
"""A command whatever its parameters."""


def require_parked(car: Car) -> None:
    """Refuse while the car drives."""
    if not car.parked:
        raise CommandRefusal("not_in_park", GenericError_E.GENERICERROR_VEHICLE_NOT_IN_PARK)
