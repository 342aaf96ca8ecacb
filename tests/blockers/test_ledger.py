import asyncio
import base64

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import select
from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.blocker_pb2 import Actor, Blocker, BlockerState, Remedy
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.device_service_pb2 import ListBlockersRequest, WatchBlockersRequest
from wattbus.v1.reason_pb2 import Reason

from tests.blockers.links import Links, access_of, links_of
from tests.commands.house import House
from tests.state.world import CONNECTION, OTHER_TENANT, SECOND_CONNECTION, TENANT
from wattbus_server.devices.selection import Selection
from wattbus_server.problem import Problem
from wattbus_server.storage.tables import blockers

LOCK, UNLOCK = ActionKind.ACTION_KIND_LOCK, ActionKind.ACTION_KIND_UNLOCK


def key_missing(device: str, *actions: ActionKind.ValueType, evidence: str = "") -> Blocker:
    return Blocker(
        reason=Reason.REASON_VIRTUAL_KEY_NOT_PAIRED,
        device=device,
        connection=CONNECTION,
        blocked_actions=actions,
        evidence=evidence,
    )


def scope_missing(*scopes: str, connection: str = CONNECTION, evidence: str = "") -> Blocker:
    return Blocker(
        reason=Reason.REASON_SCOPE_MISSING,
        connection=connection,
        missing_scopes=scopes,
        granted_scopes=["openid"],
        evidence=evidence,
        remedies=[Remedy(actor=Actor.ACTOR_END_USER, place="Consent page", link="https://example.com/consent")],
    )


async def listed(house: House, selection: Selection | None = None, **fields: bool) -> list[Blocker]:
    answer = await house.ledger.list(selection or Selection(TENANT), ListBlockersRequest(**fields))  # type: ignore[arg-type] # proto keywords
    return list(answer.blockers)


async def test_a_new_blocker_gets_a_name_times_and_texts(house: House, car: str) -> None:
    (blocker,) = await house.ledger.record(TENANT, [key_missing(car, LOCK)])
    assert blocker.name.startswith("blockers/")
    assert blocker.state == BlockerState.BLOCKER_STATE_OPEN
    assert blocker.create_time == blocker.check_time
    assert blocker.end_user_message
    assert blocker.remedies[0].actor == Actor.ACTOR_END_USER
    assert blocker.remedies[0].verification
    assert await listed(house) == [blocker]


async def test_meeting_it_again_keeps_name_and_birth_and_takes_the_news(house: House, car: str) -> None:
    (first,) = await house.ledger.record(TENANT, [key_missing(car, LOCK, evidence="old")])
    (again,) = await house.ledger.record(TENANT, [key_missing(car, UNLOCK, evidence="new")])
    assert (again.name, again.create_time) == (first.name, first.create_time)
    assert list(again.blocked_actions) == [LOCK, UNLOCK]
    assert again.evidence == "new"
    assert again.check_time.ToNanoseconds() > first.check_time.ToNanoseconds()
    assert list(first.blocked_actions) == [LOCK], "what was given out is not changed"


async def test_a_blocker_that_is_resolved_while_lists_are_read_is_in_each_of_them(house: House, car: str) -> None:
    (blocker,) = await house.ledger.record(TENANT, [key_missing(car, LOCK)])
    lists = [asyncio.ensure_future(listed(house, include_resolved=True)) for _ in range(40)]
    await house.ledger.resolve(blocker.name)
    for found in await asyncio.gather(*lists):
        assert [one.name for one in found] == [blocker.name]
    assert await listed(house) == []


async def test_a_blocker_of_everything_stays_one_of_everything(house: House, car: str) -> None:
    await house.ledger.record(TENANT, [key_missing(car)])
    (again,) = await house.ledger.record(TENANT, [key_missing(car, LOCK)])
    assert list(again.blocked_actions) == []


