"""When Tesla's service itself fails, is too busy, or says something that nobody has seen before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from wattbus.v1.action_pb2 import Action, HonkHorn
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.command_pb2 import CommandState
from wattbus.v1.device_pb2 import Availability, Device, DeviceKind
from wattbus.v1.reason_pb2 import Reason

from tests.contract.asking import check, create, get_command, open_blockers, reasons, refresh, refused, sent
from tests.contract.people import car, person, scenario
from tests.contract.people import home as house
from tests.processes import PATIENCE_SECONDS, Sandbox
from tests.service import CLIENT_ID, Setup, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNAVAILABLE, EXHAUSTED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED
HONK = Action(honk_horn=HonkHorn())
PEOPLE = (
    person("robin", car("Car"), car("Impatient car"), car("Odd car"), house("Home")),
    person("rejected", car("Rejected car")),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    async with setup.sandbox(**scenario(*PEOPLE)) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(loop_scope="module")
async def a_car(home: Tenant) -> Device:
    return await home.device_named("Car")


@pytest_asyncio.fixture(loop_scope="module")
async def a_battery(home: Tenant) -> Device:
    return await home.device_named("Home", DeviceKind.DEVICE_KIND_BATTERY)


@pytest.mark.parametrize("fault", ["html_from_gateway", "truncated_json", "service_unavailable", "connection_cut"])
async def test_a_read_that_tesla_answers_badly_says_when_to_try_again_and_changes_nothing(
    home: Tenant, sandbox: Sandbox, a_car: Device, fault: str
) -> None:
    known = await refresh(home, a_car)
    await sandbox.control.inject_fault(fault, target=f"/api/1/vehicles/{a_car.vendor_id}/vehicle_data")
    refusal = await refused(refresh(home, a_car), UNAVAILABLE, Reason.REASON_VENDOR_UNAVAILABLE)
    assert "<html" not in refusal.message.lower()
    assert "Error" not in refusal.message, "plain words, no names of exceptions"
    assert (refusal.metadata["device"], refusal.metadata["connection"]) == (a_car.name, a_car.connection)
    assert [remedy.actor for remedy in refusal.blockers[0].remedies] == [Actor.ACTOR_VENDOR]
    assert reasons(await open_blockers(home)) == [], "it passes and is no lasting blocker"
    shown = (await home.device_named("Car")).capabilities
    assert Availability.AVAILABILITY_BLOCKED not in [capability.availability for capability in shown]
    assert reasons((await check(home, a_car, HONK)).blockers) == []
    assert (await refresh(home, a_car)).vehicle.charge.charge_percent == known.vehicle.charge.charge_percent


async def test_an_upstream_error_at_a_car_is_teslas_failure(home: Tenant, sandbox: Sandbox, a_car: Device) -> None:
    await sandbox.control.inject_fault("upstream_error", target=f"/api/1/vehicles/{a_car.vendor_id}/vehicle_data")
    await refused(refresh(home, a_car), UNAVAILABLE, Reason.REASON_VENDOR_UNAVAILABLE)


async def test_a_command_that_may_not_wait_ends_with_teslas_failure(home: Tenant, sandbox: Sandbox) -> None:
    impatient = await home.device_named("Impatient car")
    await create(home, impatient, HONK)
    before = len(await sent(sandbox, impatient))
    await sandbox.control.inject_fault("html_from_gateway", target=impatient.vendor_id, count=None)
    refusal = await refused(
        create(home, impatient, HONK, time_to_live=Duration(seconds=25)),
        UNAVAILABLE,
        Reason.REASON_VENDOR_UNAVAILABLE,
        metadata=("command",),
    )
    command = await get_command(home, refusal.metadata["command"])
    assert command.state == CommandState.COMMAND_STATE_FAILED
    assert not command.failure.may_have_run, "the gateway turned it away"
    assert "503" in command.failure.message
    assert len(await sent(sandbox, impatient)) == before + 1, "it was tried once"
    await sandbox.control.delete("/faults", {"target": impatient.vendor_id})


async def test_too_many_reads_say_when_to_try_again(home: Tenant, sandbox: Sandbox, a_car: Device) -> None:
    await sandbox.control.patch("/rate_limits", {"data": 0})
    refusal = await refused(refresh(home, a_car), EXHAUSTED, Reason.REASON_VENDOR_RATE_LIMITED)
    assert refusal.retry_seconds is not None
    assert 58 <= refusal.retry_seconds <= 60 * 1.2
    assert refusal.quota_subjects == [a_car.name]
    assert [remedy.actor for remedy in refusal.blockers[0].remedies] == [Actor.ACTOR_NOBODY]
    assert reasons(await open_blockers(home)) == []
    await sandbox.control.patch("/rate_limits", {"data": None})
    await refresh(home, a_car)


@pytest.mark.parametrize("action", [None, HONK])
async def test_unknown_words_are_passed_on_and_blame_no_scope(
    home: Tenant, sandbox: Sandbox, action: Action | None
) -> None:
    odd = await home.device_named("Odd car")
    await sandbox.control.inject_fault("unknown_refusal", target=odd.vendor_id)
    call = refresh(home, odd) if action is None else create(home, odd, action)
    refusal = await refused(
        call, grpc.StatusCode.UNKNOWN, Reason.REASON_VENDOR_ERROR_UNCLASSIFIED, metadata=("vendorReason", "httpStatus")
    )
    assert refusal.metadata["httpStatus"] == "403"
    assert "operation not permitted by policy 7" in refusal.metadata["vendorReason"]
    assert "missingScopes" not in refusal.metadata
    assert "scope" not in refusal.message.lower()
    assert "SCOPE_MISSING" not in reasons([*refusal.blockers, *await open_blockers(home)])
    assert refusal.blockers[0].remedies[0].actor == Actor.ACTOR_OPERATOR
    assert "operation not permitted by policy 7" in refusal.blockers[0].evidence
    if action is not None:
        command = await get_command(home, refusal.metadata["command"])
        assert "operation not permitted by policy 7" in command.reason


async def test_a_token_endpoint_that_fails_leaves_the_grant_alone(
    home: Tenant, sandbox: Sandbox, a_car: Device
) -> None:
    await sandbox.control.inject_fault("token_server_error", target=CLIENT_ID, count=None)
    await sandbox.control.post(f"/grants/robin@example.com/{CLIENT_ID}/tokens", {"end": "access"})
    await refused(refresh(home, a_car), UNAVAILABLE, Reason.REASON_VENDOR_UNAVAILABLE)
    await sandbox.control.delete("/faults")
    await refresh(home, a_car)
    assert reasons(await open_blockers(home)) == []


async def test_a_refused_token_is_renewed_once_and_nobody_notices(home: Tenant, sandbox: Sandbox) -> None:
    await home.link("rejected", email="rejected@example.com")
    rejected = await home.device_named("Rejected car")
    # Polls may meet the refusal before the command does; either way one renewal is enough for all.
    await sandbox.control.delete("/requests")
    await sandbox.control.post(f"/grants/rejected@example.com/{CLIENT_ID}/tokens", {"end": "access"})
    assert (await create(home, rejected, HONK)).state >= CommandState.COMMAND_STATE_ACCEPTED
    assert len(await sandbox.control.requests("/oauth2/v3/token")) == 1


async def test_a_tesla_that_does_not_answer_at_all(home: Tenant, sandbox: Sandbox, a_car: Device) -> None:
    """The last test of this module: it ends the sandbox."""
    await refresh(home, a_car)
    with suppress(ProcessLookupError):
        sandbox.process.kill()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await sandbox.process.wait()
    for call in (refresh(home, a_car), create(home, a_car, HONK, time_to_live=Duration(seconds=25))):
        refusal = await refused(call, UNAVAILABLE, Reason.REASON_VENDOR_UNAVAILABLE, metadata=("device", "connection"))
        assert "no connection could be made to its host" in refusal.message
