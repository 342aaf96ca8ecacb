from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import update
from wattbus.v1.blocker_pb2 import Actor, Blocker, Remedy
from wattbus.v1.connection_pb2 import Access, ConnectionState, LinkSessionState
from wattbus.v1.connection_service_pb2 import CreateLinkSessionRequest
from wattbus.v1.reason_pb2 import Reason

from tests.connections.house import EVERYTHING, OTHER_TENANT, TENANT, House, browser, depart
from tests.connections.vendor import ALL_SCOPES, AUTHORIZE_URL, Vendor1
from wattbus_server.problem import Problem
from wattbus_server.storage.tables import link_sessions


async def expire(house: House, name: str) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with house.engine.begin() as database:
        await database.execute(update(link_sessions).where(link_sessions.c.name == name).values(expire_time=past))


async def test_a_whole_link_ends_in_an_active_connection_with_devices(house: House, vendor: Vendor1) -> None:
    session = await house.new_link()
    assert session.state == LinkSessionState.LINK_SESSION_STATE_PENDING
    async with browser() as client:
        state = await depart(client, session.url)
        closing = await client.get(
            f"{house.url}/oauth/callback/tesla", params={"state": state, "code": vendor.consent("sub-1")}
        )
    assert closing.status_code == 200
    assert "is connected" in closing.text
    assert "Blue &lt;Comet&gt;" in closing.text
    assert "could not be read" not in closing.text
    session = await house.links.get(TENANT, session.name)
    assert session.state == LinkSessionState.LINK_SESSION_STATE_COMPLETED
    connection = await house.directory.get(TENANT, session.connection)
    assert connection.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert connection.region == "eu"
    assert list(connection.granted_access) == EVERYTHING
    assert connection.HasField("sync_time")
    assert len(house.registry.of_connection(connection.name)) == 3


async def test_opening_the_link_many_times_consumes_nothing(house: House, vendor: Vendor1) -> None:
    session = await house.new_link()
    async with browser() as robot:
        for _ in range(3):
            answer = await robot.get(session.url)
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
        assert (await robot.head(session.url)).status_code == 200
    async with browser() as client:
        state = await depart(client, session.url)
        await client.get(f"{house.url}/oauth/callback/tesla", params={"state": state, "code": vendor.consent("s")})
    assert (await house.links.get(TENANT, session.name)).state == LinkSessionState.LINK_SESSION_STATE_COMPLETED


async def test_the_page_names_what_is_asked_for_in_plain_words(house: House) -> None:
    session = await house.new_link(access=[Access.ACCESS_COMMAND_ENERGY])
    async with browser() as client:
        text = (await client.get(session.url)).text
    assert "Change the settings of your home battery" in text
    assert "vehicle" not in text.lower()


async def test_cancelled_consent_makes_no_connection(house: House) -> None:
    session = await house.new_link()
    async with browser() as client:
        state = await depart(client, session.url)
        page = await client.get(f"{house.url}/oauth/callback/tesla", params={"state": state, "error": "access_denied"})
        assert page.status_code == 200
        assert "Nothing was connected" in page.text
        assert (await client.get(session.url)).status_code == 410
    session = await house.links.get(TENANT, session.name)
    assert session.state == LinkSessionState.LINK_SESSION_STATE_CANCELLED
    assert session.failure_reason == Reason.REASON_CONSENT_CANCELLED
    assert await house.names() == []


async def test_a_used_link_and_a_used_answer_are_refused(house: House, vendor: Vendor1) -> None:
    session = await house.new_link()
    async with browser() as client:
        state = await depart(client, session.url)
        answer = {"state": state, "code": vendor.consent("s")}
        assert (await client.get(f"{house.url}/oauth/callback/tesla", params=answer)).status_code == 200
        assert (await client.get(f"{house.url}/oauth/callback/tesla", params=answer)).status_code == 400
        used = await client.get(session.url)
        assert used.status_code == 410
        assert "used already" in used.text
        assert (await client.post(session.url)).status_code == 410


