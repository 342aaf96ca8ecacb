import asyncio
from datetime import UTC, timedelta

import pytest
from sqlalchemy import func, select
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.connection_service_pb2 import ListConnectionsRequest
from wattbus.v1.reason_pb2 import Reason

from tests.connections import vendor as vendors
from tests.connections.house import EVERYTHING, OTHER_TENANT, TENANT, House
from tests.connections.vendor import ALL_SCOPES, Vendor1
from wattbus_server.connections.access_words import in_words
from wattbus_server.connections.store import ConnectionChange, ConnectionChangeKind
from wattbus_server.problem import Problem
from wattbus_server.storage.tables import connections, devices, grants, link_sessions

pytestmark = pytest.mark.timeout(400)


async def pages(house: House, **fields: object) -> list[list[str]]:
    """Read a whole list, page by page."""
    found: list[list[str]] = []
    token = ""
    while True:
        request = ListConnectionsRequest(page_token=token, **fields)  # type: ignore[arg-type] # fields of the message
        answer = await house.directory.list(TENANT, request)
        found.append([connection.name for connection in answer.connections])
        token = answer.next_page_token
        if not token:
            return found


async def test_lists_come_in_pages_that_hold_everything_once_and_in_order(house: House, vendor: Vendor1) -> None:
    for number in range(5):
        await house.connection(vendor.consent(f"s{number}"), external_user_id=f"user-{number % 2}")
    found = await pages(house, page_size=2)
    assert [len(page) for page in found] == [2, 2, 1]
    names = [name for page in found for name in page]
    assert names == sorted(set(names))
    assert [len(page) for page in await pages(house, external_user_id="user-0")] == [3]
    assert await pages(house, external_user_id="nobody") == [[]]


async def test_a_page_token_works_only_with_the_same_arguments(house: House, vendor: Vendor1) -> None:
    for number in range(2):
        await house.connection(vendor.consent(f"s{number}"))
    token = (await house.directory.list(TENANT, ListConnectionsRequest(page_size=1))).next_page_token
    for tenant, request in (
        (TENANT, ListConnectionsRequest(page_token=token, external_user_id="user-1")),
        (OTHER_TENANT, ListConnectionsRequest(page_token=token)),
        (TENANT, ListConnectionsRequest(page_token="nonsense")),
    ):
        with pytest.raises(Problem) as caught:
            await house.directory.list(tenant, request)
        assert caught.value.reason == Reason.REASON_PAGE_TOKEN_INVALID


async def test_deleting_a_connection_leaves_nothing_of_it(house: House, vendor: Vendor1) -> None:
    connection = await house.connection(vendor.consent("s"))
    account = house.accounts.account(connection.name)
    changes: list[ConnectionChange] = []
    house.directory.listen(changes.append)
    await house.directory.delete(TENANT, connection.name)
    assert [change.kind for change in changes] == [ConnectionChangeKind.REMOVED]
    assert house.registry.of_connection(connection.name) == []
    async with house.engine.connect() as database:
        for table in (connections, grants, devices, link_sessions):
            assert (await database.execute(select(func.count()).select_from(table))).scalar_one() == 0
    for refused in (account.access_token(), house.directory.get(TENANT, connection.name)):
        with pytest.raises(Problem) as caught:
            await refused
        assert caught.value.reason == Reason.REASON_RESOURCE_NOT_FOUND


async def test_a_caller_who_hangs_up_does_not_stop_a_deletion_half_way(house: House, vendor: Vendor1) -> None:
    connection = await house.connection(vendor.consent("s"))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def clean_up(_connection: str) -> None:
        begun.set()
        await go_on.wait()

    house.directory.on_deleting = clean_up
    caller = asyncio.create_task(house.directory.delete(TENANT, connection.name))
    await begun.wait()
    caller.cancel()
    go_on.set()
    await house.directory.close()
    assert await house.grants.read(connection.name) is None
    assert house.connections.find(connection.name) is None
    assert house.registry.of_connection(connection.name) == []


async def test_two_callers_may_delete_at_the_same_time(house: House, vendor: Vendor1) -> None:
    connection = await house.connection(vendor.consent("s"))
    await asyncio.gather(*(house.directory.delete(TENANT, connection.name) for _ in range(2)))
    assert await house.names() == []


async def test_a_caller_who_hangs_up_does_not_stop_a_discovery_half_way(house: House, vendor: Vendor1) -> None:
    connection = await house.connection(vendor.consent("s"))
    vendor.devices = [vendors.CAR]
    vendor.discovered.clear()
    caller = asyncio.create_task(house.directory.sync(TENANT, connection.name))
    await vendor.discovered.wait()
    caller.cancel()
    await house.directory.close()
    assert [record.key for record in house.registry.of_connection(connection.name)] == [vendors.CAR.key]


