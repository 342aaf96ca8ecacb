"""Create all tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create them, referenced ones first."""
    _create_device_states()
    _create_signing_counters()
    _create_signing_sessions()
    _create_tenants()
    _create_api_keys()
    _create_blockers()
    _create_command_events()
    _create_commands()
    _create_connections()
    _create_link_sessions()
    _create_devices()
    _create_grants()


def downgrade() -> None:
    """Drop them, referring ones first."""
    for table in (
        "grants",
        "devices",
        "link_sessions",
        "connections",
        "commands",
        "command_events",
        "blockers",
        "api_keys",
        "tenants",
        "signing_sessions",
        "signing_counters",
        "device_states",
    ):
        op.drop_table(table)


def _create_device_states() -> None:
    op.create_table(
        "device_states",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_device_states")),
    )


def _create_signing_counters() -> None:
    op.create_table(
        "signing_counters",
        sa.Column("vin", sa.String(length=17), nullable=False),
        sa.Column("domain", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("vin", "domain", "key_fingerprint", "epoch", name=op.f("pk_signing_counters")),
    )


def _create_signing_sessions() -> None:
    op.create_table(
        "signing_sessions",
        sa.Column("vin", sa.String(length=17), nullable=False),
        sa.Column("domain", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("vehicle_public_key", sa.LargeBinary(length=65), nullable=False),
        sa.Column("clock_offset", sa.Double(), nullable=False),
        sa.Column("clock_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("vin", "domain", "key_fingerprint", name=op.f("pk_signing_sessions")),
    )


def _create_tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("display_name", sa.String(length=100), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tenants")),
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("display_name", sa.String(length=100), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("revoke_time", TIME, nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name=op.f("fk_api_keys_tenant")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_keys_secret_hash")),
    )
    op.create_index(op.f("ix_api_keys_tenant"), "api_keys", ["tenant"], unique=False)


def _create_blockers() -> None:
    op.create_table(
        "blockers",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("identity", sa.String(length=256), nullable=False),
        sa.Column("connection", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("blocker", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name=op.f("fk_blockers_tenant")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_blockers")),
    )
    op.create_index("ix_blockers_open", "blockers", ["open"], unique=False)
    op.create_index(op.f("ix_blockers_tenant"), "blockers", ["tenant"], unique=False)
    op.create_index("ix_blockers_tenant_identity", "blockers", ["tenant", "identity"], unique=False)


def _create_command_events() -> None:
    op.create_table(
        "command_events",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("command", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name=op.f("fk_command_events_tenant")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_command_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_command_events_tenant"), "command_events", ["tenant"], unique=False)


def _create_commands() -> None:
    op.create_table(
        "commands",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("command", sa.LargeBinary(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("request_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("create_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name=op.f("fk_commands_tenant")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_commands")),
        sa.UniqueConstraint("tenant", "request_id", name=op.f("uq_commands_tenant_request_id")),
    )
    op.create_index("ix_commands_device_name", "commands", ["device", "name"], unique=False)
    op.create_index("ix_commands_state", "commands", ["state"], unique=False)
    op.create_index("ix_commands_tenant_create_time", "commands", ["tenant", "create_time"], unique=False)
    op.create_index(op.f("ix_commands_tenant"), "commands", ["tenant"], unique=False)


def _create_connections() -> None:
    op.create_table(
        "connections",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("external_user_id", sa.String(length=256), nullable=False),
        sa.Column("vendor", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("region", sa.String(length=16), nullable=False),
        sa.Column("requested_access", sa.String(length=64), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("state_reason", sa.Integer(), nullable=False),
        sa.Column("state_message", sa.String(length=500), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("sync_time", TIME, nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name=op.f("fk_connections_tenant")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_connections")),
        sa.UniqueConstraint(
            "tenant",
            "vendor",
            "subject",
            "external_user_id",
            name=op.f("uq_connections_tenant_vendor_subject_external_user_id"),
        ),
    )
    op.create_index(op.f("ix_connections_tenant"), "connections", ["tenant"], unique=False)


def _create_link_sessions() -> None:
    op.create_table(
        "link_sessions",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("external_user_id", sa.String(length=256), nullable=False),
        sa.Column("vendor", sa.Integer(), nullable=False),
        sa.Column("access", sa.String(length=64), nullable=False),
        sa.Column("return_url", sa.String(length=2048), nullable=False),
        sa.Column("locale", sa.String(length=35), nullable=False),
        sa.Column("connection", sa.String(length=64), nullable=True),
        sa.Column("url_token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("url_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("state_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("browser_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("nonce_encrypted", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("failure_reason", sa.Integer(), nullable=False),
        sa.Column("failure_message", sa.String(length=500), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("request_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("expire_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name=op.f("fk_link_sessions_tenant")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_link_sessions")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_link_sessions_state_hash")),
        sa.UniqueConstraint("tenant", "request_id", name=op.f("uq_link_sessions_tenant_request_id")),
        sa.UniqueConstraint("url_token_hash", name=op.f("uq_link_sessions_url_token_hash")),
    )
    op.create_index(op.f("ix_link_sessions_connection"), "link_sessions", ["connection"], unique=False)
    op.create_index(op.f("ix_link_sessions_tenant"), "link_sessions", ["tenant"], unique=False)


def _create_devices() -> None:
    op.create_table(
        "devices",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("connection", sa.String(length=64), nullable=False),
        sa.Column("external_user_id", sa.String(length=256), nullable=False),
        sa.Column("vendor", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("vendor_id", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("display_name", sa.String(length=256), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("vendor_facts", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("discover_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(["connection"], ["connections.name"], name=op.f("fk_devices_connection")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name=op.f("fk_devices_tenant")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_devices")),
        sa.UniqueConstraint("connection", "key", name=op.f("uq_devices_connection_key")),
    )
    op.create_index(op.f("ix_devices_connection"), "devices", ["connection"], unique=False)
    op.create_index(op.f("ix_devices_tenant"), "devices", ["tenant"], unique=False)


def _create_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("connection", sa.String(length=64), nullable=False),
        sa.Column("tokens_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.String(length=1024), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("claim_expire_time", TIME, nullable=True),
        sa.Column("update_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(["connection"], ["connections.name"], name=op.f("fk_grants_connection")),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_grants")),
    )
