"""The hosted flow: what happens when an end user opens a link, leaves for the vendor, and comes back."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.blocker_pb2 import Actor, Blocker, Remedy
from wattbus.v1.connection_pb2 import Access, LinkSessionState, Vendor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.connections.keeper import RecordProblem, record_nothing
from wattbus_server.connections.link_completion import LinkCompletion, Lost
from wattbus_server.connections.link_rows import (
    LinkSessionRecord,
    change_pending,
    digest,
    failure,
    find_session,
)
from wattbus_server.connections.links import LinkSessions
from wattbus_server.connections.records import ConnectionRecord
from wattbus_server.connections.relink import Relink
from wattbus_server.connections.sync import Discovery
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.problem import Problem
from wattbus_server.storage.encryption import Vault
from wattbus_server.storage.tables import link_sessions
from wattbus_server.vendors.contract import AuthorizationRequest, DeviceRecord, VendorAdapter

log = structlog.get_logger()

# How long the end user's browser waits for the discovery, which goes on without it.
_DISCOVERY_PATIENCE_SECONDS = 15.0

LINKS = Counter("wattbus_link_results", "Link sessions that ended, by result.", ["vendor", "result"])


class Refusal(Enum):
    """Why a browser is turned away. None of these changes a link session."""

    UNKNOWN_LINK = "unknown_link"
    EXPIRED = "expired"
    USED = "used"
    FORGED_STATE = "forged_state"
    """The vendor's answer has no state, an unknown one, or one that was used."""
    OTHER_BROWSER = "other_browser"
    """The vendor's answer arrives in a browser other than the one that opened the link."""


