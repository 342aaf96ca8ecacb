"""The adapter contract: everything that the rest of the server knows about a vendor.

An adapter is stateless between calls except for caches that cost nothing to lose. It fills generated messages directly
and raises `Problem` for everything that goes wrong. It never touches the database: what must last it gets handed in
(a `VendorAccount`, a signing session store).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from wattbus.v1.action_pb2 import Action, ActionKind
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.connection_pb2 import Access, Vendor
from wattbus.v1.device_pb2 import Capability, DeviceKind
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState


@dataclass(frozen=True)
class Grant:
    """What an end user granted, as the vendor's token endpoint answered it. Both tokens are secrets."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expire_time: datetime
    scopes: frozenset[str]
    """The vendor's names of the granted scopes, read from the access token."""
    subject: str
    """The vendor's stable identifier of the account."""
    region_hint: str = ""
    """The vendor's region as the token suggests it. Empty if it says nothing. May be wrong."""


@dataclass(frozen=True)
class AuthorizationRequest:
    """What the end user is asked for."""

    access: frozenset[Access.ValueType]
    state: str
    nonce: str
    redirect_uri: str
    locale: str = ""


@dataclass(frozen=True)
class HostedFile:
    """A public file on the operator's domain."""

    content: bytes
    media_type: str


class VendorAccount(Protocol):
    """One end user's vendor account, as an adapter may use it. The token keeper stands behind it."""

    @property
    def connection(self) -> str:
        """The connection, `connections/…`."""

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes granted by the latest token."""

    @property
    def region(self) -> str:
        """The region that was last remembered. Empty while unknown."""

    async def access_token(self) -> str:
        """Return a token that is valid for at least a minute, renewing it if needed.

        Raises:
            Problem: REAUTHORIZATION_REQUIRED, or what the vendor's token endpoint gives.
        """

    async def replace_token(self, rejected: str) -> str:
        """Return a token other than `rejected`, renewing once if nobody else did since.

        Raises:
            Problem: REAUTHORIZATION_REQUIRED, or what the vendor's token endpoint gives.
        """

    async def remember_region(self, region: str) -> None:
        """Store where the account lives."""


@dataclass(frozen=True)
class DiscoveredDevice:
    """A device that the vendor lists for an account."""

    kind: DeviceKind.ValueType
    vendor_id: str
    """The vendor's identifier shown to callers: VIN, or the site's number."""
    key: str
    """Unique and stable within the vendor, for example `vehicle/<vin>` or `site/<id>/battery`; the registry makes the
    device name from it."""
    display_name: str = ""
    model: str = ""
    site_key: str = ""
    """Equal for devices at one home. Empty for vehicles."""
    vendor_facts: Mapping[str, str] = field(default_factory=dict)
    """What the adapter wants to find again later, for example `command_signing`. No secrets."""
    state: DeviceState | None = None
    """What the listing already told about the state. `device` is filled in by the registry."""


@dataclass(frozen=True)
class DeviceRecord:
    """A device that the registry knows."""

    name: str
    """`devices/…`."""
    tenant: str
    """`tenants/…`."""
    connection: str
    """`connections/…`."""
    external_user_id: str
    vendor: Vendor.ValueType
    kind: DeviceKind.ValueType
    vendor_id: str
    key: str
    display_name: str
    model: str
    site: str
    """`sites/…`, or empty."""
    vendor_facts: Mapping[str, str]
    create_time: datetime
    discover_time: datetime


@dataclass(frozen=True)
class Poll:
    """One thing that is read from the vendor again and again, for one or more devices of one connection."""

    key: str
    """Unique within the connection, for example `site/123/live_status`."""
    interval: timedelta
    devices: tuple[str, ...]
    """The devices whose state it brings. If all are gone, the poll ends."""


@dataclass(frozen=True)
class CommandCheck:
    """What a command would meet, found without cost and without waking anything."""

    blockers: Sequence[Blocker] = ()
    """Everything that blocks, each without `name` and times (the ledger gives them), most important first."""
    unseen: Sequence[Blocker] = ()
    """Why something could not be looked at, without `name` and times. What it would have shown may block."""
    vendor_writes: Sequence[str] = ()
    needs_wake: bool = False
    cost_micros_usd: int = 0
    retry_delay: timedelta | None = None
    """When the most patient blocker may have passed by itself. None: waiting does not help."""
    judged: Collection[Reason.ValueType] = ()
    """Reasons that were judged for exactly this action: an open blocker with one of them, which another value of the
    same action met, does not count."""


@dataclass(frozen=True)
class Acceptance:
    """The vendor said yes."""

    evidence: str
    """What says so, for example `signed_command door_lock: ok`."""
    reason: str = ""
    """The vendor's own words, if it said more than yes, for example `already_set`."""


@dataclass(frozen=True)
class Proof:
    """What fresh observations prove about an action."""

    rung: Rung.ValueType = Rung.RUNG_UNSPECIFIED
    """APPLIED or EFFECTIVE. UNSPECIFIED: the observations do not show it (or show something else)."""
    evidence: str = ""
    """The values that prove or contradict it, for example `charge.limit_percent=80`."""
    contradicted: bool = False
    """True if the observations show another value than the wanted one."""