async def test_what_differs_in_scopes_settings_or_device_is_not_the_same(house: House) -> None:
    one, two = await house.link("one", "two")
    blockers = [
        key_missing(one),
        key_missing(two),
        scope_missing("energy_cmds"),
        scope_missing("vehicle_cmds"),
        Blocker(reason=Reason.REASON_SETTING_LOCKED_BY_INSTALLER, device=one, evidence="edit_setting_a=false"),
        Blocker(reason=Reason.REASON_SETTING_LOCKED_BY_INSTALLER, device=one, evidence="edit_setting_b=false"),
        Blocker(reason=Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION, metadata={"region": "eu"}),
        Blocker(reason=Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION, metadata={"region": "na"}),
    ]
    recorded = await house.ledger.record(TENANT, blockers)
    assert len({blocker.name for blocker in recorded}) == len(blockers)
    again = await house.ledger.record(TENANT, blockers)
    assert [blocker.name for blocker in again] == [blocker.name for blocker in recorded]


@pytest.mark.parametrize(
    "reason",
    [
        Reason.REASON_VENDOR_RATE_LIMITED,
        Reason.REASON_VENDOR_UNAVAILABLE,
        Reason.REASON_VEHICLE_ASLEEP,
        Reason.REASON_OUTCOME_UNKNOWN,
    ],
    ids=Reason.Name,
)
async def test_what_passes_by_itself_is_never_recorded(house: House, car: str, reason: Reason.ValueType) -> None:
    (blocker,) = await house.ledger.record(TENANT, [Blocker(reason=reason, device=car)])
    assert blocker.name == ""
    assert blocker.end_user_message
    assert await listed(house, include_resolved=True) == []


async def test_a_resolved_blocker_is_not_opened_again_but_a_new_one_is(house: House, car: str) -> None:
    (first,) = await house.ledger.record(TENANT, [key_missing(car)])
    await house.ledger.resolve(first.name)
    (second,) = await house.ledger.record(TENANT, [key_missing(car)])
    assert second.name != first.name
    assert [blocker.name for blocker in await listed(house)] == [second.name]
    both = await listed(house, include_resolved=True)
    assert [blocker.name for blocker in both] == [first.name, second.name]
    assert both[0].state == BlockerState.BLOCKER_STATE_RESOLVED
    assert both[0].HasField("resolve_time")


async def test_open_blockers_survive_a_restart_under_their_names(house: House, car: str) -> None:
    (before,) = await house.ledger.record(TENANT, [key_missing(car, LOCK)])
    after = await house.killed()
    (again,) = await after.ledger.record(TENANT, [key_missing(car, LOCK)])
    assert again.name == before.name


async def test_a_blocker_of_the_connection_applies_to_its_devices_only(house: House) -> None:
    (one,) = await house.link("one")
    (two,) = await house.link("two", connection=SECOND_CONNECTION)
    (theirs,) = await house.link("theirs", connection="connections/foreign", tenant=OTHER_TENANT)
    (of_connection, of_application) = await house.ledger.record(
        TENANT, [scope_missing("vehicle_cmds"), Blocker(reason=Reason.REASON_VENDOR_BILLING_LIMIT_EXCEEDED)]
    )

    def names(device: str) -> list[str]:
        record = house.registry.find(device)
        assert record is not None
        return [blocker.name for blocker in house.ledger.open_for(record)]

    assert names(one) == [of_application.name, of_connection.name], "the operator's fault comes first"
    assert names(two) == [of_application.name]
    assert names(theirs) == []


async def test_lists_are_selected_by_device_and_by_tenant(house: House) -> None:
    one, two = await house.link("one", "two")
    of_one, of_two, of_connection = await house.ledger.record(
        TENANT, [key_missing(one), key_missing(two), scope_missing("a")]
    )
    chosen = await listed(house, Selection(TENANT, devices=frozenset({one})))
    assert [blocker.name for blocker in chosen] == [of_one.name, of_connection.name]
    of_connection_only = await listed(house, Selection(TENANT, connection=CONNECTION))
    assert {blocker.name for blocker in of_connection_only} == {of_one.name, of_two.name, of_connection.name}
    assert await listed(house, Selection(TENANT, connection=SECOND_CONNECTION)) == []
    assert await listed(house, Selection(OTHER_TENANT)) == []


