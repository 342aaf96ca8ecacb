"""A vendor inside the test: a `VendorAdapter` whose accounts, answers and delays the test decides.

The real adapter against the real sandbox is tested in `test_tesla_link.py`; here what no vendor does on demand.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.connection_pb2 import Access, Vendor
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import (
    AuthorizationRequest,
    DeviceRecord,
    DiscoveredDevice,
    Grant,
    HostedFile,
    VendorAccount,
)

AUTHORIZE_URL = "https://vendor.example/authorize"
ALL_SCOPES = frozenset(Access.Name(access) for access in Access.values() if access)

CAR = DiscoveredDevice(DeviceKind.DEVICE_KIND_VEHICLE, "VIN1", "vehicle/VIN1", display_name="Blue <Comet>")
BATTERY = DiscoveredDevice(DeviceKind.DEVICE_KIND_BATTERY, "7", "site/7/battery", "Home", site_key="7")
METER = DiscoveredDevice(DeviceKind.DEVICE_KIND_METER, "7", "site/7/meter", "Meter", site_key="7")


@dataclass
class Vendor1:
    """Scopes are the names of access. Refresh tokens work once."""

    vendor: Vendor.ValueType = Vendor.VENDOR_TESLA
    configured: bool = True
    devices: list[DiscoveredDevice] = field(default_factory=lambda: [CAR, BATTERY, METER])
    token_lifetime: timedelta = timedelta(hours=8)
    discover_problem: Problem | None = None
    renew_problem: Problem | None = None
    granted_now: frozenset[str] | None = None
    """What the next renewed token grants; None: the same as before."""
    steps: tuple[Blocker, ...] = ()
    exchange_problem: Problem | None = None
    renew_gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Renewals wait until it is set; it is set from the start."""
    renewing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a renewal has reached the vendor."""
    spent: list[str] = field(default_factory=list)
    """Every refresh token that reached the vendor."""
    discovered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a discovery succeeded."""

    def __post_init__(self) -> None:
        self.renew_gate.set()
        self._codes: dict[str, tuple[str, frozenset[str]]] = {}
        self._issued = 0
        self.nonces: dict[str, str] = {}

    def consent(self, subject: str, scopes: Collection[str] = ALL_SCOPES) -> str:
        """The end user agrees; returns the code of the callback."""
        code = f"code-{len(self._codes)}"
        self._codes[code] = (subject, frozenset(scopes))
        return code

    def hosted_files(self) -> Mapping[str, HostedFile]:
        return {"/.well-known/vendor/key.pem": HostedFile(b"PUBLIC KEY\n", "application/x-pem-file")}

    def granted_access(self, scopes: Collection[str]) -> frozenset[Access.ValueType]:
        return frozenset(Access.Value(scope) for scope in scopes if scope in ALL_SCOPES)

    def authorization_url(self, request: AuthorizationRequest) -> str:
        if not self.configured:
            raise Problem(Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED, "no client id")
        query = {"state": request.state, "nonce": request.nonce, "redirect_uri": request.redirect_uri}
        return f"{AUTHORIZE_URL}?{urlencode(query)}"

    async def exchange_code(self, code: str, redirect_uri: str, nonce: str) -> Grant:
        if self.exchange_problem is not None:
            raise self.exchange_problem
        if code not in self._codes:
            raise Problem(Reason.REASON_VENDOR_UNAVAILABLE, "invalid_auth_code")
        if self.nonces.get(code, nonce) != nonce:
            raise Problem(Reason.REASON_VENDOR_UNAVAILABLE, "the nonce is another one")
        subject, scopes = self._codes.pop(code)
        return self._grant(subject, scopes)

    async def renew(self, grant: Grant) -> Grant:
        self.spent.append(grant.refresh_token)
        self.renewing.set()
        await self.renew_gate.wait()
        if self.renew_problem is not None:
            raise self.renew_problem
        scopes, self.granted_now = self.granted_now or grant.scopes, None
        return self._grant(grant.subject, scopes)

    def _grant(self, subject: str, scopes: frozenset[str]) -> Grant:
        self._issued += 1
        return Grant(
            f"access-token-{self._issued}-{subject}",
            f"refresh-token-{self._issued}-{subject}",
            datetime.now(UTC) + self.token_lifetime,
            scopes,
            subject,
            "eu",
        )

    async def discover(self, account: VendorAccount) -> Sequence[DiscoveredDevice]:
        await account.access_token()
        if self.discover_problem is not None:
            raise self.discover_problem
        await account.remember_region("eu")
        self.discovered.set()
        return list(self.devices)

    def missing_access(self, account: VendorAccount, requested: Collection[Access.ValueType]) -> Sequence[Blocker]:
        missing = {Access.Name(access) for access in requested} - account.scopes
        return [
            Blocker(reason=Reason.REASON_SCOPE_MISSING, connection=account.connection, missing_scopes=[scope])
            for scope in sorted(missing)
        ]

    async def next_steps(self, account: VendorAccount, devices: Sequence[DeviceRecord]) -> Sequence[Blocker]:
        return self.steps