class Result(Enum):
    """How a link session ended."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    """A connection stands, but not everything that was asked for is granted."""
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class Departure:
    """The browser is to go to the vendor."""

    authorization_url: str
    browser_secret: str
    """To be kept in a cookie."""
    lifetime_seconds: int


@dataclass(frozen=True)
class VendorAnswer:
    """The query of the callback; absent parameters are empty."""

    state: str = ""
    code: str = ""
    error: str = ""
    error_description: str = ""


@dataclass(frozen=True)
class Arrival:
    """The browser is back and the link session has ended."""

    result: Result
    session: LinkSessionRecord
    problem: Problem | None = None
    """Why it was cancelled or failed."""
    devices: Sequence[DeviceRecord] = ()
    missing: frozenset[Access.ValueType] = frozenset()
    ask_again_url: str = ""
    """A fresh link for what is missing."""
    next_steps: Sequence[Remedy] = ()
    devices_unread: bool = False
    """The devices could not be read, or not in time; that is tried again in the background."""


LinkEnded = Callable[[str], Awaitable[object]]
"""Called with a connection when a link session that renews it has ended, so that the link is worth nothing any more."""


async def _nothing(_connection: str) -> None:
    """Stand in until the hook is set."""


class LinkFlow:
    """Leads a browser through a link session."""

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Vault,
        adapters: Mapping[Vendor.ValueType, VendorAdapter],
        links: LinkSessions,
        completion: LinkCompletion,
        discovery: Discovery,
        registry: DeviceRegistry,
        relink: Relink,
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._adapters = adapters
        self._links = links
        self._completion = completion
        self._discovery = discovery
        self._registry = registry
        self._relink = relink
        self._discoveries: set[asyncio.Task[Sequence[Blocker] | None]] = set()
        self.on_refused: RecordProblem = record_nothing
        self.on_ended: LinkEnded = _nothing

    async def show(self, url_token: str) -> LinkSessionRecord | Refusal:
        """Find a link session that can be started. Changes nothing, so robots that preview links do no harm."""
        async with self._engine.connect() as database:
            session = await find_session(database, link_sessions.c.url_token_hash == digest(url_token))
        return Refusal.UNKNOWN_LINK if session is None else _refused(session) or session

    def vendor_page(self, session: LinkSessionRecord) -> str:
        """Return the address of the vendor's consent page, without a state that would work.

        Raises:
            Problem: VENDOR_APPLICATION_NOT_CONFIGURED.
        """
        return self._authorization_url(session, "", "")

    async def begin(self, url_token: str, browser_secret: str) -> Departure | Refusal:
        """Start a link session in this browser. Starting again, also elsewhere, ends the earlier attempt.

        Args:
            url_token: the last part of the link.
            browser_secret: the browser's cookie from an earlier link, or empty.

        Raises:
            Problem: VENDOR_APPLICATION_NOT_CONFIGURED.
        """
        session = await self.show(url_token)
        if isinstance(session, Refusal):
            return session
        browser_secret = browser_secret or secrets.token_urlsafe(32)
        state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        url = self._authorization_url(session, state, nonce)
        async with self._engine.begin() as database:
            started = await change_pending(
                database,
                session.name,
                state_hash=digest(state),
                browser_hash=digest(browser_secret),
                nonce_encrypted=self._vault.encrypt(nonce.encode(), _nonce_context(session.name)),
            )
        if not started:
            return Refusal.USED
        remaining = session.expire_time - datetime.now(UTC)
        return Departure(url, browser_secret, max(1, int(remaining.total_seconds())))

    async def complete(self, vendor: Vendor.ValueType, answer: VendorAnswer, browser_secret: str) -> Arrival | Refusal:
        """Take the vendor's answer. It counts once, and only in the browser that started the link session."""
        session = await self._claim(vendor, answer.state, browser_secret)
        if isinstance(session, Refusal):
            return session
        try:
            _refuse_error(answer)
            connection = await self._completion.link(
                session, answer.code, self._links.redirect_uri(vendor), self._nonce(session)
            )
        except Lost:
            return Refusal.USED
        except Problem as problem:
            return await self._failed(session, problem)
        arrival = await self._arrived(session, connection)
        _count(session, arrival.result)
        return arrival

    async def close(self) -> None:
        """Let discoveries that browsers did not wait for finish."""
        await asyncio.gather(*self._discoveries, return_exceptions=True)

    async def _claim(self, vendor: Vendor.ValueType, state: str, browser_secret: str) -> LinkSessionRecord | Refusal:
        state_hash = digest(state)
        async with self._engine.begin() as database:
            session = await find_session(
                database, link_sessions.c.state_hash == state_hash, link_sessions.c.vendor == vendor
            )
            if session is None or not state:
                return Refusal.FORGED_STATE
            if refusal := _refused(session):
                return refusal
            if not secrets.compare_digest(session.browser_hash or b"", digest(browser_secret)):
                return Refusal.OTHER_BROWSER
            claimed = await change_pending(
                database, session.name, link_sessions.c.state_hash == state_hash, state_hash=None
            )
        return session if claimed else Refusal.FORGED_STATE

    async def _failed(self, session: LinkSessionRecord, problem: Problem) -> Arrival:
        problem = await self.on_refused(session.tenant, problem)
        columns = failure(problem)
        async with self._engine.begin() as database:
            if not await change_pending(database, session.name, **columns):
                log.info("link_session_ended_elsewhere", link_session=session.name)
        cancelled = columns["state"] == LinkSessionState.LINK_SESSION_STATE_CANCELLED
        result = Result.CANCELLED if cancelled else Result.FAILED
        if session.connection:
            await self.on_ended(session.connection)
        _count(session, result)
        log.info("link_session_failed", link_session=session.name, reason=problem.reason_name)
        return Arrival(result, replace(session, **columns), problem)

    async def _arrived(self, session: LinkSessionRecord, connection: ConnectionRecord) -> Arrival:
        found = await self._discover(connection.name)
        devices = self._registry.of_connection(connection.name)
        missing = session.access - self._adapters[session.vendor].granted_access(connection.scopes)
        # After the discovery: what the new grant healed has closed by now and needs no other link.
        await self.on_ended(connection.name)
        return Arrival(
            Result.PARTIAL if missing else Result.COMPLETED,
            session,
            devices=devices,
            missing=missing,
            ask_again_url=(await self._relink.remedy(connection.name, missing)).link if missing else "",
            next_steps=[step.remedies[0] for step in found or () if step.remedies[0].actor == Actor.ACTOR_END_USER],
            devices_unread=found is None,
        )

    async def _discover(self, connection: str) -> Sequence[Blocker] | None:
        """Return what is left to do at the devices, or None if they could not be read, or not in time."""
        task = asyncio.create_task(self._discovery.try_discover(connection), name=f"discover {connection}")
        self._discoveries.add(task)
        task.add_done_callback(self._discoveries.discard)
        await asyncio.wait({task}, timeout=_DISCOVERY_PATIENCE_SECONDS)
        return task.result() if task.done() else None

    def _authorization_url(self, session: LinkSessionRecord, state: str, nonce: str) -> str:
        redirect_uri = self._links.redirect_uri(session.vendor)
        request = AuthorizationRequest(session.access, state, nonce, redirect_uri, session.locale)
        return self._adapters[session.vendor].authorization_url(request)

    def _nonce(self, session: LinkSessionRecord) -> str:
        return self._vault.decrypt(session.nonce_encrypted or b"", _nonce_context(session.name)).decode()


def _refused(session: LinkSessionRecord) -> Refusal | None:
    state = session.state_now()
    if state == LinkSessionState.LINK_SESSION_STATE_PENDING:
        return None
    return Refusal.EXPIRED if state == LinkSessionState.LINK_SESSION_STATE_EXPIRED else Refusal.USED


def _refuse_error(answer: VendorAnswer) -> None:
    """Turn an answer that is not a code into a problem (RFC 6749, section 4.1.2.1)."""
    if answer.error == "access_denied":
        raise Problem(Reason.REASON_CONSENT_CANCELLED, "The end user cancelled at the vendor.")
    if answer.error or not answer.code:
        words = f"{answer.error} {answer.error_description}".strip() or "neither a code nor an error"
        raise Problem(
            Reason.REASON_VENDOR_ERROR_UNCLASSIFIED,
            f"The vendor's sign-in answered: {words[:300]}",
            vendor_reason=words[:500],
        )


def _count(session: LinkSessionRecord, result: Result) -> None:
    LINKS.labels(Vendor.Name(session.vendor), result.value).inc()


def _nonce_context(name: str) -> str:
    return f"{name}/nonce"
