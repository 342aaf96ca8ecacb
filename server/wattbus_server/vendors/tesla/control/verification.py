"""Verification: asks Tesla, without cost and without waking anything, whether the cause of a blocker is gone."""

import time
from collections.abc import Awaitable, Callable, Mapping

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.control.actions import ACTIONS
from wattbus_server.vendors.tesla.control.free_reads import FreeReads, reachable
from wattbus_server.vendors.tesla.control.site_conditions import SITE_REASONS, still_stands
from wattbus_server.vendors.tesla.control.vehicle_way import VehicleWays
from wattbus_server.vendors.tesla.oauth import TeslaOAuth
from wattbus_server.vendors.tesla.scopes import to_grant

FIRST_RENEWAL_GAP = 30.0
"""Seconds between two renewals of one grant for verification: several blockers of a connection share one new token."""
LONGEST_RENEWAL_GAP = 3600.0
"""Renewals that bring nothing new become rarer, up to this many seconds: a grant is renewed at Tesla's expense."""

_RENEWAL_MEMORY_LIMIT = 10_000

OF_ONE_ANSWER = frozenset(
    {
        Reason.REASON_VEHICLE_REFUSED,
        Reason.REASON_COMMAND_PATH_UNAVAILABLE,
        Reason.REASON_VENDOR_RATE_LIMITED,
        Reason.REASON_OUTCOME_UNKNOWN,
        Reason.REASON_WRITE_NOT_APPLIED,
        Reason.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE,
        Reason.REASON_VENDOR_ERROR_UNCLASSIFIED,
    }
)
"""Reasons that describe one answer and say nothing about the next."""

ONLY_A_COMMAND_TELLS = frozenset(
    {
        Reason.REASON_VIRTUAL_KEY_DISABLED,
        Reason.REASON_KEY_ROLE_INSUFFICIENT,
        Reason.REASON_BUDGET_EXHAUSTED,
        Reason.REASON_PUBLIC_KEY_NOT_HOSTED,
        Reason.REASON_PUBLIC_KEY_MISMATCH,
        Reason.REASON_NOT_SUPPORTED_BY_DEVICE,
        Reason.REASON_NOT_EXPOSED_BY_VENDOR,
    }
)
"""Reasons that nothing free at Tesla shows; they are said to stand."""

_SITE_REASONS = SITE_REASONS - ONLY_A_COMMAND_TELLS

Check = Callable[[VendorAccount, DeviceRecord | None, Blocker], Awaitable[bool]]


