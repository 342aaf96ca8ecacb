"""The link sessions in the failures of commands: never stored, and always one that can be opened."""

from contextlib import aclosing

from sqlalchemy import select
from wattbus.v1.command_pb2 import Command
from wattbus.v1.device_service_pb2 import ListCommandsRequest, WatchCommandsRequest
from wattbus.v1.reason_pb2 import Reason

from tests.blockers.links import Links, access_of, links_of
from tests.commands.house import House, states
from tests.commands.vendor import refused
from tests.state.world import CONNECTION
from wattbus_server.devices.selection import Selection
from wattbus_server.storage.tables import command_events, commands


async def failed_for_want_of_a_scope(house: House, car: str) -> Command:
    words = "missing scopes vehicle_cmds"
    house.vendor.answers.append(
        refused(Reason.REASON_SCOPE_MISSING, words, connection=CONNECTION, missing_scopes=["vehicle_cmds"])
    )
    command = await house.ended((await house.queue(car)).name)
    assert states(command) == "FAILED"
    return command


def links_in(command: Command) -> list[str]:
    return links_of(*command.failure.blockers)


async def test_a_failure_read_later_has_a_link_that_can_be_opened(house: House, car: str) -> None:
    links = Links()
    house.ledger.attach_relink(links, access_of)
    before = Selection(house.tenant)
    async with aclosing(house.commands.watch(house.tenant, before, WatchCommandsRequest(), house.draining)) as stream:  # type: ignore[type-var] # an async generator
        token = (await anext(stream)).resume_token
    command = await failed_for_want_of_a_scope(house, car)
    for number in (1, 2):
        links.link = f"https://link.example.com/{number}"
        await house.ledger.refresh_links(CONNECTION)
        assert links_in(await house.get(command.name)) == [links.link]
        listed = await house.commands.list(house.tenant, ListCommandsRequest(parent=car))
        assert [links_in(one) for one in listed.commands] == [[links.link]]
        request = WatchCommandsRequest(resume_token=token)
        async with aclosing(house.commands.watch(house.tenant, before, request, house.draining)) as stream:  # type: ignore[type-var] # as above
            assert not (await anext(stream)).events
            told = (await anext(stream)).events
        assert [links_in(event.command) for event in told if states(event.command) == "FAILED"] == [[links.link]]


async def test_the_database_has_no_link(house: House, car: str) -> None:
    links = Links()
    house.ledger.attach_relink(links, access_of)
    command = await failed_for_want_of_a_scope(house, car)
    async with house.engine.connect() as database:
        stored = [
            row
            for column in (commands.c.command, command_events.c.command)
            for row in await database.scalars(select(column))
        ]
    assert any(command.failure.message.encode() in row for row in stored)
    assert not any(links.link.encode() in row for row in stored)


async def test_the_failure_of_a_blocker_that_is_gone_offers_no_link(house: House, car: str) -> None:
    house.ledger.attach_relink(Links(), access_of)
    command = await failed_for_want_of_a_scope(house, car)
    await house.ledger.resolve(command.failure.blockers[0].name)
    later = await house.get(command.name)
    assert later.failure.blockers[0].remedies
    assert list(filter(None, links_in(later))) == []
