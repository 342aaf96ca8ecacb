"""The shape of one row of advice, and how the server notices that something was done.

Texts are templates. Every fact that `TeslaRemedies.blocker` gets can be named in them, besides `vin`, `domain`,
`interval` and the pages of `TeslaRemedies`.
"""

from dataclasses import dataclass
from enum import Enum

from wattbus.v1.blocker_pb2 import Actor


class Breadth(Enum):
    """How much one blocker of a reason blocks."""

    DEVICE = "device"
    CONNECTION = "connection"
    """All devices of one end user."""
    APPLICATION = "application"
    """All connections of the operator's application."""


@dataclass(frozen=True)
class RemedyRow:
    """One way to remove a blocker."""

    actor: Actor.ValueType
    place: str
    steps: tuple[str, ...]
    verification: str
    link: str = ""


@dataclass(frozen=True)
class AdviceRow:
    """What is said about one reason."""

    message: str
    """One sentence for developers."""
    remedies: tuple[RemedyRow, ...]
    """Alternatives, best first."""
    breadth: Breadth = Breadth.DEVICE
    metadata: tuple[str, ...] = ()
    """The facts that `reason.proto` promises as metadata, beside `device` and `connection`."""
    lasts: bool = True
    """Whether it stays until somebody acts, so that it may refuse commands that it was not met by."""
