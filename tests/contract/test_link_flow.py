"""Linking an account with real pages of the service and of Tesla, and every way in which that can end."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from wattbus.v1.action_pb2 import Action, ActionKind, Lock
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.connection_pb2 import Access, Connection, ConnectionState, LinkSession, LinkSessionState
from wattbus.v1.connection_service_pb2 import ListConnectionsRequest
from wattbus.v1.device_pb2 import Device, DeviceKind
from wattbus.v1.device_service_pb2 import DeviceSelection, GetDeviceRequest, ListBlockersRequest, WatchBlockersRequest
from wattbus.v1.reason_pb2 import Reason

from tests.contract.asking import check, create, until_resolved
from tests.contract.people import car, person, scenario
from tests.contract.people import home as house
from tests.processes import PATIENCE_SECONDS, Sandbox
from tests.rich_errors import refusal_of
from tests.service import CLIENT_ID, EVERY_ACCESS, Service, Setup, Tenant, eventually
from wattbus_server.cli.demo.browser import Browser, BrowserError

pytestmark = pytest.mark.asyncio(loop_scope="module")

PENDING = LinkSessionState.LINK_SESSION_STATE_PENDING
COMPLETED = LinkSessionState.LINK_SESSION_STATE_COMPLETED
CANCELLED = LinkSessionState.LINK_SESSION_STATE_CANCELLED
FAILED = LinkSessionState.LINK_SESSION_STATE_FAILED
LOCK = Action(lock=Lock())
EXPIRED = LinkSessionState.LINK_SESSION_STATE_EXPIRED

NAMES = (
    "full",
    "part",
    "later",
    "cancelled",
    "expired",
    "reused",
    "forged",
    "other",
    "preview",
    "returning",
    "twin",
    "unlucky",
    "wavering",
    "sparing",
)
PEOPLE = tuple(person(name, car(f"{name}'s car", key="unpaired"), house(f"{name}'s home")) for name in NAMES)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    async with setup.sandbox(**scenario(*PEOPLE)) as sandbox:
        yield sandbox


class EndUser(Browser):
    """An end user with a browser, who reads what the page says."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def look(self, url: str) -> None:
        """Open a page that may be an error."""
        try:
            await self.open(url)
        except BrowserError:
            assert self.page is not None

    async def arrive_at_tesla(self, url: str, name: str) -> None:
        """Open a link, press its button, and choose the account at Tesla."""
        await self.open(url)
        await self.submit()
        await self.submit(button=("decision", "sign_in"), email=f"{name}@example.com")

    async def press(self, decision: str, *untick: str) -> None:
        """Press a button of Tesla's consent page; what comes then may be an error."""
        try:
            await self.submit(button=("decision", decision), untick=untick)
        except BrowserError:
            assert self.page is not None

    @property
    def shown(self) -> tuple[int, str]:
        """The status of the page and its heading."""
        assert self.page is not None
        return self.page.status_code, self.page.text.partition("<h1>")[2].partition("</h1>")[0]

    @property
    def text(self) -> str:
        assert self.page is not None
        return self.page.text


async def new_link(tenant: Tenant, user: str, **fields: object) -> LinkSession:
    return (await tenant.create_link(user, **fields)).link_session  # type: ignore[arg-type] # fields of the request


async def connections_of(tenant: Tenant, user: str) -> int:
    request = ListConnectionsRequest(external_user_id=user)
    return len((await tenant.connections.ListConnections(request, metadata=tenant.metadata)).connections)


