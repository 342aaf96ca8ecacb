"""Linking with the real adapter: the service and a simulated Tesla cloud, each in its own process."""

import asyncio
import html
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from wattbus.v1 import connection_service_pb2 as pb
from wattbus.v1.action_pb2 import Action, HonkHorn
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.connection_pb2 import Access, ConnectionState, LinkSessionState
from wattbus.v1.device_service_pb2 import CreateCommandRequest, ListBlockersRequest
from wattbus.v1.reason_pb2 import Reason

from tests.processes import Sandbox
from tests.rich_errors import refusal_of
from tests.service import CLIENT_ID, EVERY_ACCESS, Service, Setup, Tenant, eventually
from wattbus_server.cli.demo.browser import Browser

pytestmark = pytest.mark.timeout(400)

EMAIL = "robin@example.com"
GRANT = f"/grants/{EMAIL}/{CLIENT_ID}"
UNPAIRED_VIN = "XP7YGCEK8PB000202"


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


@pytest.fixture
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    async with setup.sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def service(setup: Setup, sandbox: Sandbox) -> AsyncIterator[Service]:
    async with setup.service(sandbox) as service:
        yield service


@pytest.fixture
async def tenant(service: Service) -> Tenant:
    return await service.new_tenant()


async def sync(tenant: Tenant, name: str) -> pb.SyncConnectionResponse:
    return await tenant.connections.SyncConnection(pb.SyncConnectionRequest(name=name), metadata=tenant.metadata)


async def open_blockers(tenant: Tenant, reason: Reason.ValueType | None = None) -> list[Blocker]:
    listed = await tenant.devices.ListBlockers(ListBlockersRequest(), metadata=tenant.metadata)
    return [blocker for blocker in listed.blockers if reason in (None, blocker.reason)]


async def session_of(tenant: Tenant, name: str) -> pb.GetLinkSessionResponse:
    return await tenant.connections.GetLinkSession(pb.GetLinkSessionRequest(name=name), metadata=tenant.metadata)


async def test_linking_finds_region_devices_and_the_key_that_is_left_to_pair(service: Service, tenant: Tenant) -> None:
    session = (await tenant.create_link()).link_session
    async with Browser() as browser:
        await browser.open(session.url)
        await browser.submit()
        await browser.submit(button=("decision", "sign_in"), email=EMAIL)
        closing = await browser.submit(button=("decision", "allow"))
    assert "Your Tesla account is connected" in closing
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', closing)]
    pairing = [link for link in links if "/_ak/" in link]
    assert len(pairing) == 1
    assert UNPAIRED_VIN in pairing[0]
    linked = (await session_of(tenant, session.name)).link_session
    connection = await tenant.connection(linked.connection)
    assert connection.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert connection.region == "eu"
    assert sorted(connection.granted_access) == sorted(EVERY_ACCESS)
    names = {device.display_name for device in await tenant.list_devices()}
    assert {"Blue Comet", "Night Owl"} <= names


async def test_reading_alone_announces_no_key(tenant: Tenant) -> None:
    session = (await tenant.create_link(access=[Access.ACCESS_READ_VEHICLES])).link_session
    async with Browser() as browser:
        await browser.open(session.url)
        await browser.submit()
        await browser.submit(button=("decision", "sign_in"), email=EMAIL)
        closing = await browser.submit(button=("decision", "allow"))
    assert "is connected" in closing
    assert "/_ak/" not in closing


async def test_cancelling_at_tesla_cancels_the_link_session(tenant: Tenant) -> None:
    session = (await tenant.create_link()).link_session
    async with Browser() as browser:
        await browser.open(session.url)
        await browser.submit()
        await browser.submit(button=("decision", "sign_in"), email=EMAIL)
        closing = await browser.submit(button=("decision", "cancel"))
    assert "Nothing was connected" in closing
    ended = (await session_of(tenant, session.name)).link_session
    assert ended.state == LinkSessionState.LINK_SESSION_STATE_CANCELLED
    assert ended.failure_reason == Reason.REASON_CONSENT_CANCELLED


async def test_an_unticked_scope_is_missing_until_the_end_user_allows_the_rest(tenant: Tenant) -> None:
    session = (await tenant.create_link()).link_session
    async with Browser() as browser:
        await browser.open(session.url)
        await browser.submit()
        await browser.submit(button=("decision", "sign_in"), email=EMAIL)
        closing = await browser.submit(button=("decision", "allow"), untick=["energy_cmds"])
        assert "connected in part" in closing
        name = (await session_of(tenant, session.name)).link_session.connection
        partial = await tenant.connection(name)
        assert partial.state == ConnectionState.CONNECTION_STATE_PARTIAL
        assert list(partial.missing_access) == [Access.ACCESS_COMMAND_ENERGY]
        again = next(link for link in re.findall(r'href="([^"]+)"', closing) if "/link/" in link)
        await browser.open(again)
        page = await browser.submit()
        if "sign_in" in page:
            await browser.submit(button=("decision", "sign_in"), email=EMAIL)
        await browser.submit(button=("decision", "select_all"))
        await browser.submit(button=("decision", "allow"))
    assert (await tenant.connection(name)).state == ConnectionState.CONNECTION_STATE_ACTIVE


