"""The remedy that this server itself offers: a link session in which the end user grants again."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from wattbus.v1.blocker_pb2 import Blocker, Remedy
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem

log = structlog.get_logger()

HEALED_BY_LINKING = frozenset({Reason.REASON_SCOPE_MISSING, Reason.REASON_REAUTHORIZATION_REQUIRED})

# A link that ends sooner than this is no use to somebody who has yet to be told about it.
_SHORTEST_USEFUL_LIFE = timedelta(minutes=5)

MakeRemedy = Callable[[str, Collection[Access.ValueType]], Awaitable[Remedy]]
"""Makes the remedy for a connection and the access that is missing; nothing missing means the same access as before."""

AccessOfScopes = Callable[[str, Collection[str]], Collection[Access.ValueType]]
"""Says which access a connection would have with these vendor scopes."""


@dataclass(frozen=True)
class Relink:
    """Adds the link session to the blockers that it heals."""

    make_remedy: MakeRemedy
    access_of_scopes: AccessOfScopes

    def needs_link(self, blocker: Blocker) -> bool:
        """Say whether linking heals a blocker that has no link session which lives long enough."""
        return blocker.reason in HEALED_BY_LINKING and bool(blocker.connection) and _living_link(blocker) is None

    async def attach(self, blocker: Blocker, known: Blocker | None) -> None:
        """Put a link session that still lives first among the remedies, and name the missing access.

        Args:
            blocker: the blocker, as the adapter described it; it is changed.
            known: the open version of the same blocker, whose link is kept while it lives.
        """
        if not self.needs_link(blocker):
            return
        missing = self._missing_access(blocker)
        if missing:
            blocker.metadata["missingAccess"] = " ".join(Access.Name(access) for access in missing)
        remedy = _living_link(known) if known is not None else None
        if remedy is None:
            try:
                remedy = await self.make_remedy(blocker.connection, missing)
            except Problem as problem:
                # The blocker is worth telling without this remedy too.
                log.warning("relink_unavailable", connection=blocker.connection, reason=problem.reason_name)
                return
        others = [other for other in blocker.remedies if not other.HasField("link_expire_time")]
        del blocker.remedies[:]
        blocker.remedies.extend([remedy, *others])

    def _missing_access(self, blocker: Blocker) -> list[Access.ValueType]:
        if not blocker.missing_scopes:
            return []
        granted = set(blocker.granted_scopes)
        wanted = granted | set(blocker.missing_scopes)
        before = self.access_of_scopes(blocker.connection, granted)
        return sorted(set(self.access_of_scopes(blocker.connection, wanted)) - set(before))


def _living_link(blocker: Blocker) -> Remedy | None:
    """Return the remedy whose link ends, if it lives long enough; only link sessions end."""
    soonest = datetime.now(UTC) + _SHORTEST_USEFUL_LIFE
    for remedy in blocker.remedies:
        if remedy.HasField("link_expire_time") and remedy.link_expire_time.ToDatetime(UTC) > soonest:
            return remedy
    return None