async def test_a_whole_link_ends_in_an_active_connection_with_every_device(tenant: Tenant) -> None:
    session = await new_link(tenant, "full-7")
    assert session.state == PENDING
    assert not session.connection
    async with EndUser() as user:
        await user.open(session.url)
        assert user.shown == (200, "Connect your Tesla account")
        assert "Change the settings of your home battery" in user.text
        await user.submit()
        assert user.page is not None
        query = parse_qs(user.page.url.query.decode())
        assert query["client_id"] == [CLIENT_ID]
        assert query["prompt_missing_scopes"] == ["true"]
        assert query["show_keypair_step"] == ["true"]
        await user.submit(button=("decision", "sign_in"), email="full@example.com")
        assert "virtual key" in user.text, "the key step is announced"
        await user.press("allow")
        assert user.shown == (200, "Your Tesla account is connected")
        assert "full&#39;s car" in user.text
        assert "One more step" in user.text, "the car still needs the key"
        assert "/_ak/" in user.text
    session = await tenant.link_session(session.name)
    assert session.state == COMPLETED
    connection = await tenant.connection(session.connection)
    assert connection.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert connection.external_user_id == "full-7"
    assert connection.region == "eu"
    assert set(connection.granted_access) == set(connection.requested_access) == set(EVERY_ACCESS)
    assert not connection.missing_access
    assert connection.HasField("sync_time")
    kinds = {device.kind for device in await tenant.list_devices() if device.connection == connection.name}
    assert kinds >= {DeviceKind.DEVICE_KIND_VEHICLE, DeviceKind.DEVICE_KIND_BATTERY, DeviceKind.DEVICE_KIND_METER}


async def test_partial_consent_is_a_partial_connection_whose_page_offers_to_allow_the_rest(tenant: Tenant) -> None:
    session = await new_link(tenant, "part")
    async with EndUser() as user:
        await user.arrive_at_tesla(session.url, "part")
        await user.press("allow", "energy_cmds", "vehicle_location")
        assert user.shown == (200, "Your Tesla account is connected in part")
        assert "Change the settings of your home battery" in user.text
        assert "See where your vehicles are" in user.text
        connection = await tenant.connection((await tenant.link_session(session.name)).connection)
        assert connection.state == ConnectionState.CONNECTION_STATE_PARTIAL
        missing = {Access.ACCESS_READ_VEHICLE_LOCATION, Access.ACCESS_COMMAND_ENERGY}
        assert set(connection.missing_access) == missing
        assert set(connection.granted_access) == set(EVERY_ACCESS) - missing
        assert not {"energy_cmds", "vehicle_location"} & set(connection.granted_scopes)
        rest = user.text.partition('<a class="button plain" href="')[2].partition('"')[0]
        await user.open(rest)
        await user.submit()
        await user.press("allow")
        assert user.shown == (200, "Your Tesla account is connected")
    whole = await tenant.connection(connection.name)
    assert whole.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert not whole.missing_access
    assert await connections_of(tenant, "part") == 1


async def test_cancelling_connects_nothing_and_says_so(tenant: Tenant) -> None:
    session = await new_link(tenant, "cancelled")
    async with EndUser() as user:
        await user.arrive_at_tesla(session.url, "cancelled")
        await user.press("cancel")
        assert user.shown == (200, "Nothing was connected")
        session = await tenant.link_session(session.name)
        assert session.state == CANCELLED
        assert session.failure_reason == Reason.REASON_CONSENT_CANCELLED
        assert session.failure_message
        assert not session.connection
        await user.look(session.url)
        assert user.shown == (410, "This link was used already")
    assert await connections_of(tenant, "cancelled") == 0


def let_expire(setup: Setup, session: LinkSession) -> None:
    """Bring a link to its end now; the shortest lifetime that the contract allows is a minute."""
    with sqlite3.connect(setup.folder / "wattbus.db", timeout=PATIENCE_SECONDS) as database:
        changed = database.execute(
            "UPDATE link_sessions SET expire_time = create_time WHERE name = ?", (session.name,)
        ).rowcount
    assert changed == 1


async def test_a_link_lives_as_long_as_the_caller_asked(tenant: Tenant) -> None:
    before = datetime.now(UTC)
    session = await new_link(tenant, "expired", time_to_live=Duration(seconds=60))
    after = datetime.now(UTC)
    assert before <= session.expire_time.ToDatetime(UTC) - timedelta(seconds=60) <= after


