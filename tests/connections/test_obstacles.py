"""What the link flow, new grants and discoveries meet is handed over for recording."""

import asyncio
from collections.abc import Sequence

import pytest
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.reason_pb2 import Reason

from tests.connections.house import TENANT, House, browser, depart
from tests.connections.vendor import ALL_SCOPES, Vendor1
from tests.processes import PATIENCE_SECONDS
from wattbus_server.problem import Problem

KEY_MISSING = Blocker(reason=Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, device="devices/one")


class Records:
    """Stands where the ledger stands in the server."""

    def __init__(self, house: House) -> None:
        self.blockers: list[Blocker] = []
        self.problems: list[Problem] = []
        self.ended: list[str] = []
        self.grown = asyncio.Event()
        house.obstacles.record = self.record
        house.flow.on_refused = self.record_problem
        house.flow.on_ended = self.link_ended

    async def record(self, tenant: str, blockers: Sequence[Blocker]) -> Sequence[Blocker]:
        assert tenant == TENANT
        self.blockers.extend(blockers)
        self.grown.set()
        return blockers

    async def record_problem(self, tenant: str, problem: Problem) -> Problem:
        assert tenant == TENANT
        self.problems.append(problem)
        return problem

    async def link_ended(self, connection: str) -> None:
        self.ended.append(connection)

    @property
    def missing(self) -> set[str]:
        found = [one for one in self.blockers if one.reason == Reason.REASON_SCOPE_MISSING]
        return {scope for one in found for scope in one.missing_scopes}

    async def until_missing(self, *scopes: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.missing.issuperset(scopes):
                self.grown.clear()
                await self.grown.wait()


@pytest.fixture
def records(house: House) -> Records:
    return Records(house)


async def test_what_was_not_granted_and_what_is_left_to_do_is_recorded_when_a_link_ends(
    house: House, vendor: Vendor1, records: Records
) -> None:
    vendor.steps = (KEY_MISSING,)
    connection = await house.connection(vendor.consent("s", ALL_SCOPES - {"ACCESS_COMMAND_ENERGY"}))
    await records.until_missing("ACCESS_COMMAND_ENERGY")
    assert records.missing == {"ACCESS_COMMAND_ENERGY"}
    assert {one.connection for one in records.blockers if one.connection} == {connection.name}
    assert KEY_MISSING in records.blockers
    assert records.ended == [connection.name]


async def test_what_was_not_granted_is_recorded_even_if_the_devices_cannot_be_read(
    house: House, vendor: Vendor1, records: Records
) -> None:
    vendor.discover_problem = Problem(Reason.REASON_VENDOR_UNAVAILABLE, "Tesla is down.")
    await house.connection(vendor.consent("s", ALL_SCOPES - {"ACCESS_COMMAND_ENERGY"}))
    await records.until_missing("ACCESS_COMMAND_ENERGY")


async def test_what_a_renewal_shows_to_be_missing_is_recorded(house: House, vendor: Vendor1, records: Records) -> None:
    connection = await house.connection(vendor.consent("s"))
    assert records.missing == set()
    vendor.granted_now = ALL_SCOPES - {"ACCESS_COMMAND_VEHICLES"}
    await house.keeper.renew(connection.name)
    await records.until_missing("ACCESS_COMMAND_VEHICLES")


async def test_every_discovery_looks_again(house: House, vendor: Vendor1, records: Records) -> None:
    connection = await house.connection(vendor.consent("s", ALL_SCOPES - {"ACCESS_COMMAND_ENERGY"}))
    await records.until_missing("ACCESS_COMMAND_ENERGY")
    records.blockers.clear()
    vendor.steps = (KEY_MISSING,)
    await house.directory.sync(TENANT, connection.name)
    assert records.missing == {"ACCESS_COMMAND_ENERGY"}
    assert KEY_MISSING in records.blockers


async def test_what_the_exchange_of_the_code_meets_is_recorded(house: House, vendor: Vendor1, records: Records) -> None:
    blocker = Blocker(reason=Reason.REASON_CLIENT_CREDENTIALS_REJECTED)
    vendor.exchange_problem = Problem(blocker.reason, "Wrong secret.", blockers=(blocker,))
    await house.link(vendor.consent("s"))
    assert [problem.reason for problem in records.problems] == [blocker.reason]
    assert list(records.problems[0].blockers) == [blocker]
    assert records.ended == [], "no blocker can carry the link of an account that was never connected"


async def test_a_renewal_that_is_cancelled_tells_that_its_link_ended(
    house: House, vendor: Vendor1, records: Records
) -> None:
    connection = await house.connection(vendor.consent("s"))
    records.ended.clear()
    session = await house.new_link(connection=connection.name)
    async with browser() as client:
        state = await depart(client, session.url)
        await client.get(f"{house.url}/oauth/callback/tesla", params={"state": state, "error": "access_denied"})
    assert records.ended == [connection.name]
