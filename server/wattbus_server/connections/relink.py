"""The remedy for a missing scope or a dead grant: a link that asks the end user again."""

from collections.abc import Collection
from datetime import timedelta

from wattbus.v1.blocker_pb2 import Actor, Remedy
from wattbus.v1.connection_pb2 import Access

from wattbus_server.blockers.relink import INCLUDED_ACCESS
from wattbus_server.connections.access_words import in_words, vendor_word
from wattbus_server.connections.links import LinkSessions
from wattbus_server.connections.store import ConnectionStore

LIFETIME = timedelta(hours=24)
# A link that works less long than this is not handed out again, and blockers that carry it get another one.
LEAST_LEFT = timedelta(hours=12)


class Relink:
    """Makes relink remedies. A pending link for the same access is used again while it is fresh."""

    def __init__(self, links: LinkSessions, connections: ConnectionStore) -> None:
        self._links = links
        self._connections = connections

    async def remedy(self, connection: str, missing: Collection[Access.ValueType] = ()) -> Remedy:
        """Return a remedy whose link asks for what was requested before and for what is missing.

        Args:
            connection: `connections/…`.
            missing: the access that is needed now; empty to renew what was requested before.

        Raises:
            Problem: RESOURCE_NOT_FOUND, VENDOR_APPLICATION_NOT_CONFIGURED.
        """
        record = self._connections.existing(connection)
        wanted = record.requested_access | _beyond(record.requested_access, missing)
        async with self._connections.exclusive(f"relink {connection}"):
            session = await self._links.renewal(record, wanted, LIFETIME, LEAST_LEFT)
        vendor = vendor_word(record.vendor)
        return Remedy(
            actor=Actor.ACTOR_END_USER,
            place=f"Web browser, the link page of this service and then {vendor}",
            steps=[
                "Open the link.",
                f"Sign in to {vendor} with the same account as before.",
                *(f"Allow: {words}." for words in in_words(_shown(wanted, missing))),
            ],
            link=session.url,
            link_expire_time=session.expire_time,
            verification="The server reads the granted permissions when the link flow ends, within seconds.",
        )

    async def lasting(self, links: Collection[str]) -> Collection[str]:
        """Return those of the links that can be opened, and for long enough to be handed out."""
        return await self._links.lasting(links, LEAST_LEFT)


def _shown(wanted: Collection[Access.ValueType], missing: Collection[Access.ValueType]) -> frozenset[Access.ValueType]:
    """Return under which names the vendor's page shows what is missing: a wanted access shows instead of its part."""
    instead = {less: more for more, less in INCLUDED_ACCESS if more in wanted}
    return frozenset(instead.get(access, access) for access in missing)


def _beyond(
    requested: Collection[Access.ValueType], missing: Collection[Access.ValueType]
) -> frozenset[Access.ValueType]:
    """Return what must be asked for in addition: what a requested access includes needs no asking."""
    included = {less for more, less in INCLUDED_ACCESS if more in requested}
    return frozenset(missing) - included