async def test_an_expired_link_is_refused(tenant: Tenant, setup: Setup) -> None:
    session = await new_link(tenant, "expired", time_to_live=Duration(seconds=60))
    let_expire(setup, session)
    async with EndUser() as user:
        await user.look(session.url)
        assert user.shown == (410, "This link has expired")
    assert (await tenant.link_session(session.name)).state == EXPIRED


async def test_a_consent_that_comes_after_the_link_expired_connects_nothing(tenant: Tenant, setup: Setup) -> None:
    session = await new_link(tenant, "expired", time_to_live=Duration(seconds=60))
    async with EndUser() as user:
        await user.arrive_at_tesla(session.url, "expired")
        let_expire(setup, session)
        await user.press("allow")
        assert user.shown == (410, "This link has expired")
    assert (await tenant.link_session(session.name)).state == EXPIRED
    assert await connections_of(tenant, "expired") == 0


async def test_a_used_link_and_a_used_answer_are_refused_and_change_nothing(tenant: Tenant) -> None:
    session = await new_link(tenant, "reused")
    async with EndUser() as user:
        await user.arrive_at_tesla(session.url, "reused")
        await user.press("allow")
        assert user.page is not None
        answer = str(user.page.url)
        before = await tenant.link_session(session.name)
        await user.look(session.url)
        assert user.shown == (410, "This link was used already")
        await user.look(answer)
        assert user.shown == (400, "This answer belongs to no open link")
    assert await tenant.link_session(session.name) == before
    assert await connections_of(tenant, "reused") == 1


async def test_a_forged_state_is_refused_and_the_real_one_may_still_finish(
    tenant: Tenant, grpc_server: Service
) -> None:
    session = await new_link(tenant, "forged")
    callback = f"{grpc_server.http_url}/oauth/callback/tesla"
    async with EndUser() as user:
        await user.arrive_at_tesla(session.url, "forged")
        consent = user.page
        for query in ("state=forged&code=NA_stolen", "code=NA_stolen", "state=&error=access_denied"):
            await user.look(f"{callback}?{query}")
            assert user.shown == (400, "This answer belongs to no open link"), query
        assert (await tenant.link_session(session.name)).state == PENDING
        user.page = consent
        await user.press("allow")
        assert user.shown == (200, "Your Tesla account is connected")
    assert (await tenant.link_session(session.name)).state == COMPLETED


async def test_an_answer_in_another_browser_is_refused_and_the_right_one_may_still_finish(tenant: Tenant) -> None:
    session = await new_link(tenant, "other")
    async with EndUser() as user, EndUser() as stranger:
        await user.open(session.url)
        await user.submit()
        assert user.page is not None
        await stranger.open(str(user.page.url))
        await stranger.submit(button=("decision", "sign_in"), email="other@example.com")
        await stranger.press("allow")
        assert stranger.shown == (403, "Please finish in the browser in which you began")
        assert (await tenant.link_session(session.name)).state == PENDING
        assert await connections_of(tenant, "other") == 0
        # Tesla knows the consent by now and asks no more.
        await user.submit(button=("decision", "sign_in"), email="other@example.com")
        assert user.shown == (200, "Your Tesla account is connected")
    assert (await tenant.link_session(session.name)).state == COMPLETED


async def test_a_robot_that_previews_the_link_consumes_nothing(tenant: Tenant) -> None:
    session = await new_link(tenant, "preview")
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as robot:
        for _ in range(3):
            preview = await robot.get(session.url)
            assert preview.status_code == 200
            assert not preview.cookies
            assert "set-cookie" not in preview.headers
        assert (await robot.head(session.url)).status_code == 200
    assert (await tenant.link_session(session.name)).state == PENDING
    async with EndUser() as user:
        await user.arrive_at_tesla(session.url, "preview")
        await user.press("allow")
        assert user.shown == (200, "Your Tesla account is connected")


