"""Link sessions as the API sees them: create, get, and the ones that remedies offer."""

import asyncio
import hashlib
import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.connection_pb2 import Access, LinkSession, LinkSessionState, Vendor
from wattbus.v1.connection_service_pb2 import CreateLinkSessionRequest
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.connections.access_words import vendor_slug
from wattbus_server.connections.link_rows import (
    LinkSessionRecord,
    digest,
    find_session,
    insert_session,
    pending_renewals,
    remove_sessions_before,
)
from wattbus_server.connections.records import ConnectionRecord, access_text
from wattbus_server.connections.store import ConnectionStore
from wattbus_server.problem import FieldViolation, Problem, field_invalid, not_found
from wattbus_server.resource_names import random_id
from wattbus_server.storage.encryption import Vault
from wattbus_server.storage.tables import link_sessions
from wattbus_server.vendors.contract import AuthorizationRequest, VendorAdapter

log = structlog.get_logger()

DEFAULT_LIFETIME = timedelta(hours=1)
RETENTION = timedelta(days=30)
"""How long a link session can still be looked at after it expired."""
_PRUNE_SECONDS = 3600.0


class LinkSessions:
    """Creates link sessions and shows how far they got."""

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Vault,
        public_url: str,
        adapters: Mapping[Vendor.ValueType, VendorAdapter],
        connections: ConnectionStore,
    ) -> None:
        """Set up.

        Args:
            engine: the database.
            vault: encrypts the URLs.
            public_url: how browsers reach the HTTP side, without a path, for example `https://link.example.com`.
            adapters: one for each vendor.
            connections: all connections.
        """
        self._engine = engine
        self._vault = vault
        self._public_url = public_url.rstrip("/")
        self._adapters = adapters
        self._connections = connections
        self._pruning: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to delete what is too old."""
        self._pruning = asyncio.create_task(self._prune_regularly(), name="link-sessions")

    async def close(self) -> None:
        """Stop deleting."""
        if self._pruning is not None:
            self._pruning.cancel()
            await asyncio.gather(self._pruning, return_exceptions=True)

    async def create(self, tenant: str, request: CreateLinkSessionRequest) -> LinkSession:
        """Create a link session, or return the one that the same `request_id` created with the same content.

        Raises:
            Problem: RESOURCE_NOT_FOUND, FIELD_INVALID, VENDOR_APPLICATION_NOT_CONFIGURED, REQUEST_ID_REUSED.
        """
        content = _content_hash(request)
        if request.request_id and (earlier := await self._repeated(tenant, request.request_id, content)):
            return earlier
        vendor = request.vendor or Vendor.VENDOR_TESLA
        if request.connection:
            _check_renewal(self._connections.get(tenant, request.connection), request, vendor)
        lifetime = request.time_to_live.ToTimedelta() if request.HasField("time_to_live") else DEFAULT_LIFETIME
        record, url = self._new_record(
            tenant, request.external_user_id, vendor, frozenset(request.access), request.connection or None, lifetime
        )
        extras = {"return_url": request.return_url, "locale": request.locale, "request_id": request.request_id or None}
        record = LinkSessionRecord(**{**vars(record), **extras, "request_hash": content})
        self._check_configured(record)
        try:
            async with self._engine.begin() as database:
                await insert_session(database, record)
        except IntegrityError:
            # The same call came twice at once, and the other one was first.
            repeated = await self._repeated(tenant, request.request_id, content) if request.request_id else None
            if repeated is None:
                raise
            return repeated
        return record.message(url)

    async def get(self, tenant: str, name: str) -> LinkSession:
        """Return a link session of a tenant.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        async with self._engine.connect() as database:
            record = await find_session(database, link_sessions.c.name == name, link_sessions.c.tenant == tenant)
        if record is None:
            raise not_found("link session", name)
        return self._message(record)

    async def renewal(
        self, connection: ConnectionRecord, access: frozenset[Access.ValueType], lifetime: timedelta, left: timedelta
    ) -> LinkSession:
        """Return a link session that asks the end user of a connection for access again.

        A pending one for the same access that works for at least `left` is used again; otherwise a new one is made that
        works for `lifetime`.

        Raises:
            Problem: VENDOR_APPLICATION_NOT_CONFIGURED.
        """
        record, url = self._new_record(
            connection.tenant, connection.external_user_id, connection.vendor, access, connection.name, lifetime
        )
        self._check_configured(record)
        # Only reading at first: mostly there is one, and writers wait for each other.
        async with self._engine.connect() as database:
            earlier = await find_session(database, *_usable_again(record, datetime.now(UTC) + left))
        if earlier is not None:
            return self._message(earlier)
        async with self._engine.begin() as database:
            await insert_session(database, record)
        return record.message(url)

    async def lasting(self, urls: Collection[str], left: timedelta) -> set[str]:
        """Return those of the URLs of renewals that can be opened for at least `left`."""
        hashes = {digest(url.rpartition("/")[2]): url for url in urls}
        async with self._engine.connect() as database:
            pending = await pending_renewals(database, datetime.now(UTC) + left)
        return {hashes[found] for found in pending & hashes.keys()}

    async def prune(self, moment: datetime) -> None:
        """Delete the link sessions that expired before a moment."""
        async with self._engine.begin() as database:
            await remove_sessions_before(database, moment)

    def redirect_uri(self, vendor: Vendor.ValueType) -> str:
        """Return where the vendor sends the end user back; it must be registered with the application."""
        return f"{self._public_url}/oauth/callback/{vendor_slug(vendor)}"

    async def _prune_regularly(self) -> None:
        while True:
            try:
                await self.prune(datetime.now(UTC) - RETENTION)
            except Exception:
                log.exception("link_sessions_not_pruned")
            await asyncio.sleep(_PRUNE_SECONDS)

    def _new_record(
        self,
        tenant: str,
        external_user_id: str,
        vendor: Vendor.ValueType,
        access: frozenset[Access.ValueType],
        connection: str | None,
        lifetime: timedelta,
    ) -> tuple[LinkSessionRecord, str]:
        name, token, now = f"linkSessions/{random_id()}", secrets.token_urlsafe(32), datetime.now(UTC)
        url = self._url(token)
        record = LinkSessionRecord(
            name=name,
            tenant=tenant,
            external_user_id=external_user_id,
            vendor=vendor,
            access=access,
            return_url="",
            locale="",
            connection=connection,
            url_token_hash=digest(token),
            url_encrypted=self._vault.encrypt(url.encode(), _url_context(name)),
            state=LinkSessionState.LINK_SESSION_STATE_PENDING,
            create_time=now,
            expire_time=now + lifetime,
        )
        return record, url

    def _url(self, token: str) -> str:
        return f"{self._public_url}/link/{token}"

    def _check_configured(self, record: LinkSessionRecord) -> None:
        """Refuse now what would fail later in the end user's browser."""
        redirect_uri = self.redirect_uri(record.vendor)
        self._adapters[record.vendor].authorization_url(AuthorizationRequest(record.access, "", "", redirect_uri))

    async def _repeated(self, tenant: str, request_id: str, content: bytes) -> LinkSession | None:
        async with self._engine.connect() as database:
            earlier = await find_session(
                database, link_sessions.c.tenant == tenant, link_sessions.c.request_id == request_id
            )
        if earlier is None:
            return None
        if earlier.request_hash != content:
            raise Problem(
                Reason.REASON_REQUEST_ID_REUSED,
                f"request_id {request_id!r} was used before with other content.",
                metadata={"requestId": request_id},
            )
        return self._message(earlier)

    def _message(self, record: LinkSessionRecord) -> LinkSession:
        try:
            stored = self._vault.decrypt(record.url_encrypted, _url_context(record.name)).decode()
            # The public address may have changed since.
            url = self._url(stored.rpartition("/")[2])
        except Problem:
            if record.state_now() == LinkSessionState.LINK_SESSION_STATE_PENDING:
                raise
            # The key that encrypted the link was removed since; it leads nowhere any more.
            url = ""
        return record.message(url)


def _check_renewal(connection: ConnectionRecord, request: CreateLinkSessionRequest, vendor: Vendor.ValueType) -> None:
    complaint = "is not the one of the connection"
    if request.external_user_id != connection.external_user_id:
        raise field_invalid(FieldViolation("external_user_id", complaint))
    if vendor != connection.vendor:
        raise field_invalid(FieldViolation("vendor", complaint))


def _usable_again(record: LinkSessionRecord, at_least_until: datetime) -> list[ColumnElement[bool]]:
    table = link_sessions.c
    same = ("tenant", "connection", "return_url", "state")
    return [
        *(table[column] == getattr(record, column) for column in same),
        table.access == access_text(record.access),
        table.request_id.is_(None),
        table.expire_time >= at_least_until,
    ]


def _content_hash(request: CreateLinkSessionRequest) -> bytes:
    content = CreateLinkSessionRequest()
    content.CopyFrom(request)
    content.ClearField("request_id")
    access = sorted(set(request.access))
    content.ClearField("access")
    content.access.extend(access)
    return hashlib.sha256(content.SerializeToString(deterministic=True)).digest()


def _url_context(name: str) -> str:
    return f"{name}/url"
