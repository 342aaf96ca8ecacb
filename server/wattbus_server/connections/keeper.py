"""The token keeper: hands out access tokens, and is the only one that spends refresh tokens.

A refresh token works once, so of all callers and all replicas exactly one may spend it. Callers in this process share
one task; replicas take turns by a claim on the grant's row. The new grant is stored before anybody uses it. If the
process dies between the vendor's answer and the store, the old refresh token is still in the database; the claim runs
out, and it is spent a second time. Tesla allows that for 24 hours (Tesla Fleet API documentation, third-party tokens).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Counter
from wattbus.v1.blocker_pb2 import Blocker, BlockerState
from wattbus.v1.connection_pb2 import ConnectionState, Vendor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.blockers import catalogue
from wattbus_server.connections.grants import GrantStore, StoredGrant
from wattbus_server.connections.records import ConnectionRecord, Standing
from wattbus_server.connections.store import ConnectionChange, ConnectionChangeKind, ConnectionStore
from wattbus_server.problem import Problem, not_found
from wattbus_server.shared_work import SharedWork
from wattbus_server.vendors.contract import Grant, VendorAdapter

log = structlog.get_logger()

RENEW_BEFORE_EXPIRY = timedelta(minutes=1)
# Longer than one token request may take, so that a claim is lost only by a process that died.
CLAIM_LEASE = timedelta(seconds=30)
# A token that is rejected right after its renewal is renewed again only after a while, and then ever more rarely: new
# ones do not help, and each spends a refresh token.
FIRST_REPLACEMENT_GAP = timedelta(seconds=10)
LONGEST_REPLACEMENT_GAP = timedelta(minutes=30)
# How often to look whether another replica has finished.
_CLAIM_CHECK_SECONDS = 0.25

RENEWALS = Counter("wattbus_token_renewals", "Refresh tokens spent, by what came of it.", ["vendor", "result"])


RecordProblem = Callable[[str, Problem], Awaitable[Problem]]
"""Takes a tenant and a problem, and returns it with its blockers recorded and their remedies added."""


async def record_nothing(_tenant: str, problem: Problem) -> Problem:
    """Stand in until the recording of problems is wired."""
    return problem


class TokenKeeper:
    """Keeps the grants of all connections fresh."""

    def __init__(
        self,
        connections: ConnectionStore,
        grants: GrantStore,
        adapters: Mapping[Vendor.ValueType, VendorAdapter],
        claim_lease: timedelta = CLAIM_LEASE,
    ) -> None:
        self._connections = connections
        self._grants = grants
        self._adapters = adapters
        self._claim_lease = claim_lease
        self._known: dict[str, Grant] = {}
        self._replacements: dict[str, _Replacement] = {}
        self._renewals: SharedWork[str, Grant] = SharedWork()
        self.on_dead: RecordProblem = record_nothing
        connections.listen(self._connection_changed)

    async def access_token(self, connection: str) -> str:
        """Return a token that is valid for at least a minute.

        Raises:
            Problem: REAUTHORIZATION_REQUIRED, or what the vendor's token endpoint gives.
        """
        await self._refuse_dead(connection)
        grant = self._known.get(connection) or await self._read(connection)
        if not _is_fresh(grant):
            grant = await self._renewed(connection, grant.access_token)
        return grant.access_token

    async def replace_token(self, connection: str, rejected: str) -> str:
        """Return a token other than `rejected`; many callers with the same rejected token cost one renewal.

        Raises:
            Problem: REAUTHORIZATION_REQUIRED, also if `rejected` is itself a replacement and it is too early to spend
                another refresh token; or what the vendor's token endpoint gives.
        """
        await self._refuse_dead(connection)
        known = self._known.get(connection)
        if known is not None and known.access_token != rejected and _is_fresh(known):
            return known.access_token
        last = self._replacements.get(connection)
        if last is not None and last.token == rejected and time.monotonic() < last.due:
            raise reauthorization_required(connection, "The vendor rejects even a token that was renewed just now.")
        token = (await self._renewed(connection, rejected)).access_token
        last = self._replacements.get(connection)
        # Of many callers who got the same token, the first has noted it.
        if last is None or last.token != token:
            self._replacements[connection] = _Replacement.after(last, rejected, token)
        return token

    async def renew(self, connection: str) -> None:
        """Renew now, to see which scopes are granted at this moment.

        Raises:
            Problem: as `access_token`.
        """
        await self._refuse_dead(connection)
        grant = await self._read(connection)
        await self._renewed(connection, grant.access_token)

    async def close(self) -> None:
        """Let running renewals finish: a spent refresh token without its successor is worth nothing."""
        await self._renewals.close()

    async def _renewed(self, connection: str, unwanted: str) -> Grant:
        """Join the running renewal or start one. A caller that is cancelled leaves it running for the others."""
        while True:
            joined = connection in self._renewals
            grant = await self._renewals.join(connection, lambda: self._renew_and_log(connection, unwanted))
            # One that runs already may bring just what this caller cannot use.
            if not joined or grant.access_token != unwanted:
                return grant

    async def _renew_and_log(self, connection: str, unwanted: str) -> Grant:
        try:
            return await self._renew(connection, unwanted)
        except Problem as problem:
            log.warning("token_renewal_failed", connection=connection, reason=problem.reason_name)
            if "connection" in catalogue.entry(problem.reason).metadata_keys:
                # The adapter that renews sees a grant, and does not know whose it is.
                problem.metadata = {"connection": connection, **problem.metadata}
            raise
        except Exception as error:
            log.warning("token_renewal_failed", connection=connection, reason=type(error).__name__)
            raise

    async def _renew(self, connection: str, unwanted: str) -> Grant:
        while True:
            stored = await self._grants.read(connection)
            if stored is None:
                raise not_found("connection", connection)
            if stored.grant.access_token != unwanted and _is_fresh(stored.grant):
                return await self._take_over(connection, stored.grant)
            if stored.is_claimed():
                await asyncio.sleep(_CLAIM_CHECK_SECONDS)
                continue
            claimed_version = await self._grants.claim(connection, stored.version, self._claim_lease)
            if claimed_version is not None:
                return await self._spend(connection, stored, claimed_version)

    async def _spend(self, connection: str, stored: StoredGrant, claimed_version: int) -> Grant:
        """Spend the refresh token, store the new grant, and only then let it be used."""
        record = self._connections.existing(connection)
        vendor = Vendor.Name(record.vendor)
        try:
            renewed = await self._ask_vendor(record, stored.grant)
        except BaseException as error:
            RENEWALS.labels(vendor, "failed").inc()
            if not isinstance(error, Problem) or error.reason != Reason.REASON_REAUTHORIZATION_REQUIRED:
                await asyncio.shield(self._grants.release(connection, claimed_version))
                raise
            # Under the lock, so that the refusal of an old grant cannot overtake a newly linked one.
            async with self._connections.exclusive(grant_lock(connection)):
                if await self._grants.release(connection, claimed_version):
                    raise await self._declare_dead(record, error) from error
            return await self._read(connection)
        RENEWALS.labels(vendor, "renewed").inc()
        if await self._grants.settle(connection, claimed_version, renewed):
            return await self._take_over(connection, renewed)
        # The end user linked again meanwhile, or the connection is gone: what is stored counts.
        return await self._read(connection)

    async def _ask_vendor(self, record: ConnectionRecord, grant: Grant) -> Grant:
        if not grant.refresh_token:
            raise Problem(
                Reason.REASON_REAUTHORIZATION_REQUIRED,
                "The access token expired, and the end user did not grant a refresh token.",
            )
        return await self._adapters[record.vendor].renew(grant)

    async def _take_over(self, connection: str, grant: Grant) -> Grant:
        """Use a stored grant from now on, and tell if it grants other scopes than before."""
        record = self._connections.find(connection)
        if record is None:
            # It was deleted meanwhile, and its tokens with it.
            raise not_found("connection", connection)
        self._known[connection] = grant
        if record.scopes != grant.scopes:
            granted = self._adapters[record.vendor].granted_access(grant.scopes)
            standing = Standing.of_access(record.requested_access, granted)
            await self._connections.change(
                connection, ConnectionChangeKind.SCOPES_CHANGED, scopes=grant.scopes, **standing.changes()
            )
        return grant

    async def _read(self, connection: str) -> Grant:
        stored = await self._grants.read(connection)
        if stored is None:
            raise not_found("connection", connection)
        return await self._take_over(connection, stored.grant)

    async def _declare_dead(self, record: ConnectionRecord, problem: Problem) -> Problem:
        self._known.pop(record.name, None)
        standing = Standing(ConnectionState.CONNECTION_STATE_REAUTHORIZATION_REQUIRED, problem.reason, problem.message)
        await self._connections.change(record.name, ConnectionChangeKind.REAUTHORIZATION_REQUIRED, **standing.changes())
        told = reauthorization_required(record.name, problem.message, problem.vendor_reason)
        return await self.on_dead(record.tenant, told)

    async def _refuse_dead(self, connection: str) -> None:
        record = self._connections.existing(connection)
        if record.needs_reauthorization:
            raise await self.on_dead(record.tenant, reauthorization_required(connection, record.state_message))

    def _connection_changed(self, change: ConnectionChange) -> None:
        if change.kind in (ConnectionChangeKind.ADDED, ConnectionChangeKind.RENEWED, ConnectionChangeKind.REMOVED):
            self._known.pop(change.record.name, None)
            self._replacements.pop(change.record.name, None)


@dataclass(frozen=True)
class _Replacement:
    """The token that replaced a rejected one, and when it may be replaced itself."""

    token: str = field(repr=False)
    gap: timedelta
    due: float
    """On the monotonic clock."""

    @classmethod
    def after(cls, last: "_Replacement | None", rejected: str, token: str) -> "_Replacement":
        gap = FIRST_REPLACEMENT_GAP
        if last is not None and last.token == rejected:
            gap = min(2 * last.gap, LONGEST_REPLACEMENT_GAP)
        return cls(token, gap, time.monotonic() + gap.total_seconds())


def grant_lock(connection: str) -> str:
    """Return the name of the lock under which a grant is replaced by linking, or declared dead."""
    return f"{connection}/grant"


def reauthorization_required(connection: str, message: str, vendor_reason: str = "") -> Problem:
    """Say that the end user must link again."""
    blocker = Blocker(
        reason=Reason.REASON_REAUTHORIZATION_REQUIRED,
        connection=connection,
        message=message,
        state=BlockerState.BLOCKER_STATE_OPEN,
        evidence=vendor_reason,
    )
    return Problem(
        Reason.REASON_REAUTHORIZATION_REQUIRED,
        message,
        blockers=(blocker,),
        metadata={"connection": connection},
        vendor_reason=vendor_reason,
    )


def _is_fresh(grant: Grant) -> bool:
    return grant.expire_time - datetime.now(UTC) > RENEW_BEFORE_EXPIRY
