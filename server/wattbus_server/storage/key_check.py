"""Whether the configured keys open what is stored: looked at once, before the server starts."""

from datetime import UTC, datetime

import structlog
from sqlalchemy import ColumnElement, LargeBinary, Select, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbus_server.settings import ConfigurationError
from wattbus_server.storage.encryption import HEADER_BYTES, VARIABLE, Vault
from wattbus_server.storage.tables import grants, link_sessions

log = structlog.get_logger()


async def check_keys(engine: AsyncEngine, vault: Vault) -> None:
    """Compare the keys that encrypted the grants and the links with those that are configured.

    Some that do not open are what a finished rotation leaves behind, and only logged.

    Raises:
        ConfigurationError: something is stored, and nothing of it opens.
    """
    live_links = _headers(link_sessions.c.url_encrypted).where(link_sessions.c.expire_time > datetime.now(UTC))
    async with engine.connect() as database:
        stored = (await database.execute(union_all(_headers(grants.c.tokens_encrypted), live_links))).scalars().all()
    closed = sum(not vault.has_key_of(header) for header in stored)
    if closed and closed == len(stored):
        raise ConfigurationError(
            VARIABLE,
            f"opens none of the {closed} grants and links in the database; put back the key that encrypted them "
            "(to change keys, set both with a comma between, the new one first)",
        )
    if closed:
        log.warning("stored_secrets_without_key", closed=closed, stored=len(stored))


def _headers(encrypted: ColumnElement[bytes]) -> Select[bytes]:
    return select(func.substr(encrypted, 1, HEADER_BYTES, type_=LargeBinary))