async def test_pages_hold_every_blocker_once_oldest_first(house: House) -> None:
    devices = await house.link(*(f"car{number}" for number in range(7)))
    recorded = await house.ledger.record(TENANT, [key_missing(device) for device in devices])
    await house.ledger.resolve(recorded[2].name)
    request = ListBlockersRequest(page_size=2, include_resolved=True)
    found: list[str] = []
    while True:
        answer = await house.ledger.list(Selection(TENANT), request)
        found += [blocker.name for blocker in answer.blockers]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert found == [blocker.name for blocker in recorded]
    request.include_resolved = False
    request.page_token = (await house.ledger.list(Selection(TENANT), ListBlockersRequest(page_size=1))).next_page_token
    with pytest.raises(Problem):
        await house.ledger.list(Selection(TENANT, devices=frozenset(devices)), request)


async def test_blockers_go_with_their_device_and_with_their_connection(house: House) -> None:
    one, two = await house.link("one", "two")
    _, of_two, of_connection = await house.ledger.record(
        TENANT, [key_missing(one), key_missing(two), scope_missing("a")]
    )
    await house.link("two")
    assert [blocker.name for blocker in await listed(house)] == [of_two.name, of_connection.name]
    await house.ledger.remove_connection(CONNECTION)
    assert await listed(house, include_resolved=True) == []
    after = await house.killed()
    assert after.ledger.open_blockers() == []


async def test_a_problem_keeps_its_metadata_in_the_blocker(house: House, car: str) -> None:
    problem = Problem(
        Reason.REASON_VIRTUAL_KEY_NOT_PAIRED,
        "No key.",
        blockers=(key_missing(car),),
        metadata={"device": car, "domain": "example.com"},
    )
    recorded = await house.ledger.record_problem(TENANT, problem)
    assert recorded.blockers[0].name
    assert dict(recorded.blockers[0].metadata) == {"domain": "example.com"}


# Linking again


CONSENT = "https://example.com/consent"


async def test_a_missing_scope_gets_a_link_session_for_exactly_what_is_missing(house: House, car: str) -> None:
    links = Links()
    house.ledger.attach_relink(links, access_of)
    (blocker,) = await house.ledger.record(TENANT, [scope_missing("vehicle_cmds")])
    assert links.asked == [(CONNECTION, [Access.ACCESS_COMMAND_VEHICLES])]
    assert links_of(blocker) == [links.link, CONSENT]
    assert blocker.metadata["missingAccess"] == "ACCESS_COMMAND_VEHICLES"
    (again,) = await house.ledger.record(TENANT, [scope_missing("vehicle_cmds")])
    assert links_of(again) == [links.link, CONSENT]


async def test_a_link_that_ended_is_replaced_for_every_reader(house: House, car: str) -> None:
    links = Links()
    house.ledger.attach_relink(links, access_of)
    await house.ledger.record(TENANT, [scope_missing("vehicle_cmds")])
    stream = house.ledger.watch(Selection(TENANT), WatchBlockersRequest(), house.draining)
    assert links_of(*(await anext(stream)).blockers) == [links.link, CONSENT]
    assert (await anext(stream)).in_sync
    links.link = "https://link.example.com/2"
    await house.ledger.refresh_links(CONNECTION)
    record = house.registry.find(car)
    assert record is not None
    late = house.ledger.watch(Selection(TENANT), WatchBlockersRequest(), house.draining)
    for told in (
        house.ledger.open_for(record),
        await listed(house),
        await house.ledger.record(TENANT, [scope_missing("vehicle_cmds")]),
        await house.ledger.identify(TENANT, [scope_missing("vehicle_cmds")]),
        (await anext(stream)).blockers,
        (await anext(late)).blockers,
    ):
        assert links_of(*told) == [links.link, CONSENT]