@dataclass(frozen=True)
class ActionTraits:
    """What is generally true of an action with this vendor."""

    provable_rung: Rung.ValueType
    """The highest rung that can be proven."""
    sets_value: bool
    """True if it only sets a value, so that it may be sent once more soon after its answer was lost. Not what opens
    something for a person: who closed it meanwhile must not find it open again."""
    readback_delays: Sequence[timedelta] = ()
    """When to read back after acceptance, each counted from the read before. Reads may be billed."""


class VendorAdapter(Protocol):
    """All knowledge of one vendor. Every coroutine raises `Problem` when the vendor refuses or fails."""

    @property
    def vendor(self) -> Vendor.ValueType:
        """The vendor."""

    # Linking

    def granted_access(self, scopes: Collection[str]) -> frozenset[Access.ValueType]:
        """Say which access the vendor's scopes give."""

    def hosted_files(self) -> Mapping[str, HostedFile]:
        """Return the files that the vendor fetches from the operator's domain, by path, for example the public key.

        Empty if nothing is configured. The HTTP side serves them to everybody.
        """

    def authorization_url(self, request: AuthorizationRequest) -> str:
        """Return the vendor's consent page for this request.

        Raises:
            Problem: VENDOR_APPLICATION_NOT_CONFIGURED.
        """

    async def exchange_code(self, code: str, redirect_uri: str, nonce: str) -> Grant:
        """Turn the code of the callback into a grant; the nonce must be the one of the request."""

    async def renew(self, grant: Grant) -> Grant:
        """Spend the refresh token. The caller stores the answer before it uses it.

        Raises:
            Problem: REAUTHORIZATION_REQUIRED if no retry will help.
        """

    def missing_access(self, account: VendorAccount, requested: Collection[Access.ValueType]) -> Sequence[Blocker]:
        """Say which actions the grant does not allow although access to them was requested, as `check` would.

        Called when a grant comes or changes; it asks nobody. Access that no action needs blocks none.
        """

    async def next_steps(self, account: VendorAccount, devices: Sequence[DeviceRecord]) -> Sequence[Blocker]:
        """Say what the end user should do right after linking so that what was granted works, for example pair a key.

        Only what is known not to be done yet, as `check` would say it, each with a remedy; without cost and without
        waking anything. Empty if nothing is left to do, or if the granted access does not need it. The closing page of
        the link flow shows the first remedy of each.
        """

    # Devices and state

    async def discover(self, account: VendorAccount) -> Sequence[DiscoveredDevice]:
        """List the devices of an account, and find its region on the way."""

    def polls(self, devices: Sequence[DeviceRecord]) -> Sequence[Poll]:
        """Say what to read regularly for the devices of one connection."""

    async def poll(self, account: VendorAccount, poll: Poll, devices: Sequence[DeviceRecord]) -> Sequence[DeviceState]:
        """Carry out one poll. Each answer holds `device` and the groups that were observed, nothing else."""

    async def read(
        self, account: VendorAccount, device: DeviceRecord, siblings: Sequence[DeviceRecord]
    ) -> Sequence[DeviceState]:
        """Read one device from the vendor now; siblings are the devices at the same site, whose values may come along.

        Never wakes a vehicle.
        """

    # Commands

    def capabilities(self, account: VendorAccount, device: DeviceRecord, state: DeviceState) -> Sequence[Capability]:
        """List what the device can do, with bounds, and the blockers that `check` would find by memory alone.

        Called for many devices at a time: it asks nobody. Blockers are like those of `CommandCheck`; open ones that
        the ledger knows are added by the caller.
        """

    def traits(self, action: Action) -> ActionTraits:
        """Say what is generally true of an action."""

    async def check(
        self, account: VendorAccount, device: DeviceRecord, state: DeviceState, action: Action
    ) -> CommandCheck:
        """Find everything that blocks the action, at once, without cost and without waking anything.

        Sleep is not a blocker here; it is told in `needs_wake`.
        """

    def asleep_blocker(self, device: DeviceRecord, action: Action) -> Blocker:
        """Describe the refusal of a caller who forbids waking a sleeping vehicle, or whose vehicle did not wake."""

    async def wake(self, account: VendorAccount, device: DeviceRecord) -> None:
        """Ask the vehicle to wake, once. It is awake when `connectivity` says so."""

    async def connectivity(self, account: VendorAccount, device: DeviceRecord) -> DeviceState:
        """Read only whether the device is reachable, as cheaply as the vendor allows."""

    async def send(self, account: VendorAccount, device: DeviceRecord, action: Action) -> Acceptance:
        """Send the action once. `Problem.execution` tells the truth about what may have happened."""

    def prove(self, action: Action, observed: Sequence[DeviceState]) -> Proof:
        """Say what observations made after acceptance prove about the action."""

    async def forget(self, device: DeviceRecord) -> None:
        """Delete what is kept about a device that no connection has any more."""

    # Blockers

    async def still_blocked(self, account: VendorAccount, device: DeviceRecord | None, blocker: Blocker) -> bool:
        """Verify a blocker at the vendor without cost and without waking anything; False once its cause is gone."""


__all__ = [
    "Acceptance",
    "ActionKind",
    "ActionTraits",
    "AuthorizationRequest",
    "CommandCheck",
    "DeviceRecord",
    "DiscoveredDevice",
    "Grant",
    "HostedFile",
    "Poll",
    "Proof",
    "VendorAccount",
    "VendorAdapter",
]
