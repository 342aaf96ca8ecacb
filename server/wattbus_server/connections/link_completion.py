"""The last step of a link session: code in, connection out, in one transaction."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.connection_pb2 import LinkSessionState, Vendor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.connections.grants import GrantStore
from wattbus_server.connections.keeper import grant_lock
from wattbus_server.connections.link_rows import LinkSessionRecord, change_pending
from wattbus_server.connections.records import ConnectionRecord, Standing, connection_name
from wattbus_server.connections.store import ConnectionStore
from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import Grant, VendorAdapter


class Lost(Exception):
    """The link session ended otherwise while the vendor was asked."""


class LinkCompletion:
    """Makes or renews the connection of a link session."""

    def __init__(
        self,
        engine: AsyncEngine,
        adapters: Mapping[Vendor.ValueType, VendorAdapter],
        connections: ConnectionStore,
        grants: GrantStore,
    ) -> None:
        self._engine = engine
        self._adapters = adapters
        self._connections = connections
        self._grants = grants

    async def link(self, session: LinkSessionRecord, code: str, redirect_uri: str, nonce: str) -> ConnectionRecord:
        """Exchange the code and store connection, grant and the end of the link session, all or nothing.

        Raises:
            Problem: what the vendor's token endpoint gives, or ACCOUNT_MISMATCH.
            Lost: the link session is not pending any more.
        """
        grant = await self._adapters[session.vendor].exchange_code(code, redirect_uri, nonce)
        name = connection_name(session.tenant, session.vendor, grant.subject, session.external_user_id)
        if session.connection not in (None, name):
            await self._keep_for_its_own_connection(session, grant)
            raise Problem(
                Reason.REASON_ACCOUNT_MISMATCH,
                "The end user signed in with another vendor account than the one of the connection.",
                metadata={"connection": session.connection or ""},
            )
        async with self._connections.exclusive(name), self._connections.exclusive(grant_lock(name)):
            record = self._record(name, session, grant)
            async with self._engine.begin() as database:
                await self._connections.write(database, record)
                await self._grants.write(database, name, grant)
                if not await change_pending(database, session.name, **_completed(name)):
                    raise Lost
            self._connections.adopt(record)
        return record

    async def _keep_for_its_own_connection(self, session: LinkSessionRecord, grant: Grant) -> None:
        """Store the grant of another account where that account is linked: the vendor ended its former one just now."""
        owners = [
            record
            for record in self._connections.all()
            if (record.tenant, record.vendor, record.subject) == (session.tenant, session.vendor, grant.subject)
        ]
        if not owners:
            return
        # Of several, at most one grant was alive.
        name = min(owners, key=lambda record: record.needs_reauthorization).name
        async with self._connections.exclusive(name), self._connections.exclusive(grant_lock(name)):
            if (owner := self._connections.find(name)) is None:
                return
            granted = self._adapters[session.vendor].granted_access(grant.scopes)
            standing = Standing.of_access(owner.requested_access, granted)
            renewed = replace(owner, scopes=grant.scopes, update_time=datetime.now(UTC), **standing.changes())
            async with self._engine.begin() as database:
                await self._connections.write(database, renewed)
                await self._grants.write(database, name, grant)
            self._connections.adopt(renewed)

    def _record(self, name: str, session: LinkSessionRecord, grant: Grant) -> ConnectionRecord:
        granted = self._adapters[session.vendor].granted_access(grant.scopes)
        standing = Standing.of_access(session.access, granted)
        now = datetime.now(UTC)
        record = self._connections.find(name) or ConnectionRecord(
            name=name,
            tenant=session.tenant,
            external_user_id=session.external_user_id,
            vendor=session.vendor,
            subject=grant.subject,
            region=grant.region_hint,
            requested_access=session.access,
            scopes=grant.scopes,
            state=standing.state,
            state_reason=standing.state_reason,
            state_message=standing.state_message,
            create_time=now,
            update_time=now,
            sync_time=None,
        )
        return replace(
            record,
            requested_access=session.access,
            scopes=grant.scopes,
            update_time=now,
            **standing.changes(),
        )


def _completed(connection: str) -> dict[str, object]:
    return {
        "state": LinkSessionState.LINK_SESSION_STATE_COMPLETED,
        "connection": connection,
        "state_hash": None,
        "browser_hash": None,
        "nonce_encrypted": None,
    }
