"""What the catalogue tells of a reason: its code, who acts, what the end user reads, and how it heals."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, IntEnum

from grpc import StatusCode
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason


class Importance(IntEnum):
    """What is told first when several things block: nothing further down can heal before what stands above it."""

    CALL = 0
    """The call itself is wrong or not allowed."""
    OPERATOR = 1
    """The operator's application at the vendor."""
    GRANT = 2
    """The end user's grant is gone."""
    SCOPE = 3
    """The grant is there, but too small."""
    KEY = 4
    """The virtual key or remote access of a vehicle."""
    IMPOSSIBLE = 5
    """The device, or the vendor's interface, cannot do it."""
    DEVICE = 6
    """A setting or condition of the device or its site."""
    REACH = 7
    """The device or the vendor is away, or too busy."""
    OUTCOME = 8
    """What became of something that was sent."""


class Healing(Enum):
    """How the server learns that the cause is gone."""

    VERIFIED = "verified"
    """It asks the vendor, regularly and before it refuses because of it."""
    ON_USE = "on_use"
    """Only the next command can tell, so that an open blocker does not refuse commands."""
    WAITING = "waiting"
    """It passes with time and is never recorded."""
    WATCHED = "watched"
    """Nobody removes it; what the device shows afterwards may decide it."""
    CALLER = "caller"
    """The caller changes the request; there is nothing to record."""


_VERIFICATION = {
    Healing.VERIFIED: "The server asks the vendor regularly and before the next command; the blocker closes by itself.",
    Healing.ON_USE: "The vendor offers no way to ask. The next command that gets through closes the blocker.",
    Healing.WAITING: "It passes with time; try again after the retry delay.",
    Healing.WATCHED: "The server watches the device for some minutes; what that proves, the command shows.",
    Healing.CALLER: "The next call is judged anew.",
}

_PLACES = {
    Actor.ACTOR_END_USER: "The device, or the account at its manufacturer",
    Actor.ACTOR_INSTALLER: "The installer of the system",
    Actor.ACTOR_UTILITY: "The grid operator or energy supplier",
    Actor.ACTOR_OPERATOR: "This server and its application at the manufacturer",
    Actor.ACTOR_CALLER: "Your call",
    Actor.ACTOR_VENDOR: "The manufacturer's service",
    Actor.ACTOR_NOBODY: "Nowhere: it passes with time",
}


@dataclass(frozen=True)
class CatalogueEntry:
    """What is generally true of a reason."""

    reason: Reason.ValueType
    code: StatusCode
    importance: Importance
    actor: Actor.ValueType
    """Who must act, unless a remedy says otherwise."""
    end_user_message: str
    """One sentence for the end user, in English."""
    step: str
    """What the actor does, unless a remedy says it more exactly."""
    healing: Healing
    retry_delay: timedelta | None = None
    """When to try again if nothing more exact is known. None: waiting alone does not help."""
    metadata_keys: tuple[str, ...] = ()
    """Keys of `google.rpc.ErrorInfo.metadata`, as `reason.proto` lists them."""

    @property
    def name(self) -> str:
        """The reason as it stands on the wire, for example `SCOPE_MISSING`."""
        return Reason.Name(self.reason).removeprefix("REASON_")

    @property
    def anchor(self) -> str:
        """The reason's anchor in the documentation, for example `scope-missing`."""
        return self.name.lower().replace("_", "-")

    @property
    def place(self) -> str:
        """Where the actor acts, unless a remedy says it more exactly."""
        return _PLACES[self.actor]

    @property
    def retriable(self) -> bool:
        """Whether waiting helps."""
        return self.retry_delay is not None

    @property
    def lasting(self) -> bool:
        """Whether it is recorded as a blocker that stays open until its cause is gone."""
        return self.healing in (Healing.VERIFIED, Healing.ON_USE)

    @property
    def verification(self) -> str:
        """One sentence: how the server notices that the cause is gone."""
        return _VERIFICATION[self.healing]