async def test_links_that_end_soon_are_replaced_in_the_regular_round(house: House, car: str) -> None:
    links = Links()
    house.ledger.attach_relink(links, access_of)
    house.vendor.standing.add(Reason.REASON_REAUTHORIZATION_REQUIRED)
    await house.ledger.record(TENANT, [Blocker(reason=Reason.REASON_REAUTHORIZATION_REQUIRED, connection=CONNECTION)])
    stream = house.ledger.watch(Selection(TENANT), WatchBlockersRequest(), house.draining)
    assert links_of(*(await anext(stream)).blockers) == [links.link]
    assert (await anext(stream)).in_sync
    links.link = "https://link.example.com/2"
    house.verifier.start()
    assert links_of(*(await anext(stream)).blockers) == [links.link]


async def test_a_link_of_another_connection_is_left_alone(house: House, car: str) -> None:
    links = Links()
    house.ledger.attach_relink(links, access_of)
    await house.ledger.record(TENANT, [scope_missing("vehicle_cmds")])
    before, links.link = links.link, "https://link.example.com/2"
    await house.ledger.refresh_links(SECOND_CONNECTION)
    assert links_of(*await listed(house)) == [before, CONSENT]


async def test_a_blocker_is_told_even_if_no_link_can_be_made(house: House, car: str) -> None:
    links = Links()
    links.broken = True
    house.ledger.attach_relink(links, access_of)
    (blocker,) = await house.ledger.record(TENANT, [scope_missing("vehicle_cmds")])
    assert links_of(blocker) == [CONSENT]
    links.broken = False
    await house.ledger.refresh_links()
    assert links_of(*await listed(house)) == [links.link, CONSENT]


async def test_a_link_that_ended_is_not_told_even_if_no_other_can_be_made(house: House, car: str) -> None:
    links = Links()
    house.ledger.attach_relink(links, access_of)
    await house.ledger.record(TENANT, [scope_missing("vehicle_cmds")])
    links.link, links.broken = "https://link.example.com/2", True
    await house.ledger.refresh_links()
    assert list(filter(None, links_of(*await listed(house)))) == [CONSENT]


async def test_links_are_kept_in_memory_only(house: House, car: str) -> None:
    links = Links()
    house.ledger.attach_relink(links, access_of)
    (blocker,) = await house.ledger.record(TENANT, [scope_missing("vehicle_cmds")])
    await house.ledger.record(TENANT, [scope_missing("vehicle_cmds", evidence="new words")])
    async with house.engine.connect() as database:
        rows = [Blocker.FromString(row) for row in await database.scalars(select(blockers.c.blocker))]
    assert [one.evidence for one in rows] == ["new words"]
    assert links.link.encode() not in b"".join(one.SerializeToString() for one in rows)
    after = await house.killed()
    after.ledger.attach_relink(links, access_of)
    await after.ledger.refresh_links()
    (again,) = await listed(after)
    assert again.name == blocker.name
    assert links_of(again) == [links.link, CONSENT]


async def test_what_is_resolved_offers_no_link_any_more(house: House, car: str) -> None:
    links = Links()
    house.ledger.attach_relink(links, access_of)
    (blocker,) = await house.ledger.record(TENANT, [scope_missing("vehicle_cmds")])
    stream = house.ledger.watch(Selection(TENANT), WatchBlockersRequest(), house.draining)
    assert links.link in links_of(*(await anext(stream)).blockers)
    assert (await anext(stream)).in_sync
    await house.ledger.resolve(blocker.name)
    for told in ((await anext(stream)).blockers, await listed(house, include_resolved=True)):
        assert list(filter(None, links_of(*told))) == [CONSENT]


