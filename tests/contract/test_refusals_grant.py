"""What the end user did not grant, took back, or cannot use any more: one person for each test."""

from collections.abc import AsyncIterator, Iterable
from urllib.parse import parse_qs, urlsplit

import grpc
import pytest
import pytest_asyncio
from wattbus.v1.action_pb2 import Action, ActionKind, Lock, SetBackupReserve, StartCharging
from wattbus.v1.blocker_pb2 import Actor, Blocker
from wattbus.v1.command_pb2 import CommandState, Rung, WakePolicy
from wattbus.v1.connection_pb2 import Access, ConnectionState
from wattbus.v1.device_pb2 import Device, DeviceKind
from wattbus.v1.reason_pb2 import Reason

from tests.contract.asking import check, create, open_blockers, reasons, refresh, refused, sent, until_resolved
from tests.contract.people import car, person, scenario
from tests.contract.people import home as house
from tests.processes import Sandbox
from tests.service import CLIENT_ID, Service, Setup, Tenant, eventually
from wattbus_server.cli.demo.browser import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

DENIED, PRECONDITION = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.FAILED_PRECONDITION
SCOPE_KEYS = ("requiredScopes", "grantedScopes", "missingScopes", "missingAccess", "connection")
LOCK, RESERVE = Action(lock=Lock()), Action(set_backup_reserve=SetBackupReserve(reserve_percent=30))
COMMAND_SCOPES = ("vehicle_cmds", "vehicle_charging_cmds", "energy_cmds")

