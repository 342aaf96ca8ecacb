"""The remedy that this server itself offers: a link session in which the end user grants again."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import structlog
from wattbus.v1.blocker_pb2 import Blocker, Remedy
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem

log = structlog.get_logger()

HEALED_BY_LINKING = frozenset({Reason.REASON_SCOPE_MISSING, Reason.REASON_REAUTHORIZATION_REQUIRED})

# Who asks for the first need not ask for the second: it is a part of it.
INCLUDED_ACCESS = ((Access.ACCESS_COMMAND_VEHICLES, Access.ACCESS_CHARGE_VEHICLES),)

MakeRemedy = Callable[[str, Collection[Access.ValueType]], Awaitable[Remedy]]
"""Makes the remedy for a connection and the access that is missing; nothing missing means the same access as before.

It answers with the same link session as long as that one can be opened.
"""

AccessOfScopes = Callable[[str, Collection[str]], Collection[Access.ValueType]]
"""Says which access a connection would have with these vendor scopes."""


@dataclass(frozen=True)
class Relink:
    """Adds a link session to the blockers that it heals."""

    make_remedy: MakeRemedy
    access_of_scopes: AccessOfScopes

    @staticmethod
    def heals(blocker: Blocker) -> bool:
        """Say whether linking again removes a blocker."""
        return blocker.reason in HEALED_BY_LINKING and bool(blocker.connection)

    async def attach(self, blocker: Blocker) -> None:
        """Put a link session that can be opened first among the remedies, and name the missing access.

        Args:
            blocker: one that linking heals; it is changed.
        """
        missing = self._missing_access(blocker)
        if missing:
            blocker.metadata["missingAccess"] = " ".join(Access.Name(access) for access in missing)
        try:
            remedy = await self.make_remedy(blocker.connection, missing)
        except Problem as problem:
            # The blocker is worth telling without this remedy too.
            log.warning("relink_unavailable", connection=blocker.connection, reason=problem.reason_name)
            return
        # Only link sessions end, so that an older one is known by its end.
        others = [other for other in blocker.remedies if not other.HasField("link_expire_time")]
        del blocker.remedies[:]
        blocker.remedies.extend([remedy, *others])

    def _missing_access(self, blocker: Blocker) -> list[Access.ValueType]:
        if not blocker.missing_scopes:
            return []
        granted = set(blocker.granted_scopes)
        before = self.access_of_scopes(blocker.connection, granted)
        wanted = self.access_of_scopes(blocker.connection, granted | set(blocker.missing_scopes))
        missing = set(wanted) - set(before)
        return sorted(missing - {less for more, less in INCLUDED_ACCESS if more in missing})
