"""What the operator of the service must set right at Tesla or in the settings."""

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from wattbus.v1.action_pb2 import Action, HonkHorn
from wattbus.v1.blocker_pb2 import Actor, Blocker
from wattbus.v1.command_pb2 import CommandState
from wattbus.v1.connection_pb2 import ConnectionState, LinkSessionState
from wattbus.v1.connection_service_pb2 import SyncConnectionRequest
from wattbus.v1.device_pb2 import Device
from wattbus.v1.device_service_pb2 import DeviceSelection, ListBlockersRequest
from wattbus.v1.reason_pb2 import Reason

from tests.contract.asking import check, create, open_blockers, reasons, refresh, refused, sent, until_resolved
from tests.contract.people import car, person, scenario
from tests.contract.people import home as house
from tests.processes import Sandbox
from tests.service import CLIENT_ID, Setup, Tenant, eventually, free_port
from wattbus_server.cli.demo.browser import Browser, BrowserError

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
HONK = Action(honk_horn=HonkHorn())
APPLICATION = f"/applications/{CLIENT_ID}"

PEOPLE = (
    person("robin", car("European car"), house("European home")),
    person("alex", car("American car"), region="na"),
    person("mover", car("Mover's car")),
    person("keyless", car("Keyless car")),
    person("spent", car("Spent car")),
    person("abroad", car("Car abroad")),
    person("newcomer", car("Newcomer's car")),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    async with setup.sandbox(**scenario(*PEOPLE)) as sandbox:
        yield sandbox


async def blocker_with(tenant: Tenant, reason: Reason.ValueType) -> Blocker:
    """The open blocker with this reason, once a poll or a command met it."""

    async def found() -> Blocker | None:
        return next((one for one in await open_blockers(tenant) if one.reason == reason), None)

    return await eventually(found)


async def misdirected(sandbox: Sandbox) -> int:
    """How many requests went to a region in which the account does not live."""
    return len([entry for entry in await sandbox.control.requests("/api/1/") if entry["status"] == 421])


async def test_an_account_of_another_region_is_followed_once_and_remembered(home: Tenant, sandbox: Sandbox) -> None:
    european = await home.device_named("European car")
    connection = await home.connection(european.connection)
    assert connection.region == "eu"
    assert await misdirected(sandbox) <= 1
    before = len(await sandbox.control.requests("/na/"))
    assert (await create(home, european, HONK)).state >= CommandState.COMMAND_STATE_ACCEPTED
    assert len(await sandbox.control.requests("/na/")) == before
    assert [entry["status"] for entry in await sandbox.control.requests("/eu/", device=european.vendor_id)][-1] == 200


@pytest.mark.parametrize(
    ("change", "undo", "reason", "metadata"),
    [
        (
            {"registered_regions": ["na"]},
            {"registered_regions": ["na", "eu"]},
            Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION,
            ("region",),
        ),
        (
            {"billing_limit_usd": 0.0, "billing_discount_usd": 0.0, "billing_units": {"command": 1000}},
            {"billing_limit_usd": None},
            Reason.REASON_VENDOR_BILLING_LIMIT_EXCEEDED,
            (),
        ),
    ],
)
async def test_what_the_operator_must_do_at_tesla_is_told_and_closes_by_itself(
    home: Tenant,
    sandbox: Sandbox,
    change: dict[str, object],
    undo: dict[str, object],
    reason: Reason.ValueType,
    metadata: tuple[str, ...],
) -> None:
    european = await home.device_named("European car")
    await sandbox.control.patch(APPLICATION, change)
    before = len([path for path in await sent(sandbox, european) if "signed_command" in path])
    refusal = await refused(create(home, european, HONK), PRECONDITION, reason, metadata=metadata)
    blocker = refusal.blocker(reason)
    assert blocker.device == ""
    assert not blocker.blocked_actions, "everything is blocked, reading too"
    remedy = blocker.remedies[0]
    assert remedy.actor == Actor.ACTOR_OPERATOR
    assert remedy.link.startswith("https://developer.tesla.com")
    assert "not billed" in remedy.verification
    assert blocker.evidence, "Tesla's own words"
    if metadata:
        assert refusal.metadata["region"] == "eu"
    found = await check(home, european, HONK)
    assert [one.name for one in found.blockers] == [blocker.name]
    assert blocker.name in [one.name for one in await open_blockers(home)]
    await refused(refresh(home, european), PRECONDITION, reason, metadata=metadata)
    assert len([path for path in await sent(sandbox, european) if "signed_command" in path]) == before
    await sandbox.control.patch(APPLICATION, undo)
    await until_resolved(home, blocker.name)
    assert (await create(home, european, HONK)).state >= CommandState.COMMAND_STATE_ACCEPTED


async def test_a_blocker_of_one_region_leaves_the_other_alone(home: Tenant, sandbox: Sandbox) -> None:
    await home.link("alex", email="alex@example.com")
    american, european = await home.device_named("American car"), await home.device_named("European car")
    await sandbox.control.patch(APPLICATION, {"registered_regions": ["na"]})
    reason = Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION
    refusal = await refused(create(home, european, HONK), PRECONDITION, reason)
    assert (await create(home, american, HONK)).state >= CommandState.COMMAND_STATE_ACCEPTED
    await sandbox.control.patch(APPLICATION, {"registered_regions": ["na", "eu"]})
    await until_resolved(home, refusal.blockers[0].name)


@pytest_asyncio.fixture(loop_scope="module")
async def elsewhere(setup: Setup, sandbox: Sandbox, tmp_path: Path) -> Setup:
    """Another installation at the same Tesla: its own database and HTTP port, the same command key."""
    for key in (setup.command_key, setup.public_key):
        (tmp_path / key.name).write_bytes(key.read_bytes())
    other = replace(setup, folder=tmp_path, http_port=free_port())
    callbacks = [f"http://127.0.0.1:{each.http_port}/oauth/callback/tesla" for each in (setup, other)]
    await sandbox.control.patch(APPLICATION, {"redirect_uris": callbacks})
    return other


async def test_an_account_that_moved_is_followed_by_teslas_answer_and_remembered(
    elsewhere: Setup, sandbox: Sandbox
) -> None:
    async with elsewhere.service(sandbox) as service:
        tenant = await service.new_tenant()
        await tenant.link(email="mover@example.com")
    with sqlite3.connect(elsewhere.folder / "wattbus.db") as database:
        moved = database.execute("UPDATE connections SET region = 'na'").rowcount
    assert moved == 1
    await sandbox.control.delete("/requests")
    async with elsewhere.service(sandbox) as service:
        tenant = service.tenant(tenant.name, tenant.key)
        mover = await tenant.device_named("Mover's car")
        assert (await create(tenant, mover, HONK)).state >= CommandState.COMMAND_STATE_ACCEPTED
        assert (await tenant.connection(mover.connection)).region == "eu"
        before = await misdirected(sandbox)
        assert before >= 1
        assert (await create(tenant, mover, HONK)).state >= CommandState.COMMAND_STATE_ACCEPTED
        assert await misdirected(sandbox) == before, "the region is remembered"


async def test_without_an_application_no_link_is_made(elsewhere: Setup, sandbox: Sandbox) -> None:
    async with elsewhere.service(sandbox, TESLA__CLIENT_ID="") as service:
        tenant = await service.new_tenant()
        refusal = await refused(
            tenant.create_link(),
            PRECONDITION,
            Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED,
            metadata=("setting",),
        )
        assert refusal.metadata["setting"] == "tesla.client_id"
        assert refusal.blockers[0].remedies[0].actor == Actor.ACTOR_OPERATOR


async def test_without_a_command_key_a_car_cannot_be_commanded(elsewhere: Setup, sandbox: Sandbox) -> None:
    async with elsewhere.service(sandbox, TESLA__COMMAND_KEY_FILE="") as service:
        tenant = await service.new_tenant()
        await tenant.link(email="keyless@example.com")
        keyless = await tenant.device_named("Keyless car")
        refusal = await refused(
            create(tenant, keyless, HONK),
            PRECONDITION,
            Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED,
            metadata=("device", "setting"),
        )
        assert refusal.metadata["setting"] == "tesla.command_key_file"
        assert await sent(sandbox, keyless) == []


async def test_a_wrong_client_secret_ends_the_link_and_says_that_the_operator_must_act(
    elsewhere: Setup, sandbox: Sandbox
) -> None:
    async with elsewhere.service(sandbox) as service:
        tenant = await service.new_tenant()
        linked = await tenant.link(email="abroad@example.com")
    async with elsewhere.service(sandbox, TESLA__CLIENT_SECRET="wrong-secret") as service:
        tenant = service.tenant(tenant.name, tenant.key)
        session = (await tenant.create_link()).link_session
        page = await last_page(session.url, "keyless@example.com")
        assert page.startswith("500 ")
        assert "Its operator must act" in page
        session = await tenant.link_session(session.name)
        assert session.state == LinkSessionState.LINK_SESSION_STATE_FAILED
        assert session.failure_reason == Reason.REASON_CLIENT_CREDENTIALS_REJECTED
        assert "wrong-secret" not in session.failure_message + page
        (blocker,) = await open_blockers(tenant)
        assert blocker.reason == Reason.REASON_CLIENT_CREDENTIALS_REJECTED
        assert (blocker.device, blocker.connection) == ("", "")
        assert blocker.remedies[0].actor == Actor.ACTOR_OPERATOR
        # Renewing a grant takes no secret, so that a connection that works proves nothing.
        sync = SyncConnectionRequest(name=linked.name)
        await tenant.connections.SyncConnection(sync, metadata=tenant.metadata)
        assert [one.name for one in await open_blockers(tenant)] == [blocker.name]
    async with elsewhere.service(sandbox) as service:
        tenant = service.tenant(tenant.name, tenant.key)
        page = await last_page((await tenant.create_link()).link_session.url, "keyless@example.com")
        assert page.startswith("200 ")
        await until_resolved(tenant, blocker.name)


async def test_credentials_that_tesla_no_longer_accepts_block_everything_until_the_right_ones_are_set(
    elsewhere: Setup, sandbox: Sandbox
) -> None:
    async with elsewhere.service(sandbox) as service:
        tenant = await service.new_tenant()
        await tenant.link(email="spent@example.com")
        spent = await tenant.device_named("Spent car")
    await sandbox.control.post(f"/grants/spent@example.com/{CLIENT_ID}/tokens", {"end": "access"})
    async with elsewhere.service(sandbox, TESLA__CLIENT_ID="unknown") as service:
        tenant = service.tenant(tenant.name, tenant.key)
        refusal = await refused(create(tenant, spent, HONK), PRECONDITION, Reason.REASON_CLIENT_CREDENTIALS_REJECTED)
        blocker = refusal.blocker(Reason.REASON_CLIENT_CREDENTIALS_REJECTED)
        assert (blocker.device, blocker.connection) == ("", "")
        assert blocker.remedies[0].actor == Actor.ACTOR_OPERATOR
        assert "unauthorized_client" in blocker.evidence
        assert reasons((await check(tenant, spent, HONK)).blockers) == ["CLIENT_CREDENTIALS_REJECTED"]
    async with elsewhere.service(sandbox) as service:
        tenant = service.tenant(tenant.name, tenant.key)
        await until_resolved(tenant, blocker.name)
        assert (await create(tenant, spent, HONK)).state >= CommandState.COMMAND_STATE_ACCEPTED


async def test_a_region_that_the_server_does_not_know_is_told_to_the_operator(
    elsewhere: Setup, sandbox: Sandbox
) -> None:
    only_america = json.dumps({"na": sandbox.fleet_api("na")})
    unset = {"TESLA__API_URLS__EU": "", "TESLA__API_URLS__NA": ""}
    async with elsewhere.service(sandbox, TESLA__API_URLS=only_america, **unset) as service:
        tenant = await service.new_tenant()
        session = (await tenant.create_link()).link_session
        await last_page(session.url, "abroad@example.com")
        connection = await tenant.connection((await tenant.link_session(session.name)).connection)
        assert connection.state_reason == Reason.REASON_ACCOUNT_IN_OTHER_REGION
        assert "region" in connection.state_message
        sync = SyncConnectionRequest(name=connection.name)
        refusal = await refused(
            tenant.connections.SyncConnection(sync, metadata=tenant.metadata),
            PRECONDITION,
            Reason.REASON_ACCOUNT_IN_OTHER_REGION,
            metadata=("region",),
        )
        assert refusal.blockers[0].remedies[0].actor == Actor.ACTOR_OPERATOR
        assert [one.name for one in await open_blockers(tenant)] == [refusal.blockers[0].name]


async def test_an_account_whose_devices_could_not_be_listed_heals_without_anybody_asking(
    elsewhere: Setup, sandbox: Sandbox
) -> None:
    await sandbox.control.patch(APPLICATION, {"registered_regions": ["na"]})
    async with elsewhere.service(sandbox) as service:
        tenant = await service.new_tenant()
        session = (await tenant.create_link()).link_session
        page = await last_page(session.url, "newcomer@example.com")
        assert "Your devices could not be read yet. That is tried again by itself" in page
        connection = (await tenant.link_session(session.name)).connection
        sync = SyncConnectionRequest(name=connection)
        reason = Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION
        selection = ListBlockersRequest(selection=DeviceSelection(connection=connection))
        listed = await tenant.devices.ListBlockers(selection, metadata=tenant.metadata)
        assert [one.reason for one in listed.blockers] == [reason], "met while linking, with no device known"
        # Each failure makes the next attempt rarer, far beyond the patience of this test.
        for _ in range(4):
            await refused(tenant.connections.SyncConnection(sync, metadata=tenant.metadata), PRECONDITION, reason)
        await sandbox.control.patch(APPLICATION, {"registered_regions": ["na", "eu"]})
        await until_resolved(tenant, listed.blockers[0].name)

        async def discovered() -> list[Device] | None:
            return await tenant.list_devices() or None

        assert [device.display_name for device in await eventually(discovered)] == ["Newcomer's car"]
        assert (await tenant.connection(connection)).state == ConnectionState.CONNECTION_STATE_ACTIVE


async def last_page(url: str, email: str) -> str:
    """Go through a link as an end user who allows everything; return the status and the text of the last page."""
    async with Browser() as browser:
        await browser.open(url)
        await browser.submit()
        with contextlib.suppress(BrowserError):
            await browser.submit(button=("decision", "sign_in"), email=email)
            await browser.submit(button=("decision", "allow"))
        assert browser.page is not None
        assert "/oauth/callback/" in browser.page.url.path
        return f"{browser.page.status_code} {browser.page.text}"
