"""Who else may drive a car: invitations and the drivers who accepted one.

Source: Tesla Fleet API documentation, vehicle-endpoints: a link is single-use, valid for 24 hours,
and a car has at most five drivers besides its owner.
"""

from dataclasses import dataclass, field

INVITATION_SECONDS = 24 * 3600.0
MOST_DRIVERS = 5
MOST_INVITATIONS = 1_000


class SharingError(ValueError):
    """Raised when an invitation or a driver cannot be added; the text says why."""


@dataclass(slots=True)
class Invitation:
    """One invitation. Times in unix seconds."""

    id: int
    code: str
    expires_at: float
    revoked_at: float | None = None
    redeemed_by: str | None = None

    def state(self, now: float) -> str:
        """`pending`, `revoked`, `expired` or `accepted`."""
        if self.redeemed_by is not None:
            return "accepted"
        if self.revoked_at is not None:
            return "revoked"
        return "pending" if now < self.expires_at else "expired"


@dataclass(slots=True)
class Sharing:
    """Invitations of one car by id, and the account ids of its drivers."""

    invitations: dict[int, Invitation] = field(default_factory=dict)
    drivers: set[str] = field(default_factory=set)

    def invite(self, number: int, code: str, now: float) -> Invitation:
        """A new invitation.

        Raises:
            SharingError: If the car has its drivers or too many invitations.
        """
        if len(self.drivers) >= MOST_DRIVERS:
            raise SharingError(f"a vehicle has at most {MOST_DRIVERS} drivers")
        if len(self.invitations) >= MOST_INVITATIONS:
            raise SharingError("too many invitations")
        invitation = Invitation(number, code, now + INVITATION_SECONDS)
        self.invitations[number] = invitation
        return invitation

    def redeem(self, code: str, user_id: str, now: float) -> bool:
        """Make the holder of a pending code a driver; False for any other code."""
        for invitation in self.invitations.values():
            if invitation.code == code and invitation.state(now) == "pending":
                invitation.redeemed_by = user_id
                self.drivers.add(user_id)
                return True
        return False