async def test_linking_after_a_deletion_gives_the_same_names(house: House, vendor: Vendor1) -> None:
    before = await house.connection(vendor.consent("s"))
    names = [record.name for record in house.registry.of_connection(before.name)]
    await house.directory.delete(TENANT, before.name)
    after = await house.connection(vendor.consent("s"))
    assert after.name == before.name
    assert [record.name for record in house.registry.of_connection(after.name)] == names


async def test_a_sync_sees_new_and_vanished_devices_and_verifies_blockers(house: House, vendor: Vendor1) -> None:
    connection = await house.connection(vendor.consent("s"))
    verified: list[tuple[str, str]] = []

    async def verify(tenant: str, name: str) -> None:
        verified.append((tenant, name))

    house.directory.on_synced = verify
    vendor.devices = [vendors.CAR]
    await house.directory.sync(TENANT, connection.name)
    assert [record.key for record in house.registry.of_connection(connection.name)] == [vendors.CAR.key]
    assert verified == [(TENANT, connection.name)]
    assert len(vendor.spent) == 1


async def test_a_discovery_that_failed_is_repeated_in_the_background(house: House, vendor: Vendor1) -> None:
    vendor.discover_problem = Problem(
        Reason.REASON_VENDOR_UNAVAILABLE, "Tesla is down.", retry_delay=timedelta(seconds=0)
    )
    connection = await house.connection(vendor.consent("s"))
    vendor.discover_problem = None
    vendor.discovered.clear()
    house.discovery.start()
    await vendor.discovered.wait()
    await house.discovery.close()
    assert (await house.directory.get(TENANT, connection.name)).name == connection.name


async def test_a_relink_remedy_names_who_acts_where_and_until_when(house: House, vendor: Vendor1) -> None:
    connection = await house.connection(vendor.consent("s"), access=[Access.ACCESS_READ_ENERGY])
    remedy = await house.relink.remedy(connection.name, [Access.ACCESS_COMMAND_ENERGY])
    assert remedy.actor == Actor.ACTOR_END_USER
    assert remedy.link.startswith(f"{house.url}/link/")
    assert remedy.HasField("link_expire_time")
    assert "Allow: Change the settings of your home battery." in remedy.steps


async def test_a_relink_remedy_names_what_the_persons_page_shows(house: House, vendor: Vendor1) -> None:
    """The vendor asks for all vehicle commands as one; the charging that they include has no line of its own."""
    consent = vendor.consent("sub-1", ALL_SCOPES - {"ACCESS_COMMAND_VEHICLES", "ACCESS_CHARGE_VEHICLES"})
    connection = await house.connection(consent, access=[Access.ACCESS_READ_VEHICLES, Access.ACCESS_COMMAND_VEHICLES])
    for missing in (Access.ACCESS_CHARGE_VEHICLES, Access.ACCESS_COMMAND_VEHICLES):
        remedy = await house.relink.remedy(connection.name, [missing])
        assert [step for step in remedy.steps if step.startswith("Allow")] == [
            f"Allow: {in_words([Access.ACCESS_COMMAND_VEHICLES])[0]}."
        ]


async def test_a_fresh_relink_link_is_handed_out_again(house: House, vendor: Vendor1) -> None:
    connection = await house.connection(vendor.consent("s"))
    first = await house.relink.remedy(connection.name)
    assert (await house.relink.remedy(connection.name)).link == first.link
    other = await house.connection(vendor.consent("t"))
    assert (await house.relink.remedy(other.name)).link != first.link


async def test_a_link_for_other_access_or_that_was_used_is_not_handed_out_again(house: House, vendor: Vendor1) -> None:
    connection = await house.connection(vendor.consent("s"), access=[Access.ACCESS_READ_ENERGY])
    first = await house.relink.remedy(connection.name)
    wider = await house.relink.remedy(connection.name, EVERYTHING)
    assert wider.link != first.link
    await house.directory.delete(TENANT, connection.name)
    renewed = await house.connection(vendor.consent("s"), access=[Access.ACCESS_READ_ENERGY])
    assert (await house.relink.remedy(renewed.name)).link != first.link


async def test_link_sessions_that_expired_long_ago_are_deleted(house: House, vendor: Vendor1) -> None:
    connection = await house.connection(vendor.consent("s"))
    pending = await house.new_link()
    await house.links.prune(pending.expire_time.ToDatetime(UTC))
    assert (await house.links.get(TENANT, pending.name)).name == pending.name
    await house.links.prune(pending.expire_time.ToDatetime(UTC) + timedelta(seconds=1))
    async with house.engine.connect() as database:
        assert (await database.execute(select(func.count()).select_from(link_sessions))).scalar_one() == 0
    assert await house.names() == [connection.name]