async def test_blockers_of_a_connection_that_is_gone_are_neither_opened_nor_kept(house: House, car: str) -> None:
    (told,) = await house.ledger.record(TENANT, [scope_missing("vehicle_cmds", connection="connections/gone")])
    assert told.end_user_message
    assert not told.name
    await house.ledger.record(TENANT, [scope_missing("vehicle_cmds")])
    house.ledger.connection_removed(CONNECTION)
    assert await listed(house, include_resolved=True) == []


# The stream


async def test_the_stream_tells_what_is_open_then_the_marker_then_news(house: House) -> None:
    one, two = await house.link("one", "two")
    (first,) = await house.ledger.record(TENANT, [key_missing(one)])
    stream = house.ledger.watch(Selection(TENANT), WatchBlockersRequest(), house.draining)
    opened = await anext(stream)
    assert ([blocker.name for blocker in opened.blockers], opened.in_sync) == ([first.name], False)
    marker = await anext(stream)
    assert (list(marker.blockers), marker.in_sync) == ([], True)
    (second,) = await house.ledger.record(TENANT, [key_missing(two)])
    assert [blocker.name for blocker in (await anext(stream)).blockers] == [second.name]
    await house.ledger.resolve(first.name)
    (resolved,) = (await anext(stream)).blockers
    assert (resolved.name, resolved.state) == (first.name, BlockerState.BLOCKER_STATE_RESOLVED)
    house.draining.set()
    with pytest.raises(Problem) as raised:
        await anext(stream)
    assert raised.value.reason == Reason.REASON_SERVER_DRAINING


async def test_the_stream_tells_the_end_of_a_blocker_whose_device_is_gone(house: House, car: str) -> None:
    (blocker,) = await house.ledger.record(TENANT, [key_missing(car)])
    stream = house.ledger.watch(Selection(TENANT, devices=frozenset({car})), WatchBlockersRequest(), house.draining)
    await anext(stream)
    await anext(stream)
    await house.registry.remove_connection(CONNECTION)
    (gone,) = (await anext(stream)).blockers
    assert (gone.name, gone.state) == (blocker.name, BlockerState.BLOCKER_STATE_RESOLVED)


async def test_a_mere_check_is_no_news_and_silence_is_a_heartbeat(house: House, car: str) -> None:
    (blocker,) = await house.ledger.record(TENANT, [key_missing(car)])
    request = WatchBlockersRequest(heartbeat_interval=Duration(nanos=20_000_000))
    stream = house.ledger.watch(Selection(TENANT), request, house.draining)
    await anext(stream)
    await anext(stream)
    house.ledger.confirm(blocker.name)
    await house.ledger.record(TENANT, [key_missing(car)])
    assert list((await anext(stream)).blockers) == []


async def test_another_tenants_blockers_are_not_told(house: House, car: str) -> None:
    await house.ledger.record(TENANT, [key_missing(car)])
    stream = house.ledger.watch(Selection(OTHER_TENANT), WatchBlockersRequest(), house.draining)
    assert (await anext(stream)).in_sync


async def test_a_device_that_was_removed_meanwhile_gets_no_blocker_that_nothing_could_close(
    house: House, car: str
) -> None:
    await house.registry.remove_connection(CONNECTION)
    (told,) = await house.ledger.record(TENANT, [key_missing(car)])
    assert told.end_user_message
    assert not told.name
    assert house.ledger.open_blockers() == []


async def test_a_token_with_a_forged_position_is_refused(house: House, car: str) -> None:
    await house.ledger.record(TENANT, [key_missing(car), scope_missing("vehicle_cmds")])
    page = await house.ledger.list(Selection(TENANT), ListBlockersRequest(page_size=1))
    arguments = base64.urlsafe_b64decode(page.next_page_token)[:12]
    forged = base64.urlsafe_b64encode(arguments + b"2026-01-01T00:00:00 blockers/x").decode()
    with pytest.raises(Problem) as raised:
        await house.ledger.list(Selection(TENANT), ListBlockersRequest(page_token=forged))
    assert raised.value.reason == Reason.REASON_PAGE_TOKEN_INVALID
