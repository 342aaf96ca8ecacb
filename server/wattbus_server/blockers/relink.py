"""The remedy that this server itself offers: a link session in which the end user grants again.

Its URL is a secret of one person that works once and for a while. So it lives in memory only: rows hold the remedy
without it, and whoever tells a blocker gets the link that the open one carries now.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from wattbus.v1.blocker_pb2 import Blocker, Remedy
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem

log = structlog.get_logger()

HEALED_BY_LINKING = frozenset({Reason.REASON_SCOPE_MISSING, Reason.REASON_REAUTHORIZATION_REQUIRED})

# Who asks for the first need not ask for the second: it is a part of it.
INCLUDED_ACCESS = ((Access.ACCESS_COMMAND_VEHICLES, Access.ACCESS_CHARGE_VEHICLES),)

_MISSING_ACCESS = "missingAccess"

AccessOfScopes = Callable[[str, Collection[str]], Collection[Access.ValueType]]
"""Says which access a connection would have with these vendor scopes."""


class LinkOffers(Protocol):
    """Makes link sessions for remedies; the connections room stands behind it."""

    async def remedy(self, connection: str, missing: Collection[Access.ValueType]) -> Remedy:
        """Return the remedy for a connection and the access that is missing; nothing missing: the same as before.

        It answers with the same link session as long as that one can be opened for a good while.

        Raises:
            Problem: no link can be made.
        """

    async def lasting(self, links: Collection[str]) -> Collection[str]:
        """Return those of the links that can be opened, and for long enough to be told."""


@dataclass(frozen=True)
class Relink:
    """Adds a link session to the blockers that it heals."""

    offers: LinkOffers
    access_of_scopes: AccessOfScopes

    @staticmethod
    def heals(blocker: Blocker) -> bool:
        """Say whether linking again removes a blocker."""
        return blocker.reason in HEALED_BY_LINKING and bool(blocker.connection)

    def name_missing_access(self, blocker: Blocker) -> None:
        """Let a blocker that linking heals name the access that is missing."""
        if missing := self._missing_access(blocker):
            blocker.metadata[_MISSING_ACCESS] = " ".join(Access.Name(access) for access in missing)

    async def attach(self, blocker: Blocker) -> None:
        """Put a link session that can be opened first among the remedies of a blocker that linking heals."""
        try:
            put_link(blocker, await self.offers.remedy(blocker.connection, self._missing_access(blocker)))
        except Problem as problem:
            # The blocker is worth telling without this remedy too, and the next round tries again.
            log.debug("relink_unavailable", connection=blocker.connection, reason=problem.reason_name)

    async def spent(self, blockers: Collection[Blocker]) -> Sequence[Blocker]:
        """Return the blockers without a link that can be opened for a while."""
        links = {blocker.name: link.link for blocker in blockers if (link := link_of(blocker)) is not None}
        lasting = await self.offers.lasting(links.values()) if links else ()
        return [blocker for blocker in blockers if links.get(blocker.name) not in lasting]

    def _missing_access(self, blocker: Blocker) -> list[Access.ValueType]:
        if not blocker.missing_scopes:
            return []
        granted = set(blocker.granted_scopes)
        before = self.access_of_scopes(blocker.connection, granted)
        wanted = self.access_of_scopes(blocker.connection, granted | set(blocker.missing_scopes))
        missing = set(wanted) - set(before)
        return sorted(missing - {less for more, less in INCLUDED_ACCESS if more in missing})


def link_of(blocker: Blocker) -> Remedy | None:
    """Return the remedy with a link session, if the blocker carries one."""
    return next((remedy for remedy in blocker.remedies if _is_link(remedy) and remedy.link), None)


def put_link(blocker: Blocker, link: Remedy) -> None:
    """Put a link session first among the remedies, in place of another one."""
    others = [remedy for remedy in blocker.remedies if not _is_link(remedy)]
    del blocker.remedies[:]
    blocker.remedies.extend([link, *others])


def keep_link(known: Blocker, seen: Blocker) -> bool:
    """Give a blocker that was met again the link that it carries already; False if that asks for something else."""
    link = link_of(known)
    if link is None or known.metadata.get(_MISSING_ACCESS) != seen.metadata.get(_MISSING_ACCESS):
        return False
    put_link(seen, link)
    return True


def without_link(blocker: Blocker) -> Blocker:
    """Return a blocker as it may be stored: the secret is left out, what to do stays."""
    result = Blocker()
    result.CopyFrom(blocker)
    for remedy in filter(_is_link, result.remedies):
        remedy.ClearField("link")
    return result


def _is_link(remedy: Remedy) -> bool:
    """Only link sessions end, so that one is known by its end."""
    return remedy.HasField("link_expire_time")