PEOPLE = (
    person("stingy", car("Stingy car"), house("Stingy home")),
    person("cautious", car("Cautious car", key="unpaired", state="asleep")),
    person("charger", car("Charger car", plugged_in=True)),
    person("closed", car("Closed car")),
    person("gone", car("Gone car")),
    person("locked", car("Locked out car")),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    async with setup.sandbox(**scenario(*PEOPLE)) as sandbox:
        yield sandbox


async def grant(link: str, email: str) -> None:
    """Do as an end user does who opens a link of this service and allows everything that is asked for."""
    async with Browser() as browser:
        await browser.open(link)
        await browser.submit()
        await browser.submit(button=("decision", "sign_in"), email=email)
        await browser.submit(button=("decision", "allow"))


async def blocker_of(tenant: Tenant, connection: str, reason: Reason.ValueType) -> Blocker:
    async def found() -> Blocker | None:
        return next(
            (one for one in await open_blockers(tenant) if (one.connection, one.reason) == (connection, reason)), None
        )

    return await eventually(found)


async def open_blockers_of(tenant: Tenant, device: Device) -> list[Blocker]:
    return [one for one in await open_blockers(tenant) if one.connection == device.connection]


def links(blockers: Iterable[Blocker]) -> list[str]:
    return [remedy.link for blocker in blockers for remedy in blocker.remedies]


async def test_a_scope_that_was_not_granted_comes_with_every_scope_and_two_ways_out(
    tenant: Tenant, sandbox: Sandbox, grpc_server: Service
) -> None:
    connection = await tenant.link("stingy", untick=COMMAND_SCOPES, email="stingy@example.com")
    assert connection.state == ConnectionState.CONNECTION_STATE_PARTIAL
    stingy = await tenant.device_named("Stingy car")
    refusal = await refused(
        create(tenant, stingy, LOCK), DENIED, Reason.REASON_SCOPE_MISSING, metadata=("device", *SCOPE_KEYS)
    )
    assert refusal.metadata["requiredScopes"] == "vehicle_cmds"
    assert refusal.metadata["missingScopes"] == "vehicle_cmds"
    granted = set(refusal.metadata["grantedScopes"].split())
    assert granted == set(connection.granted_scopes)
    assert not granted & set(COMMAND_SCOPES)
    assert "ACCESS_COMMAND_VEHICLES" in refusal.metadata["missingAccess"].split()
    assert refusal.metadata["connection"] == connection.name
    assert refusal.retry_seconds is None
    blocker = refusal.blocker(Reason.REASON_SCOPE_MISSING)
    assert (blocker.device, blocker.connection) == ("", connection.name)
    assert list(blocker.required_scopes) == ["vehicle_cmds"]
    assert list(blocker.missing_scopes) == ["vehicle_cmds"]
    assert set(blocker.granted_scopes) == granted
    assert ActionKind.ACTION_KIND_LOCK in blocker.blocked_actions
    assert ActionKind.ACTION_KIND_SET_BACKUP_RESERVE not in blocker.blocked_actions
    relink, consent = blocker.remedies
    assert relink.actor == consent.actor == Actor.ACTOR_END_USER
    assert relink.link.startswith(f"{grpc_server.http_url}/link/")
    assert relink.HasField("link_expire_time")
    manage = urlsplit(consent.link)
    assert f"{manage.scheme}://{manage.netloc}{manage.path}" == f"{sandbox.base_url}/user/revoke/consent"
    assert parse_qs(manage.query)["revoke_client_id"] == [CLIENT_ID]
    assert "Vehicle Commands" in " ".join(consent.steps)
    assert set(refusal.links) == {relink.link, consent.link}
    assert await sent(sandbox, stingy) == []


async def test_a_dry_run_and_the_list_tell_the_same_as_the_refusal(tenant: Tenant, sandbox: Sandbox) -> None:
    stingy = await tenant.device_named("Stingy car")
    refusal = await refused(create(tenant, stingy, LOCK), DENIED, Reason.REASON_SCOPE_MISSING)
    found = await check(tenant, stingy, LOCK)
    assert reasons(found.blockers) == ["SCOPE_MISSING"]
    assert found.blockers[0].name == refusal.blockers[0].name
    assert [remedy.link for remedy in found.blockers[0].remedies] == refusal.links
    listed = [one for one in await open_blockers(tenant) if one.name == refusal.blockers[0].name]
    assert reasons(listed) == ["SCOPE_MISSING"]
    assert [remedy.link for remedy in listed[0].remedies] == refusal.links, "the same link session while it is fresh"
    assert await sent(sandbox, stingy) == []


async def test_granting_it_through_the_fresh_link_session_heals_it(tenant: Tenant) -> None:
    stingy = await tenant.device_named("Stingy car")
    battery = await tenant.device_named("Stingy home", DeviceKind.DEVICE_KIND_BATTERY)
    refusal = await refused(create(tenant, stingy, LOCK), DENIED, Reason.REASON_SCOPE_MISSING)
    energy = await refused(create(tenant, battery, RESERVE), DENIED, Reason.REASON_SCOPE_MISSING)
    assert energy.metadata["missingScopes"] == "energy_cmds"
    assert energy.blockers[0].name != refusal.blockers[0].name
    await grant(refusal.blockers[0].remedies[0].link, "stingy@example.com")
    for blocker in (refusal.blockers[0], energy.blockers[0]):
        healed = await until_resolved(tenant, blocker.name)
        assert healed.HasField("resolve_time")
    connection = await tenant.connection(stingy.connection)
    assert connection.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert not connection.missing_access
    assert (await create(tenant, stingy, LOCK)).state >= CommandState.COMMAND_STATE_ACCEPTED
    assert (await create(tenant, battery, RESERVE)).state >= CommandState.COMMAND_STATE_ACCEPTED


async def test_scope_key_and_sleep_are_told_together_and_nothing_is_sent(tenant: Tenant, sandbox: Sandbox) -> None:
    await tenant.link("cautious", untick=COMMAND_SCOPES, email="cautious@example.com")
    cautious = await tenant.device_named("Cautious car")
    found = await check(tenant, cautious, LOCK, wake_policy=WakePolicy.WAKE_POLICY_NEVER)
    recorded = set(reasons(await open_blockers_of(tenant, cautious)))
    assert recorded <= {"SCOPE_MISSING"}, "a dry run records nothing; what the link did not grant is known before"
    refusal = await refused(
        create(tenant, cautious, LOCK, wake_policy=WakePolicy.WAKE_POLICY_NEVER),
        DENIED,
        Reason.REASON_SCOPE_MISSING,
        metadata=("device", *SCOPE_KEYS),
    )
    assert reasons(refusal.blockers) == ["SCOPE_MISSING", "VIRTUAL_KEY_NOT_PAIRED", "VEHICLE_ASLEEP"]
    assert refusal.blockers[0].remedies[0].link
    assert refusal.blockers[1].remedies[0].link
    assert reasons(found.blockers) == reasons(refusal.blockers)
    assert links(found.blockers) == links(refusal.blockers), "the dry run offers the same ways out"
    assert await sent(sandbox, cautious) == []


async def test_a_permission_to_charge_is_enough_to_charge_and_for_nothing_else(
    tenant: Tenant, sandbox: Sandbox
) -> None:
    await tenant.link(
        "charger", [Access.ACCESS_READ_VEHICLES, Access.ACCESS_CHARGE_VEHICLES], email="charger@example.com"
    )
    charger = await tenant.device_named("Charger car")
    command = await create(tenant, charger, Action(start_charging=StartCharging()), wait_for=Rung.RUNG_ACCEPTED)
    assert command.state >= CommandState.COMMAND_STATE_ACCEPTED
    before = await sent(sandbox, charger)
    refusal = await refused(create(tenant, charger, LOCK), DENIED, Reason.REASON_SCOPE_MISSING, metadata=SCOPE_KEYS)
    assert refusal.metadata["missingAccess"] == "ACCESS_COMMAND_VEHICLES"
    assert "vehicle_charging_cmds" in refusal.metadata["grantedScopes"]
    assert [path for path in await sent(sandbox, charger) if "vehicle_data" not in path] == [
        path for path in before if "vehicle_data" not in path
    ]


async def test_reading_without_permission_says_which_one_is_missing(tenant: Tenant, sandbox: Sandbox) -> None:
    connection = await tenant.link("closed", email="closed@example.com")
    closed = await tenant.device_named("Closed car")
    scopes = [scope for scope in connection.granted_scopes if scope not in ("vehicle_device_data", "openid")]
    granted = f"/grants/closed@example.com/{CLIENT_ID}"
    await sandbox.control.put(granted, {"scopes": [scope for scope in scopes if scope != "offline_access"]})
    await sandbox.control.post(f"{granted}/tokens", {"end": "access"})
    refusal = await refused(refresh(tenant, closed), DENIED, Reason.REASON_SCOPE_MISSING, metadata=SCOPE_KEYS)
    assert refusal.metadata["missingScopes"] == "vehicle_device_data"
    blocker = refusal.blockers[0]
    assert "Vehicle Information" in " ".join(blocker.remedies[1].steps)
    assert not blocker.blocked_actions, "reading is blocked too"


async def test_a_withdrawn_consent_asks_the_end_user_to_link_again(tenant: Tenant, sandbox: Sandbox) -> None:
    linked = await tenant.link("gone", email="gone@example.com")
    gone = await tenant.device_named("Gone car")
    await sandbox.control.delete(f"/grants/gone@example.com/{CLIENT_ID}")
    blocker = await blocker_of(tenant, linked.name, Reason.REASON_REAUTHORIZATION_REQUIRED)
    refusal = await refused(
        create(tenant, gone, LOCK), PRECONDITION, Reason.REASON_REAUTHORIZATION_REQUIRED, metadata=("connection",)
    )
    assert refusal.blockers[0].name == blocker.name
    assert refusal.blockers[0].device == ""
    assert not refusal.blockers[0].blocked_actions
    assert refusal.metadata["connection"] == linked.name
    remedy = refusal.blockers[0].remedies[0]
    assert remedy.actor == Actor.ACTOR_END_USER
    assert remedy.HasField("link_expire_time")
    found = await check(tenant, gone, LOCK)
    assert reasons(found.blockers) == ["REAUTHORIZATION_REQUIRED"]
    assert found.blockers[0].name == blocker.name
    await refused(refresh(tenant, gone), PRECONDITION, Reason.REASON_REAUTHORIZATION_REQUIRED, metadata=("connection",))
    connection = await tenant.connection(linked.name)
    assert connection.state == ConnectionState.CONNECTION_STATE_REAUTHORIZATION_REQUIRED
    assert connection.state_reason == Reason.REASON_REAUTHORIZATION_REQUIRED
    assert await sent(sandbox, gone) == []


async def test_linking_again_brings_the_same_connection_and_devices_back(tenant: Tenant, sandbox: Sandbox) -> None:
    gone = await tenant.device_named("Gone car")
    refusal = await refused(create(tenant, gone, LOCK), PRECONDITION, Reason.REASON_REAUTHORIZATION_REQUIRED)
    await grant(refusal.blockers[0].remedies[0].link, "gone@example.com")
    await until_resolved(tenant, refusal.blockers[0].name)
    connection = await tenant.connection(gone.connection)
    assert connection.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert (await tenant.device_named("Gone car")).name == gone.name
    # Withdrawing the consent took the key off the car too.
    await sandbox.control.patch(f"/cars/{gone.vendor_id}", {"key": "paired"})
    assert (await create(tenant, gone, LOCK)).state >= CommandState.COMMAND_STATE_ACCEPTED


async def test_a_locked_account_sends_the_end_user_to_tesla_and_heals_by_itself(
    tenant: Tenant, sandbox: Sandbox
) -> None:
    await tenant.link("locked", email="locked@example.com")
    locked = await tenant.device_named("Locked out car")
    await sandbox.control.inject_fault("account_locked", count=None)
    refusal = await refused(
        create(tenant, locked, LOCK), PRECONDITION, Reason.REASON_ACCOUNT_LOCKED, metadata=("connection",)
    )
    blocker = refusal.blocker(Reason.REASON_ACCOUNT_LOCKED)
    assert (blocker.device, blocker.connection) == ("", locked.connection)
    assert blocker.remedies[0].actor == Actor.ACTOR_END_USER
    assert blocker.remedies[0].link == "https://www.tesla.com/teslaaccount"
    await sandbox.control.delete("/faults", {"name": "account_locked"})
    await until_resolved(tenant, blocker.name)
    assert (await create(tenant, locked, LOCK)).state >= CommandState.COMMAND_STATE_ACCEPTED