async def test_an_expired_link_is_refused_before_and_after_the_vendor(house: House, vendor: Vendor1) -> None:
    session = await house.new_link()
    async with browser() as client:
        state = await depart(client, session.url)
        await expire(house, session.name)
        code = vendor.consent("s")
        late = await client.get(f"{house.url}/oauth/callback/tesla", params={"state": state, "code": code})
        assert late.status_code == 410
        assert "expired" in late.text
        assert (await client.get(session.url)).status_code == 410
        assert (await client.post(session.url)).status_code == 410
    assert (await house.links.get(TENANT, session.name)).state == LinkSessionState.LINK_SESSION_STATE_EXPIRED
    assert await house.names() == []


@pytest.mark.parametrize("state", ["", "forged", "x" * 4000])
async def test_a_forged_state_changes_nothing(house: House, vendor: Vendor1, state: str) -> None:
    session = await house.new_link()
    async with browser() as client:
        await depart(client, session.url)
        code = vendor.consent("s")
        forged = await client.get(f"{house.url}/oauth/callback/tesla", params={"state": state, "code": code})
    assert forged.status_code == 400
    assert (await house.links.get(TENANT, session.name)).state == LinkSessionState.LINK_SESSION_STATE_PENDING
    assert await house.names() == []


async def test_an_answer_in_another_browser_is_refused_and_the_right_one_may_still_finish(
    house: House, vendor: Vendor1
) -> None:
    session = await house.new_link()
    async with browser() as client, browser() as other:
        state = await depart(client, session.url)
        await depart(other, (await house.new_link(external_user_id="somebody else")).url)
        answer = {"state": state, "code": vendor.consent("s")}
        assert (await other.get(f"{house.url}/oauth/callback/tesla", params=answer)).status_code == 403
        assert await house.names() == []
        assert (await client.get(f"{house.url}/oauth/callback/tesla", params=answer)).status_code == 200
    assert len(await house.names()) == 1


async def test_starting_again_ends_the_earlier_attempt(house: House, vendor: Vendor1) -> None:
    session = await house.new_link()
    async with browser() as client:
        first = await depart(client, session.url)
        second = await depart(client, session.url)
        code = vendor.consent("s")
        callback = f"{house.url}/oauth/callback/tesla"
        assert (await client.get(callback, params={"state": first, "code": code})).status_code == 400
        assert (await client.get(callback, params={"state": second, "code": code})).status_code == 200


async def test_two_links_in_one_browser_do_not_disturb_each_other(house: House, vendor: Vendor1) -> None:
    one, two = await house.new_link(), await house.new_link(external_user_id="user-2")
    async with browser() as client:
        states = [await depart(client, one.url), await depart(client, two.url)]
        for state in states:
            answer = {"state": state, "code": vendor.consent("s")}
            assert (await client.get(f"{house.url}/oauth/callback/tesla", params=answer)).status_code == 200
    assert len(await house.names()) == 2


async def test_partial_consent_is_a_partial_connection_and_offers_to_ask_again(house: House, vendor: Vendor1) -> None:
    session = await house.new_link(return_url="https://app.example/done")
    async with browser() as client:
        state = await depart(client, session.url)
        code = vendor.consent("s", ALL_SCOPES - {"ACCESS_COMMAND_VEHICLES"})
        page = await client.get(f"{house.url}/oauth/callback/tesla", params={"state": state, "code": code})
        assert page.status_code == 200
        assert "Send commands to your vehicles" in page.text
        assert "https://app.example/done?" in page.text
        again = page.text.split(f'href="{house.url}/link/')[1].split('"')[0]
        assert "Send commands" in (await client.get(f"{house.url}/link/{again}")).text
        session = await house.links.get(TENANT, session.name)
        connection = await house.directory.get(TENANT, session.connection)
        assert connection.state == ConnectionState.CONNECTION_STATE_PARTIAL
        assert connection.state_reason == Reason.REASON_SCOPE_MISSING
        assert list(connection.missing_access) == [Access.ACCESS_COMMAND_VEHICLES]
        state = await depart(client, f"{house.url}/link/{again}")
        await client.get(f"{house.url}/oauth/callback/tesla", params={"state": state, "code": vendor.consent("s")})
    renewed = await house.directory.get(TENANT, session.connection)
    assert renewed.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert renewed.state_reason == Reason.REASON_UNSPECIFIED