class Verification:
    """Verifies blockers."""

    def __init__(
        self, oauth: TeslaOAuth, reads: FreeReads, ways: VehicleWays, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._oauth = oauth
        self._reads = reads
        self._ways = ways
        self._monotonic = monotonic
        self._renewals: dict[str, tuple[float, float]] = {}
        self._checks: Mapping[Reason.ValueType, Check] = {
            Reason.REASON_SCOPE_MISSING: self._scope_missing,
            Reason.REASON_CLIENT_CREDENTIALS_REJECTED: self._credentials_rejected,
            Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED: self._not_configured,
            Reason.REASON_VIRTUAL_KEY_NOT_PAIRED: self._key_not_paired,
            Reason.REASON_KEYCHAIN_FULL: self._keychain_full,
            Reason.REASON_REMOTE_ACCESS_DISABLED: self._remote_access_disabled,
            Reason.REASON_VEHICLE_IN_SERVICE: self._in_service,
            Reason.REASON_VEHICLE_ASLEEP: self._away,
            Reason.REASON_DEVICE_OFFLINE: self._away,
            **dict.fromkeys(_SITE_REASONS, self._site_condition),
        }

    async def still_blocked(self, account: VendorAccount, device: DeviceRecord | None, blocker: Blocker) -> bool:
        """Say whether the cause of a blocker still stands.

        Raises:
            Problem: Tesla could not be asked, which proves nothing.
        """
        if blocker.reason in OF_ONE_ANSWER:
            return False
        if blocker.reason in ONLY_A_COMMAND_TELLS:
            return True
        return await self._checks.get(blocker.reason, self._account_refused)(account, device, blocker)

    async def _scope_missing(self, account: VendorAccount, _device: DeviceRecord | None, blocker: Blocker) -> bool:
        """Look at the granted scopes; a consent that was changed at Tesla shows in the next access token only."""
        if _scopes_lack(account, blocker) and self._may_renew(account):
            await account.replace_token(await account.access_token())
        lacking = _scopes_lack(account, blocker)
        if not lacking:
            self._renewals.pop(account.connection, None)
        return lacking

    async def _credentials_rejected(
        self, _account: VendorAccount, _device: DeviceRecord | None, blocker: Blocker
    ) -> bool:
        """Use the application's credentials: only the token endpoint looks at them, and not when a grant is renewed."""
        try:
            await self._oauth.check_application()
        except Problem as problem:
            if problem.reason == blocker.reason:
                return True
            raise
        return False

    def _may_renew(self, account: VendorAccount) -> bool:
        now = self._monotonic()
        next_time, gap = self._renewals.get(account.connection, (now, FIRST_RENEWAL_GAP))
        if now < next_time:
            return False
        if len(self._renewals) >= _RENEWAL_MEMORY_LIMIT:
            self._renewals.clear()
        self._renewals[account.connection] = (now + gap, min(2 * gap, LONGEST_RENEWAL_GAP))
        return True

    async def _not_configured(self, account: VendorAccount, device: DeviceRecord | None, blocker: Blocker) -> bool:
        """Look at this server's own settings; a token of the application shows that the other ones are in order."""
        if blocker.metadata["setting"] == "tesla.command_key_file":
            return not self._ways.can_sign
        return await self._credentials_rejected(account, device, blocker)

    async def _key_not_paired(self, account: VendorAccount, device: DeviceRecord | None, _blocker: Blocker) -> bool:
        if device is None:
            return True
        return (await self._ways.keys.get(account, device, fresh=True)).paired is not True

    async def _keychain_full(self, account: VendorAccount, device: DeviceRecord | None, _blocker: Blocker) -> bool:
        if device is None:
            return True
        status = await self._ways.keys.get(account, device, fresh=True)
        return not status.paired and (status.key_count is None or status.keychain_full)

    async def _remote_access_disabled(
        self, account: VendorAccount, device: DeviceRecord | None, _blocker: Blocker
    ) -> bool:
        return device is None or await self._reads.mobile_access_disabled(account, device)

    async def _in_service(self, account: VendorAccount, device: DeviceRecord | None, _blocker: Blocker) -> bool:
        return device is None or await self._reads.in_service(account, device)

    async def _away(self, account: VendorAccount, device: DeviceRecord | None, _blocker: Blocker) -> bool:
        seen = await self._reads.connectivity(account, device) if device is not None else None
        return seen is None or not reachable(seen)

    async def _site_condition(self, account: VendorAccount, device: DeviceRecord | None, blocker: Blocker) -> bool:
        if device is None:
            return True
        fresh = await self._reads.battery(account, device)
        return still_stands(blocker, fresh)

    async def _account_refused(self, account: VendorAccount, _device: DeviceRecord | None, blocker: Blocker) -> bool:
        """Make the cheapest call; only its success shows that account and application are in order again."""
        try:
            await self._reads.products(account)
        except Problem as problem:
            if problem.reason == blocker.reason:
                return True
            raise
        return False


def _scopes_lack(account: VendorAccount, blocker: Blocker) -> bool:
    """Say whether one of the blocked actions still lacks a scope; the table knows where another scope would do too."""
    rules = [ACTIONS[kind].scopes for kind in blocker.blocked_actions if kind in ACTIONS]
    if rules:
        return any(to_grant(rule, account.scopes)[1] for rule in rules)
    return not account.scopes.issuperset(blocker.missing_scopes)
