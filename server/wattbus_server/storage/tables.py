"""All tables. Times are UTC with microseconds; messages are stored as serialised protobuf; secrets are encrypted."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
)


class UtcTime(TypeDecorator[datetime]):
    """A point in time. SQLite forgets the zone, so it is taken off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Refuse times without a zone; store the rest as UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the time with its zone."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite gives numbers by itself only to INTEGER primary keys.
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")
TIME = UtcTime()


def _tenant() -> Column[str]:
    """Every resource belongs to one tenant."""
    return Column("tenant", String(64), ForeignKey("tenants.name"), nullable=False, index=True)


tenants = Table(
    "tenants",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("display_name", String(100), nullable=False),
    Column("create_time", TIME, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("name", String(128), primary_key=True),
    _tenant(),
    Column("display_name", String(100), nullable=False),
    # SHA-256 of the secret. Secrets are 256 random bits, so a slow hash would add nothing.
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("create_time", TIME, nullable=False),
    Column("revoke_time", TIME),
)

link_sessions = Table(
    "link_sessions",
    metadata,
    Column("name", String(64), primary_key=True),
    _tenant(),
    Column("external_user_id", String(256), nullable=False),
    Column("vendor", Integer, nullable=False),
    # Comma-separated numbers of Access.
    Column("access", String(64), nullable=False),
    Column("return_url", String(2048), nullable=False),
    Column("locale", String(35), nullable=False),
    # The connection to renew, or the one that resulted.
    Column("connection", String(64), index=True),
    # SHA-256 of the token in the link's URL.
    Column("url_token_hash", LargeBinary(32), nullable=False, unique=True),
    # The URL itself, encrypted, so that a repeated request_id can return it.
    Column("url_encrypted", LargeBinary, nullable=False),
    # SHA-256 of the OAuth state; set when the end user opens the link.
    Column("state_hash", LargeBinary(32), unique=True),
    # SHA-256 of the secret cookie that ties the callback to the browser that opened the link.
    Column("browser_hash", LargeBinary(32)),
    Column("nonce_encrypted", LargeBinary),
    Column("state", Integer, nullable=False),
    Column("failure_reason", Integer, nullable=False, default=0),
    Column("failure_message", String(500), nullable=False, default=""),
    Column("request_id", String(64)),
    Column("request_hash", LargeBinary(32)),
    Column("create_time", TIME, nullable=False),
    Column("expire_time", TIME, nullable=False),
    UniqueConstraint("tenant", "request_id"),
)

connections = Table(
    "connections",
    metadata,
    Column("name", String(64), primary_key=True),
    _tenant(),
    Column("external_user_id", String(256), nullable=False),
    Column("vendor", Integer, nullable=False),
    # The vendor's identifier of the account.
    Column("subject", String(128), nullable=False),
    Column("region", String(16), nullable=False, default=""),
    Column("requested_access", String(64), nullable=False),
    Column("state", Integer, nullable=False),
    Column("state_reason", Integer, nullable=False, default=0),
    Column("state_message", String(500), nullable=False, default=""),
    Column("create_time", TIME, nullable=False),
    Column("update_time", TIME, nullable=False),
    Column("sync_time", TIME),
    UniqueConstraint("tenant", "vendor", "subject", "external_user_id"),
)

grants = Table(
    "grants",
    metadata,
    Column("connection", String(64), ForeignKey("connections.name"), primary_key=True),
    # Both tokens and their times, as encrypted JSON.
    Column("tokens_encrypted", LargeBinary, nullable=False),
    # Space-separated scopes of the latest access token.
    Column("scopes", String(1024), nullable=False),
    # Grows with every write and every claim, so that of several writers exactly one wins.
    Column("version", BigInteger, nullable=False),
    # Until when somebody may be spending the refresh token. NULL: nobody is.
    Column("claim_expire_time", TIME),
    Column("update_time", TIME, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("name", String(64), primary_key=True),
    _tenant(),
    Column("connection", String(64), ForeignKey("connections.name"), nullable=False, index=True),
    Column("external_user_id", String(256), nullable=False),
    Column("vendor", Integer, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("vendor_id", String(128), nullable=False),
    Column("key", String(256), nullable=False),
    Column("display_name", String(256), nullable=False),
    Column("model", String(128), nullable=False),
    Column("site", String(64), nullable=False),
    Column("vendor_facts", LargeBinary, nullable=False),
    Column("create_time", TIME, nullable=False),
    Column("discover_time", TIME, nullable=False),
    UniqueConstraint("connection", "key"),
)

device_states = Table(
    "device_states",
    metadata,
    Column("device", String(64), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    # Serialised wattbus.v1.DeviceState.
    Column("state", LargeBinary, nullable=False),
)

commands = Table(
    "commands",
    metadata,
    # `devices/…/commands/…`; the last part sorts by creation time.
    Column("name", String(128), primary_key=True),
    _tenant(),
    Column("device", String(64), nullable=False),
    Column("state", Integer, nullable=False),
    # Serialised wattbus.v1.Command.
    Column("command", LargeBinary, nullable=False),
    Column("request_id", String(64)),
    Column("request_hash", LargeBinary(32)),
    Column("create_time", TIME, nullable=False),
    UniqueConstraint("tenant", "request_id"),
    Index("ix_commands_device_name", "device", "name"),
    Index("ix_commands_state", "state"),
    Index("ix_commands_tenant_create_time", "tenant", "create_time"),
)

command_events = Table(
    "command_events",
    metadata,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    _tenant(),
    Column("device", String(64), nullable=False),
    Column("command", LargeBinary, nullable=False),
    Column("create_time", TIME, nullable=False),
    sqlite_autoincrement=True,
)

blockers = Table(
    "blockers",
    metadata,
    Column("name", String(64), primary_key=True),
    _tenant(),
    # What makes it the same blocker when it is met again: reason, connection, device.
    Column("identity", String(256), nullable=False),
    Column("connection", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("open", Boolean, nullable=False),
    # Serialised wattbus.v1.Blocker.
    Column("blocker", LargeBinary, nullable=False),
    Column("create_time", TIME, nullable=False),
    Index("ix_blockers_tenant_identity", "tenant", "identity"),
    Index("ix_blockers_open", "open"),
)

signing_sessions = Table(
    "signing_sessions",
    metadata,
    Column("vin", String(17), primary_key=True),
    Column("domain", Integer, primary_key=True, autoincrement=False),
    # SHA-256 of the command key's public point: another key has other sessions.
    Column("key_fingerprint", String(64), primary_key=True),
    Column("epoch", LargeBinary(16), nullable=False),
    # The greatest counter that the vehicle reported for the epoch.
    Column("counter", BigInteger, nullable=False),
    Column("vehicle_public_key", LargeBinary(65), nullable=False),
    Column("clock_offset", Double, nullable=False),
    Column("clock_time", BigInteger, nullable=False),
)

signing_counters = Table(
    "signing_counters",
    metadata,
    Column("vin", String(17), primary_key=True),
    Column("domain", Integer, primary_key=True, autoincrement=False),
    Column("key_fingerprint", String(64), primary_key=True),
    Column("epoch", LargeBinary(16), primary_key=True),
    # Every counter up to this one may have been sent in this epoch. It never goes back.
    Column("counter", BigInteger, nullable=False),
)
