"""Link sessions for remedies without a connections room, and what tests ask about them."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from wattbus.v1.blocker_pb2 import Actor, Blocker, Remedy
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem


class Links:
    """Makes link sessions; the same one while it can be opened."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[Access.ValueType]]] = []
        self.link = "https://link.example.com/1"
        self.broken = False

    async def remedy(self, connection: str, missing: Collection[Access.ValueType]) -> Remedy:
        self.asked.append((connection, list(missing)))
        if self.broken:
            raise Problem(Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED, "No application.")
        remedy = Remedy(actor=Actor.ACTOR_END_USER, place="Link page", link=self.link)
        remedy.link_expire_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
        return remedy

    async def lasting(self, links: Collection[str]) -> Collection[str]:
        return {self.link} & set(links)


def access_of(_connection: str, scopes: Collection[str]) -> list[Access.ValueType]:
    needed = {Access.ACCESS_READ_VEHICLES: {"openid"}, Access.ACCESS_COMMAND_VEHICLES: {"openid", "vehicle_cmds"}}
    return [access for access, wanted in needed.items() if wanted <= set(scopes)]


def links_of(*blockers: Blocker) -> list[str]:
    return [remedy.link for blocker in blockers for remedy in blocker.remedies]