@pytest.mark.parametrize(("decision", "result"), [("cancel", "cancelled"), ("allow", "completed")])
async def test_the_browser_goes_back_to_the_callers_address(
    tenant: Tenant, sandbox: Sandbox, decision: str, result: str
) -> None:
    back = f"{sandbox.fleet_api('eu')}/status?theme=dark"
    access = [Access.ACCESS_READ_ENERGY]
    session = await new_link(tenant, "returning", access=access, return_url=back)
    async with EndUser() as user:
        await user.arrive_at_tesla(session.url, "returning")
        await user.press(decision)
        assert user.page is not None
        arrived = urlsplit(str(user.page.url))
    assert f"{arrived.scheme}://{arrived.netloc}{arrived.path}" == back.partition("?")[0]
    assert parse_qs(arrived.query) == {"theme": ["dark"], "link_session": [session.name], "result": [result]}


async def test_renewing_with_another_account_fails_and_changes_nothing(tenant: Tenant) -> None:
    connection = await tenant.link("twin", email="twin@example.com")
    session = await new_link(tenant, "twin", connection=connection.name)
    async with EndUser() as user:
        await user.arrive_at_tesla(session.url, "later")
        await user.press("allow")
        assert user.shown == (409, "Your Tesla account could not be connected")
        assert "another Tesla account" in user.text
    session = await tenant.link_session(session.name)
    assert session.state == FAILED
    assert session.failure_reason == Reason.REASON_ACCOUNT_MISMATCH
    assert without_times(await tenant.connection(connection.name)) == without_times(connection)


def without_times(connection: Connection) -> Connection:
    """Return a connection without the times that the service's own discovery moves, whatever callers do."""
    result = Connection()
    result.CopyFrom(connection)
    result.ClearField("sync_time")
    result.ClearField("update_time")
    return result


async def test_a_tesla_that_fails_during_the_exchange_is_told_and_nothing_is_connected(
    tenant: Tenant, sandbox: Sandbox
) -> None:
    session = await new_link(tenant, "unlucky")
    async with EndUser() as user:
        await user.arrive_at_tesla(session.url, "unlucky")
        await sandbox.control.inject_fault("token_server_error", target=CLIENT_ID)
        await user.press("allow")
        status, heading = user.shown
        assert (status, heading) == (502, "Your Tesla account could not be connected")
        assert "server_error" not in user.text
    session = await tenant.link_session(session.name)
    assert session.state == FAILED
    assert session.failure_reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert await connections_of(tenant, "unlucky") == 0


async def test_what_a_link_leaves_open_is_listed_at_once_and_closes_when_it_is_done(
    tenant: Tenant, sandbox: Sandbox
) -> None:
    connection = await tenant.link("sparing", untick=["vehicle_cmds", "vehicle_location"], email="sparing@example.com")
    selection = DeviceSelection(connection=connection.name)

    async def listed() -> list[Blocker]:
        request = ListBlockersRequest(selection=selection)
        return list((await tenant.devices.ListBlockers(request, metadata=tenant.metadata)).blockers)

    async def told(reason: Reason.ValueType) -> Blocker:
        async def look() -> Blocker | None:
            return next((one for one in await listed() if one.reason == reason), None)

        return await eventually(look)

    scope = await told(Reason.REASON_SCOPE_MISSING)
    assert (scope.connection, scope.device, list(scope.missing_scopes)) == (connection.name, "", ["vehicle_cmds"])
    assert ActionKind.ACTION_KIND_LOCK in scope.blocked_actions
    assert ActionKind.ACTION_KIND_START_CHARGING not in scope.blocked_actions, "charging was granted"
    car = await tenant.device_named("sparing's car")
    refusal = await refusal_of(create(tenant, car, LOCK))
    assert refusal.blocker(Reason.REASON_SCOPE_MISSING).name == scope.name
    key = await told(Reason.REASON_VIRTUAL_KEY_NOT_PAIRED)
    assert key.device == car.name
    assert "/_ak/" in key.remedies[0].link
    async with EndUser() as user:
        await user.arrive_at_tesla(scope.remedies[0].link, "sparing")
        await user.press("allow")
        assert user.shown == (200, "Your Tesla account is connected")
    await sandbox.control.patch(f"/cars/{car.vendor_id}", {"key": "paired"})
    for name in (scope.name, key.name):
        await until_resolved(tenant, name)
    assert await listed() == []


