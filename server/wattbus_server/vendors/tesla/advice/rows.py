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


SCOPES = (
    "The server reads the granted scopes from every new access token and renews the token when it verifies, "
    "about every {interval}."
)
LINK = "The server notices at once when the end user finishes the link."
KEY = "The server asks Tesla (fleet_status, not billed) about every {interval}."
ACCOUNT = "The server lists the account's products (not billed) about every {interval}."
RECORD = "The server reads the vehicle's record (not billed, does not wake it) about every {interval}."
SETTINGS = "The server reads the site's settings (not billed) about every {interval}."
LIVE = "The server reads the site's live status (not billed) about every {interval}."
NEXT_TRY = "Nothing that is free shows it: send the command again, its answer tells."
RESTART = "The server reads its settings when it starts."

DEVELOPER = "https://developer.tesla.com"
DOCS = f"{DEVELOPER}/docs/fleet-api"