async def test_the_same_account_for_the_same_user_renews_the_connection(house: House, vendor: Vendor1) -> None:
    first = await house.connection(vendor.consent("s"))
    devices = [record.name for record in house.registry.of_connection(first.name)]
    second = await house.connection(vendor.consent("s"))
    assert second.name == first.name
    assert second.create_time == first.create_time
    assert [record.name for record in house.registry.of_connection(first.name)] == devices
    assert await house.names() == [first.name]


async def test_another_account_or_another_user_is_another_connection(house: House, vendor: Vendor1) -> None:
    await house.connection(vendor.consent("a"))
    await house.connection(vendor.consent("b"))
    await house.connection(vendor.consent("a"), external_user_id="user-2")
    assert len(await house.names()) == 3


async def test_renewing_a_connection_with_another_account_fails_and_changes_nothing(
    house: House, vendor: Vendor1
) -> None:
    connection = await house.connection(vendor.consent("a"))
    session = await house.new_link(connection=connection.name)
    async with browser() as client:
        state = await depart(client, session.url)
        page = await client.get(
            f"{house.url}/oauth/callback/tesla", params={"state": state, "code": vendor.consent("b")}
        )
    assert page.status_code == 409
    assert "another Tesla account" in page.text
    session = await house.links.get(TENANT, session.name)
    assert session.state == LinkSessionState.LINK_SESSION_STATE_FAILED
    assert session.failure_reason == Reason.REASON_ACCOUNT_MISMATCH
    assert session.connection == ""
    assert await house.names() == [connection.name]


async def test_a_refused_code_fails_the_link_session(house: House) -> None:
    session = await house.new_link(return_url="https://app.example/done?a=1")
    async with browser() as client:
        state = await depart(client, session.url)
        answer = await client.get(f"{house.url}/oauth/callback/tesla", params={"state": state, "code": "wrong"})
    assert answer.status_code == 303
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query == {"a": ["1"], "link_session": [session.name], "result": ["failed"]}
    session = await house.links.get(TENANT, session.name)
    assert session.state == LinkSessionState.LINK_SESSION_STATE_FAILED
    assert session.failure_reason == Reason.REASON_VENDOR_UNAVAILABLE


async def test_an_answer_for_another_nonce_fails_the_link_session(house: House, vendor: Vendor1) -> None:
    session = await house.new_link()
    code = vendor.consent("s")
    vendor.nonces[code] = "of somebody else"
    async with browser() as client:
        state = await depart(client, session.url)
        page = await client.get(f"{house.url}/oauth/callback/tesla", params={"state": state, "code": code})
    assert page.status_code == 502
    assert (await house.links.get(TENANT, session.name)).state == LinkSessionState.LINK_SESSION_STATE_FAILED
    assert await house.names() == []


async def test_the_vendors_own_error_is_kept_for_developers_and_not_shown(house: House) -> None:
    session = await house.new_link()
    async with browser() as client:
        state = await depart(client, session.url)
        answer = {"state": state, "error": "server_error", "error_description": "<b>deep trouble</b>"}
        page = await client.get(f"{house.url}/oauth/callback/tesla", params=answer)
    assert page.status_code == 502
    assert "trouble" not in page.text
    session = await house.links.get(TENANT, session.name)
    assert session.failure_reason == Reason.REASON_VENDOR_ERROR_UNCLASSIFIED
    assert "server_error <b>deep trouble</b>" in session.failure_message


async def test_success_goes_back_to_the_callers_address(house: House, vendor: Vendor1) -> None:
    session = await house.new_link(return_url="https://app.example/done")
    async with browser() as client:
        state = await depart(client, session.url)
        answer = await client.get(
            f"{house.url}/oauth/callback/tesla", params={"state": state, "code": vendor.consent("s")}
        )
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["location"]).query)["result"] == ["completed"]


async def test_what_is_left_to_do_stands_on_the_closing_page(house: House, vendor: Vendor1) -> None:
    pairing = Remedy(
        actor=Actor.ACTOR_END_USER,
        place="Your phone",
        steps=["Add the key."],
        link="https://pair.example/_ak/x?vin=1&a=2",
    )
    vendor.steps = (Blocker(reason=Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, remedies=[pairing]),)
    session = await house.new_link(return_url="https://app.example/done")
    async with browser() as client:
        state = await depart(client, session.url)
        page = await client.get(
            f"{house.url}/oauth/callback/tesla", params={"state": state, "code": vendor.consent("s")}
        )
    assert page.status_code == 200
    assert 'href="https://pair.example/_ak/x?vin=1&amp;a=2"' in page.text
    assert "Add the key." in page.text
    assert 'href="https://app.example/done?' in page.text


