"""Link sessions in the database."""

import hashlib
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from wattbus.v1.connection_pb2 import Access, LinkSession, LinkSessionState, Vendor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.connections.records import MAXIMUM_MESSAGE, access_set, access_text
from wattbus_server.problem import Problem
from wattbus_server.storage.tables import link_sessions


@dataclass(frozen=True)
class LinkSessionRecord:
    """One row. Tokens are stored as hashes, and encrypted where they are needed again."""

    name: str
    """`linkSessions/…`."""
    tenant: str
    external_user_id: str
    vendor: Vendor.ValueType
    access: frozenset[Access.ValueType]
    return_url: str
    locale: str
    connection: str | None
    """The connection to renew, or the one that resulted."""
    url_token_hash: bytes
    url_encrypted: bytes
    state: LinkSessionState.ValueType
    create_time: datetime
    expire_time: datetime
    state_hash: bytes | None = None
    browser_hash: bytes | None = None
    nonce_encrypted: bytes | None = None
    failure_reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    failure_message: str = ""
    request_id: str | None = None
    request_hash: bytes | None = None

    def state_now(self) -> LinkSessionState.ValueType:
        """Return the state; one that nobody finished in time is EXPIRED."""
        if self.state == LinkSessionState.LINK_SESSION_STATE_PENDING and self.expire_time <= datetime.now(UTC):
            return LinkSessionState.LINK_SESSION_STATE_EXPIRED
        return self.state

    def message(self, url: str) -> LinkSession:
        """Return it as the API shows it."""
        state = self.state_now()
        message = LinkSession(
            name=self.name,
            url=url,
            state=state,
            connection=self.connection or "" if state == LinkSessionState.LINK_SESSION_STATE_COMPLETED else "",
            failure_reason=self.failure_reason,
            failure_message=self.failure_message,
            external_user_id=self.external_user_id,
            requested_access=sorted(self.access),
        )
        message.expire_time.FromDatetime(self.expire_time)
        return message


def digest(secret: str) -> bytes:
    """Return the hash under which a random secret is stored."""
    return hashlib.sha256(secret.encode()).digest()


async def insert_session(database: AsyncConnection, record: LinkSessionRecord) -> None:
    """Store a new link session."""
    row = dict(vars(record))
    row["access"] = access_text(record.access)
    await database.execute(insert(link_sessions).values(row))


async def find_session(database: AsyncConnection, *conditions: ColumnElement[bool]) -> LinkSessionRecord | None:
    """Return the newest link session that meets all conditions, or None."""
    columns = [link_sessions.c[field.name] for field in fields(LinkSessionRecord)]
    query = select(*columns).where(*conditions).order_by(link_sessions.c.create_time.desc()).limit(1)
    row = (await database.execute(query)).mappings().one_or_none()
    return None if row is None else LinkSessionRecord(**{**row, "access": access_set(row["access"])})


async def pending_renewals(database: AsyncConnection, at_least_until: datetime) -> set[bytes]:
    """Return the hashes of the URL tokens of all link sessions that renew a connection and work until a moment."""
    table = link_sessions.c
    query = select(table.url_token_hash).where(
        table.state == LinkSessionState.LINK_SESSION_STATE_PENDING,
        table.connection.is_not(None),
        table.expire_time >= at_least_until,
    )
    return set((await database.execute(query)).scalars())


async def change_pending(database: AsyncConnection, name: str, *conditions: ColumnElement[bool], **values: Any) -> bool:
    """Change a link session that is still pending and meets the conditions; False if it is not or does not."""
    pending = link_sessions.c.state == LinkSessionState.LINK_SESSION_STATE_PENDING
    statement = update(link_sessions).where(link_sessions.c.name == name, pending, *conditions)
    return bool((await database.execute(statement.values(values))).rowcount == 1)


async def remove_sessions_of(database: AsyncConnection, connection: str) -> None:
    """Delete the link sessions of a connection."""
    await database.execute(delete(link_sessions).where(link_sessions.c.connection == connection))


async def remove_sessions_before(database: AsyncConnection, moment: datetime) -> None:
    """Delete the link sessions that expired before a moment, however they ended."""
    await database.execute(delete(link_sessions).where(link_sessions.c.expire_time < moment))


def failure(problem: Problem) -> dict[str, Any]:
    """Return the columns of a link session that failed; a consent that the end user refused is CANCELLED."""
    cancelled = problem.reason == Reason.REASON_CONSENT_CANCELLED
    return {
        "state": LinkSessionState.LINK_SESSION_STATE_CANCELLED
        if cancelled
        else LinkSessionState.LINK_SESSION_STATE_FAILED,
        "failure_reason": problem.reason,
        "failure_message": problem.message[:MAXIMUM_MESSAGE],
        "state_hash": None,
        "browser_hash": None,
        "nonce_encrypted": None,
    }