async def told_everywhere(tenant: Tenant, device: Device) -> dict[str, str]:
    """The link session that each reader is offered for locking a car, by how it asked."""
    refusal = await refusal_of(create(tenant, device, LOCK))
    checked = await check(tenant, device, LOCK)
    got = (await tenant.devices.GetDevice(GetDeviceRequest(name=device.name), metadata=tenant.metadata)).device
    lock = next(one for one in got.capabilities if one.action == ActionKind.ACTION_KIND_LOCK)
    listed = await tenant.devices.ListBlockers(ListBlockersRequest(), metadata=tenant.metadata)
    watch = tenant.devices.WatchBlockers(WatchBlockersRequest(), metadata=tenant.metadata)
    snapshot: list[Blocker] = []
    async for response in watch:
        snapshot.extend(response.blockers)
        if response.in_sync:
            watch.cancel()
            break
    name = refusal.blocker(Reason.REASON_SCOPE_MISSING).name
    blockers = {
        "CreateCommand": refusal.blockers,
        "CheckCommand": checked.blockers,
        "GetDevice": lock.blockers,
        "ListBlockers": listed.blockers,
        "WatchBlockers": snapshot,
    }
    return {how: next(one for one in found if one.name == name).remedies[0].link for how, found in blockers.items()}


async def test_a_link_that_ended_is_offered_to_nobody_any_more(
    tenant: Tenant, setup: Setup, grpc_server: Service
) -> None:
    connection = await tenant.link("wavering", untick=["vehicle_cmds"], email="wavering@example.com")
    device = await tenant.device_named("wavering's car")
    (first,) = set((await told_everywhere(tenant, device)).values())
    async with EndUser() as user:
        await user.arrive_at_tesla(first, "wavering")
        await user.press("cancel")
        await user.look(first)
        assert user.shown == (410, "This link was used already")
        (second,) = set((await told_everywhere(tenant, device)).values())
        await user.look(second)
        assert user.shown == (200, "Connect your Tesla account")
        with sqlite3.connect(setup.folder / "wattbus.db", timeout=PATIENCE_SECONDS) as database:
            database.execute(
                "UPDATE link_sessions SET expire_time = create_time WHERE connection = ?", (connection.name,)
            )
        await user.look(second)
        assert user.shown == (410, "This link has expired")

        async def replaced() -> str | None:
            links = set((await told_everywhere(tenant, device)).values())
            return links.pop() if len(links) == 1 and second not in links else None

        third = await eventually(replaced)
        await user.look(third)
        assert user.shown == (200, "Connect your Tesla account")
    stored = b"".join(path.read_bytes() for path in setup.folder.glob("wattbus.db*"))
    assert connection.name.encode() in stored
    assert not any(link.rpartition("/")[2].encode() in stored for link in (first, second, third))


async def test_a_link_that_waits_is_told_under_the_public_url_of_now(tmp_path_factory: pytest.TempPathFactory) -> None:
    setup = Setup(tmp_path_factory.mktemp("moved"))
    async with setup.service(PUBLIC_URL="https://before.example") as service:
        tenant = await service.new_tenant()
        before = (await tenant.create_link(request_id="once")).link_session
    async with setup.service(PUBLIC_URL="https://after.example/") as service:
        again = service.tenant(tenant.name, tenant.key)
        told = await again.link_session(before.name)
        assert told.url == before.url.replace("https://before.example/", "https://after.example/")
        assert told == (await again.create_link(request_id="once")).link_session