async def test_a_connection_stands_even_if_its_devices_cannot_be_read_yet(house: House, vendor: Vendor1) -> None:
    vendor.discover_problem = Problem(Reason.REASON_VENDOR_UNAVAILABLE, "Tesla is down.")
    session = await house.new_link()
    async with browser() as client:
        state = await depart(client, session.url)
        answer = {"state": state, "code": vendor.consent("s")}
        page = await client.get(f"{house.url}/oauth/callback/tesla", params=answer)
    assert "is connected" in page.text
    assert "could not be read yet. That is tried again by itself" in page.text
    session = await house.links.get(TENANT, session.name)
    connection = await house.directory.get(TENANT, session.connection)
    assert connection.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert connection.state_reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert not connection.HasField("sync_time")
    vendor.discover_problem = None
    synced = await house.directory.sync(TENANT, connection.name)
    assert synced.state_reason == Reason.REASON_UNSPECIFIED
    assert len(house.registry.of_connection(connection.name)) == 3


async def test_the_same_request_id_gives_the_same_link(house: House) -> None:
    first = await house.new_link(request_id="r-1")
    again = await house.new_link(request_id="r-1", access=list(reversed(EVERYTHING)))
    assert again == first
    with pytest.raises(Problem) as caught:
        await house.new_link(request_id="r-1", external_user_id="user-2")
    assert caught.value.reason == Reason.REASON_REQUEST_ID_REUSED
    other = await house.links.create(
        OTHER_TENANT, CreateLinkSessionRequest(external_user_id="u", access=EVERYTHING, request_id="r-1")
    )
    assert other.name != first.name


async def test_a_link_lives_as_long_as_the_caller_wants(house: House) -> None:
    session = await house.new_link(time_to_live=Duration(seconds=90))
    remaining = session.expire_time.ToDatetime(UTC) - datetime.now(UTC)
    assert timedelta(seconds=60) < remaining <= timedelta(seconds=90)


async def test_without_a_vendor_application_no_link_is_made(house: House, vendor: Vendor1) -> None:
    vendor.configured = False
    with pytest.raises(Problem) as caught:
        await house.new_link()
    assert caught.value.reason == Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED


async def test_another_tenant_sees_neither_link_nor_connection(house: House, vendor: Vendor1) -> None:
    session = await house.link(vendor.consent("s"))
    for refused in (
        house.links.get(OTHER_TENANT, session.name),
        house.directory.get(OTHER_TENANT, session.connection),
        house.directory.sync(OTHER_TENANT, session.connection),
        house.directory.delete(OTHER_TENANT, session.connection),
        house.links.create(
            OTHER_TENANT,
            CreateLinkSessionRequest(external_user_id="user-1", access=EVERYTHING, connection=session.connection),
        ),
    ):
        with pytest.raises(Problem) as caught:
            await refused
        assert caught.value.reason == Reason.REASON_RESOURCE_NOT_FOUND
    assert await house.names(OTHER_TENANT) == []


async def test_renewing_for_another_user_is_refused(house: House, vendor: Vendor1) -> None:
    connection = await house.connection(vendor.consent("s"))
    with pytest.raises(Problem) as caught:
        await house.new_link(connection=connection.name, external_user_id="user-2")
    assert caught.value.field_violations[0].field == "external_user_id"


async def test_the_button_leads_to_the_vendor_with_state_nonce_and_callback(house: House) -> None:
    session = await house.new_link()
    async with browser() as client:
        departure = await client.post(session.url)
    location = departure.headers["location"]
    query = parse_qs(urlsplit(location).query)
    assert location.startswith(AUTHORIZE_URL)
    assert query["redirect_uri"] == [f"{house.url}/oauth/callback/tesla"]
    assert len(query["state"][0]) >= 43
    assert len(query["nonce"][0]) >= 43
    cookie = departure.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