async def test_scopes_taken_back_at_tesla_show_after_a_sync(tenant: Tenant, sandbox: Sandbox) -> None:
    connection = await tenant.link()
    kept = [scope for scope in connection.granted_scopes if scope != "vehicle_cmds"]
    await sandbox.control.put(GRANT, {"scopes": kept})
    synced = (await sync(tenant, connection.name)).connection
    assert synced.state == ConnectionState.CONNECTION_STATE_PARTIAL
    assert list(synced.missing_access) == [Access.ACCESS_COMMAND_VEHICLES]
    assert "vehicle_cmds" not in synced.granted_scopes


async def test_a_revoked_grant_needs_the_end_user_and_linking_again_heals_it(tenant: Tenant, sandbox: Sandbox) -> None:
    connection = await tenant.link()
    devices = {device.name for device in await tenant.list_devices()}
    await sandbox.control.delete(GRANT)
    refusal = await refusal_of(sync(tenant, connection.name))
    assert refusal.reason == "REAUTHORIZATION_REQUIRED"
    dead = await tenant.connection(connection.name)
    assert dead.state == ConnectionState.CONNECTION_STATE_REAUTHORIZATION_REQUIRED
    (blocker,) = await open_blockers(tenant, Reason.REASON_REAUTHORIZATION_REQUIRED)
    assert [told.name for told in refusal.blockers] == [blocker.name]
    assert any("/link/" in remedy.link for remedy in blocker.remedies)
    healed = await tenant.link()
    assert healed.name == connection.name
    assert healed.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert {device.name for device in await tenant.list_devices()} == devices
    while await open_blockers(tenant, Reason.REASON_REAUTHORIZATION_REQUIRED):  # noqa: ASYNC110 - another process closes it
        await asyncio.sleep(0.1)


async def test_a_renewal_whose_answer_was_lost_survives_a_kill(setup: Setup, sandbox: Sandbox) -> None:
    async with setup.service(sandbox) as first:
        tenant = await first.new_tenant()
        connection = await tenant.link()
        await sandbox.control.inject_fault("token_race")
        refusal = await refusal_of(sync(tenant, connection.name))
        assert refusal.reason == "VENDOR_UNAVAILABLE"
        first.process.kill()
        await first.process.wait()
    async with setup.service(sandbox) as second:
        again = second.tenant(tenant.name, tenant.key)
        synced = (await sync(again, connection.name)).connection
    assert synced.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert synced.name == connection.name


async def test_deleting_a_connection_takes_its_blockers_along(tenant: Tenant, sandbox: Sandbox) -> None:
    connection = await tenant.link()
    await sandbox.control.delete(GRANT)
    await refusal_of(sync(tenant, connection.name))
    assert await open_blockers(tenant)
    await tenant.connections.DeleteConnection(
        pb.DeleteConnectionRequest(name=connection.name), metadata=tenant.metadata
    )
    assert await open_blockers(tenant) == []
    assert await tenant.list_devices() == []


async def test_a_deleted_connection_leaves_no_vin_behind(setup: Setup, tenant: Tenant) -> None:
    connection = await tenant.link()
    car = await tenant.device_named("Blue Comet")
    honk = CreateCommandRequest(parent=car.name, action=Action(honk_horn=HonkHorn()))
    await tenant.devices.CreateCommand(honk, metadata=tenant.metadata, timeout=60)
    database = setup.folder / "wattbus.db"
    assert tables_with(database, car.vendor_id) >= {"devices", "signing_sessions", "signing_counters"}
    await tenant.connections.DeleteConnection(
        pb.DeleteConnectionRequest(name=connection.name), metadata=tenant.metadata
    )

    async def gone() -> bool | None:
        return not tables_with(database, car.vendor_id) or None

    await eventually(gone)


def tables_with(database: Path, text: str) -> set[str]:
    """The tables in which a text stands."""
    with closing(sqlite3.connect(database)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name for name in names if text in str(connection.execute(f"SELECT * FROM {name}").fetchall())}


async def test_the_public_key_is_hosted_where_tesla_looks_for_it(setup: Setup, service: Service) -> None:
    async with Browser() as browser:
        key = await browser.open(f"{service.http_url}/.well-known/appspecific/com.tesla.3p.public-key.pem")
    assert key == setup.public_key.read_text()
