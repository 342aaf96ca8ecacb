"""What a car, its owner or its network stands in the way of: one car for each test."""

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from wattbus.v1.action_pb2 import (
    Action,
    ActionKind,
    BatteryMode,
    HonkHorn,
    Lock,
    SetBatteryMode,
    SetChargeLimit,
    SetChargingCurrent,
    StartCharging,
    Wake,
)
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.command_pb2 import CommandState, Rung, WakePolicy
from wattbus.v1.device_pb2 import Availability
from wattbus.v1.reason_pb2 import Reason

from tests.contract.asking import (
    check,
    create,
    expect_told,
    get_command,
    open_blockers,
    reasons,
    refresh,
    refused,
    sent,
    until_resolved,
)
from tests.contract.people import car, person, scenario
from tests.processes import Sandbox
from tests.service import DOMAIN, Setup, Tenant, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRECONDITION, UNAVAILABLE = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAVAILABLE
LOCK, HONK, START = Action(lock=Lock()), Action(honk_horn=HonkHorn()), Action(start_charging=StartCharging())
NEVER = WakePolicy.WAKE_POLICY_NEVER

CARS = (
    car("Unpaired", key="unpaired"),
    car("Full", key="unpaired", other_keys=20),
    car("Disabled", key="disabled"),
    car("Vanishing"),
    car("Unreachable by choice", mobile_access=False),
    car("Unplugged"),
    car("Complete", plugged_in=True, battery_level=80, charge_limit=80),
    car("In service", in_service=True),
    car("Sleeper", state="asleep"),
    car("Sleeping stranger", state="asleep", key="unpaired"),
    car("Deaf"),
    car("Forgetful"),
    car("Odd"),
    car("Broken"),
    car("Busy"),
    car("Guarded"),
    car("Stranded"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    async with setup.sandbox(**scenario(person("robin", *CARS))) as sandbox:
        yield sandbox


async def test_an_unpaired_key_comes_with_the_page_that_pairs_it(home: Tenant, sandbox: Sandbox) -> None:
    unpaired = await home.device_named("Unpaired")
    refusal = await refused(
        create(home, unpaired, LOCK),
        PRECONDITION,
        Reason.REASON_VIRTUAL_KEY_NOT_PAIRED,
        metadata=("device", "vin", "domain"),
    )
    assert refusal.metadata["device"] == unpaired.name
    assert refusal.metadata["vin"] == unpaired.vendor_id
    assert refusal.metadata["domain"] == DOMAIN
    assert "command" not in refusal.metadata, "a blocker that is known before makes no command"
    assert reasons(refusal.blockers) == ["VIRTUAL_KEY_NOT_PAIRED"]
    blocker = refusal.blockers[0]
    assert blocker.name.startswith("blockers/")
    assert (blocker.device, blocker.connection) == (unpaired.name, unpaired.connection)
    assert ActionKind.ACTION_KIND_LOCK in blocker.blocked_actions
    assert ActionKind.ACTION_KIND_WAKE not in blocker.blocked_actions
    assert "unpaired_vins" in blocker.evidence
    remedy = blocker.remedies[0]
    assert remedy.actor == Actor.ACTOR_END_USER
    assert "Tesla app" in remedy.place
    assert remedy.link.startswith(f"{sandbox.base_url}/_ak/{DOMAIN}")
    assert unpaired.vendor_id in remedy.link
    assert "fleet_status" in remedy.verification
    assert refusal.links == [remedy.link]
    assert await sent(sandbox, unpaired) == []


async def test_a_dry_run_tells_the_same_without_recording_or_sending(home: Tenant, sandbox: Sandbox) -> None:
    stranger = await home.device_named("Sleeping stranger")

    async def left_open_by_the_link() -> list[str] | None:
        return [one.name for one in await open_blockers(home) if one.device == stranger.name] or None

    linked = await eventually(left_open_by_the_link)
    found = await check(home, stranger, LOCK, wake_policy=NEVER)
    assert reasons(found.blockers) == ["VIRTUAL_KEY_NOT_PAIRED", "VEHICLE_ASLEEP"]
    assert [blocker.name for blocker in found.blockers] == [*linked, ""], "the key was missed while linking"
    assert found.needs_wake
    assert found.vendor_writes == ["POST wake_up", "POST signed_command door_lock"]
    assert found.estimated_cost_micros_usd == 21_000
    assert found.provable_rung == Rung.RUNG_APPLIED
    for blocker in found.blockers:
        expect_told(blocker)
    assert linked == [one.name for one in await open_blockers(home) if one.device == stranger.name]
    refusal = await refused(
        create(home, stranger, LOCK, wake_policy=NEVER), PRECONDITION, Reason.REASON_VIRTUAL_KEY_NOT_PAIRED
    )
    assert reasons(refusal.blockers) == reasons(found.blockers), "sleep does not hide the key that is missing"
    assert refusal.retry_seconds is None, "waiting does not pair a key"
    known = (await check(home, stranger, LOCK)).blockers
    assert [blocker.name for blocker in known] == [refusal.blockers[0].name]
    assert await sent(sandbox, stranger) == []


async def test_a_full_keychain_is_told_together_with_the_missing_key(home: Tenant, sandbox: Sandbox) -> None:
    full = await home.device_named("Full")
    refusal = await refused(create(home, full, LOCK), PRECONDITION, Reason.REASON_VIRTUAL_KEY_NOT_PAIRED)
    assert set(reasons(refusal.blockers)) == {"VIRTUAL_KEY_NOT_PAIRED", "KEYCHAIN_FULL"}
    blocker = refusal.blocker(Reason.REASON_KEYCHAIN_FULL)
    assert blocker.remedies[0].actor == Actor.ACTOR_END_USER
    assert "20" in " ".join(blocker.remedies[0].steps)
    assert blocker.evidence == "fleet_status: total_number_of_keys=20"
    assert await sent(sandbox, full) == []


async def test_a_disabled_key_is_told_by_the_car(home: Tenant) -> None:
    disabled = await home.device_named("Disabled")
    refusal = await refused(
        create(home, disabled, LOCK), PRECONDITION, Reason.REASON_VIRTUAL_KEY_DISABLED, metadata=("device", "command")
    )
    remedy = refusal.blocker(Reason.REASON_VIRTUAL_KEY_DISABLED).remedies[0]
    assert remedy.actor == Actor.ACTOR_END_USER
    assert remedy.link
    command = await get_command(home, refusal.metadata["command"])
    assert command.failure.reason == Reason.REASON_VIRTUAL_KEY_DISABLED


async def test_a_key_that_vanished_since_it_was_checked_is_told_in_teslas_words(home: Tenant, sandbox: Sandbox) -> None:
    vanishing = await home.device_named("Vanishing")
    await create(home, vanishing, HONK)
    await sandbox.control.patch(f"/cars/{vanishing.vendor_id}", {"key": "unpaired"})
    refusal = await refused(
        create(home, vanishing, LOCK),
        PRECONDITION,
        Reason.REASON_VIRTUAL_KEY_NOT_PAIRED,
        metadata=("device", "vin", "domain", "command"),
    )
    command = await get_command(home, refusal.metadata["command"])
    assert command.state == CommandState.COMMAND_STATE_FAILED
    assert "your public key has not been paired with the vehicle" in command.reason
    assert command.failure.blockers[0].remedies[0].link
    assert command.failure.blockers[0].name in [blocker.name for blocker in await open_blockers(home)]


async def test_mobile_access_that_is_off_names_the_switch_in_the_car(home: Tenant) -> None:
    unreachable = await home.device_named("Unreachable by choice")
    refusal = await refused(
        create(home, unreachable, LOCK), PRECONDITION, Reason.REASON_REMOTE_ACCESS_DISABLED, metadata=("device",)
    )
    remedy = refusal.blocker(Reason.REASON_REMOTE_ACCESS_DISABLED).remedies[0]
    assert remedy.actor == Actor.ACTOR_END_USER
    assert remedy.steps == ["Switch on Allow Mobile Access."]


async def test_a_refusal_of_the_car_keeps_its_words_and_is_an_ok_answer_later(home: Tenant) -> None:
    unplugged = await home.device_named("Unplugged")
    refusal = await refused(
        create(home, unplugged, START),
        PRECONDITION,
        Reason.REASON_VEHICLE_REFUSED,
        metadata=("device", "vendorReason", "command"),
    )
    assert refusal.metadata["vendorReason"] == "disconnected"
    assert refusal.end_user_message == "Your car is not plugged in."
    remedy = refusal.blockers[0].remedies[0]
    assert (remedy.actor, remedy.place) == (Actor.ACTOR_END_USER, "At the vehicle")
    assert list(remedy.steps) == ["Plug the charging cable into the vehicle."]
    command = await get_command(home, refusal.metadata["command"])
    assert command.state == CommandState.COMMAND_STATE_FAILED
    assert command.reason == "disconnected"
    assert command.failure.reason == Reason.REASON_VEHICLE_REFUSED
    assert command.failure.message == refusal.message
    assert reasons(command.failure.blockers) == ["VEHICLE_REFUSED"]
    assert not command.failure.may_have_run
    assert reasons(await open_blockers(home)).count("VEHICLE_REFUSED") == 0, "the next answer may be another"


async def test_nobody_who_waits_for_nothing_gets_an_error(home: Tenant) -> None:
    complete = await home.device_named("Complete")
    command = await create(home, complete, START, wait_for=Rung.RUNG_RECEIVED)
    assert command.name
    again = create(home, complete, START)
    refusal = await refused(again, PRECONDITION, Reason.REASON_VEHICLE_REFUSED)
    assert refusal.metadata["vendorReason"] == "complete"
    assert refusal.blockers[0].remedies[0].actor == Actor.ACTOR_CALLER


async def test_a_car_in_service_waits_for_nobody(home: Tenant, sandbox: Sandbox) -> None:
    in_service = await home.device_named("In service")
    refusal = await refused(
        create(home, in_service, LOCK), PRECONDITION, Reason.REASON_VEHICLE_IN_SERVICE, metadata=("device",)
    )
    remedy = refusal.blocker(Reason.REASON_VEHICLE_IN_SERVICE).remedies[0]
    assert remedy.actor == Actor.ACTOR_NOBODY
    assert "not billed" in remedy.verification


async def test_a_sleeping_car_that_may_not_be_woken(home: Tenant, sandbox: Sandbox) -> None:
    sleeper = await home.device_named("Sleeper")
    refusal = await refused(
        create(home, sleeper, LOCK, wake_policy=NEVER), UNAVAILABLE, Reason.REASON_VEHICLE_ASLEEP, metadata=("device",)
    )
    assert "WAKE_POLICY_IF_ASLEEP" in " ".join(refusal.blockers[0].remedies[0].steps)
    assert reasons(await open_blockers(home)).count("VEHICLE_ASLEEP") == 0, "sleep passes and is no lasting blocker"
    assert await sent(sandbox, sleeper) == []


async def test_reading_never_wakes_a_sleeping_car(home: Tenant, sandbox: Sandbox) -> None:
    sleeper = await home.device_named("Sleeper")
    refusal = await refused(
        refresh(home, sleeper), UNAVAILABLE, Reason.REASON_VEHICLE_ASLEEP, metadata=("device", "connection")
    )
    assert refusal.blockers[0].remedies[0].actor == Actor.ACTOR_CALLER
    assert refusal.blockers[0].name == "", "it passes and is never listed"
    assert reasons(await open_blockers(home)).count("VEHICLE_ASLEEP") == 0
    shown = {capability.action: capability for capability in (await home.device_named("Sleeper")).capabilities}
    assert shown[ActionKind.ACTION_KIND_LOCK].availability == Availability.AVAILABILITY_AVAILABLE
    log = await sandbox.control.requests(device=sleeper.vendor_id)
    assert not [entry for entry in log if entry["path"].endswith("wake_up")]
    car_state = await sandbox.control.get(f"/cars/{sleeper.vendor_id}")
    assert car_state["state"] == "asleep"


async def test_a_car_that_is_online_but_cannot_be_commanded(home: Tenant, sandbox: Sandbox) -> None:
    deaf = await home.device_named("Deaf")
    await sandbox.control.inject_fault("phantom_sleep", target=deaf.vendor_id, count=None)
    refusal = await refused(
        create(home, deaf, LOCK), UNAVAILABLE, Reason.REASON_COMMAND_PATH_UNAVAILABLE, metadata=("device", "command")
    )
    assert refusal.retry_seconds is not None
    assert 120 <= refusal.retry_seconds <= 120 * 1.2
    assert not [path for path in await sent(sandbox, deaf) if path.endswith("wake_up")], "waking would not help"
    await sandbox.control.delete("/faults", {"target": deaf.vendor_id})
    assert (await create(home, deaf, LOCK)).state >= CommandState.COMMAND_STATE_ACCEPTED


async def test_a_lost_answer_to_a_momentary_action_is_never_repeated(home: Tenant, sandbox: Sandbox) -> None:
    forgetful = await home.device_named("Forgetful")
    await create(home, forgetful, HONK)
    before = len(await sent(sandbox, forgetful))
    path = f"/api/1/vehicles/{forgetful.vendor_id}/signed_command"
    await sandbox.control.inject_fault("lost_answer", target=path)
    refusal = await refused(
        create(home, forgetful, HONK), grpc.StatusCode.ABORTED, Reason.REASON_OUTCOME_UNKNOWN, metadata=("command",)
    )
    assert refusal.retry_seconds is None, "nobody may repeat it blindly"
    assert [remedy.actor for remedy in refusal.blockers[0].remedies] == [Actor.ACTOR_CALLER]
    assert refusal.blockers[0].device == forgetful.name
    assert "watches the device" in refusal.blockers[0].remedies[0].verification
    command = await get_command(home, refusal.metadata["command"])
    assert command.state == CommandState.COMMAND_STATE_OUTCOME_UNKNOWN
    assert command.failure.may_have_run
    assert command.send_count == 1
    assert (await sandbox.control.get(f"/cars/{forgetful.vendor_id}"))["horn_honked"] == 2
    assert len([path for path in (await sent(sandbox, forgetful))[before:] if "signed_command" in path]) == 1


@pytest.mark.parametrize("fault", ["truncated_json", "connection_cut"])
async def test_an_unreadable_answer_to_a_momentary_action_may_have_run(
    home: Tenant, sandbox: Sandbox, fault: str
) -> None:
    forgetful = await home.device_named("Forgetful")
    await create(home, forgetful, HONK)
    honked = (await sandbox.control.get(f"/cars/{forgetful.vendor_id}"))["horn_honked"]
    path = f"/api/1/vehicles/{forgetful.vendor_id}/signed_command"
    await sandbox.control.inject_fault(fault, target=path)
    await refused(create(home, forgetful, HONK), grpc.StatusCode.ABORTED, Reason.REASON_OUTCOME_UNKNOWN)
    assert (await sandbox.control.get(f"/cars/{forgetful.vendor_id}"))["horn_honked"] == honked + 1


async def test_words_of_a_car_that_nobody_knows_blame_no_scope(home: Tenant, sandbox: Sandbox) -> None:
    odd = await home.device_named("Odd")
    await create(home, odd, HONK)
    await sandbox.control.inject_fault("vehicle_fault", target=odd.vendor_id, fault=13)
    refusal = await refused(
        create(home, odd, HONK),
        grpc.StatusCode.UNKNOWN,
        Reason.REASON_VENDOR_ERROR_UNCLASSIFIED,
        metadata=("vendorReason", "command"),
    )
    assert "SCOPE_MISSING" not in reasons(refusal.blockers)
    assert "scope" not in refusal.message
    command = await get_command(home, refusal.metadata["command"])
    assert command.reason == refusal.metadata["vendorReason"]


@pytest.mark.parametrize(
    ("fault", "reason", "keys"),
    [
        (7, Reason.REASON_KEY_ROLE_INSUFFICIENT, ("device",)),
        (9, Reason.REASON_NOT_SUPPORTED_BY_DEVICE, ("device", "action")),
        (23, Reason.REASON_NOT_EXPOSED_BY_VENDOR, ("device", "action")),
    ],
)
async def test_what_the_cars_protocol_refuses_is_told_by_its_meaning(
    home: Tenant, sandbox: Sandbox, fault: int, reason: Reason.ValueType, keys: tuple[str, ...]
) -> None:
    odd = await home.device_named("Odd")
    await create(home, odd, HONK)
    await sandbox.control.inject_fault("vehicle_fault", target=odd.vendor_id, fault=fault)
    refusal = await refused(create(home, odd, HONK), PRECONDITION, reason, metadata=(*keys, "command"))
    command = await get_command(home, refusal.metadata["command"])
    assert command.reason
    assert command.failure.reason == reason


async def test_a_car_with_an_error_of_its_own_leaves_the_outcome_open(home: Tenant, sandbox: Sandbox) -> None:
    broken = await home.device_named("Broken")
    await create(home, broken, HONK)
    await sandbox.control.inject_fault("vehicle_error", target=broken.vendor_id)
    await refused(create(home, broken, HONK), grpc.StatusCode.ABORTED, Reason.REASON_OUTCOME_UNKNOWN)
    await sandbox.control.inject_fault("vehicle_error", target=broken.vendor_id)
    refusal = await refused(refresh(home, broken), PRECONDITION, Reason.REASON_VEHICLE_REFUSED, metadata=("device",))
    assert "vehicle_error" in refusal.metadata["vendorReason"]
    assert refusal.blockers[0].remedies[0].actor == Actor.ACTOR_END_USER
    assert reasons(await open_blockers(home)).count("VEHICLE_REFUSED") == 0


async def test_too_many_commands_say_when_to_try_again(home: Tenant, sandbox: Sandbox) -> None:
    busy = await home.device_named("Busy")
    await create(home, busy, HONK)
    usual = await sandbox.control.get("/rate_limits")
    await sandbox.control.patch("/rate_limits", {"command": 0})
    refusal = await refused(
        create(home, busy, HONK), grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.REASON_VENDOR_RATE_LIMITED
    )
    assert refusal.retry_seconds is not None
    assert 58 <= refusal.retry_seconds <= 60 * 1.2
    assert refusal.quota_subjects == [busy.name]
    assert refusal.metadata["command"]
    command = await get_command(home, refusal.metadata["command"])
    asked = command.failure.retry_delay.ToTimedelta().total_seconds()
    assert asked <= refusal.retry_seconds <= asked * 1.2
    await sandbox.control.patch("/rate_limits", {"command": usual["command"]})
    assert (await create(home, busy, HONK)).state >= CommandState.COMMAND_STATE_ACCEPTED


async def test_a_value_beyond_the_device_is_refused_with_its_bounds(home: Tenant, sandbox: Sandbox) -> None:
    guarded = await home.device_named("Guarded")
    await refresh(home, guarded)
    before = len(await sent(sandbox, guarded))
    action = Action(set_charging_current=SetChargingCurrent(current_amps=80))
    refusal = await refused(
        create(home, guarded, action),
        PRECONDITION,
        Reason.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE,
        metadata=("parameter", "minimum", "maximum"),
    )
    assert refusal.metadata["parameter"] == "set_charging_current.current_amps"
    assert float(refusal.metadata["maximum"]) < 80
    assert refusal.blockers[0].remedies[0].actor == Actor.ACTOR_CALLER
    assert len(await sent(sandbox, guarded)) == before


async def test_a_car_has_no_battery_mode(home: Tenant, sandbox: Sandbox) -> None:
    guarded = await home.device_named("Guarded")
    before = len(await sent(sandbox, guarded))
    action = Action(set_battery_mode=SetBatteryMode(mode=BatteryMode.BATTERY_MODE_BACKUP))
    refusal = await refused(
        create(home, guarded, action),
        PRECONDITION,
        Reason.REASON_NOT_SUPPORTED_BY_DEVICE,
        metadata=("device", "action"),
    )
    assert refusal.metadata["action"] == "set_battery_mode"
    assert len(await sent(sandbox, guarded)) == before


async def test_a_sleeping_car_is_woken_once_when_that_is_allowed(home: Tenant, sandbox: Sandbox) -> None:
    sleeper = await home.device_named("Sleeper")
    command = await create(home, sleeper, LOCK)
    assert command.state >= CommandState.COMMAND_STATE_ACCEPTED
    assert len([path for path in await sent(sandbox, sleeper) if path.endswith("wake_up")]) == 1


async def test_a_car_without_network_does_not_wake(home: Tenant, sandbox: Sandbox) -> None:
    guarded = await home.device_named("Guarded")
    await sandbox.control.patch(f"/cars/{guarded.vendor_id}", {"state": "offline"})
    refusal = await refused(
        create(home, guarded, LOCK, wake_policy=NEVER), UNAVAILABLE, Reason.REASON_VEHICLE_ASLEEP, metadata=("device",)
    )
    assert "reception" in " ".join(refusal.blockers[0].remedies[1].steps)
    wake = await create(home, guarded, Action(wake=Wake()), wait_duration=Duration(seconds=1))
    assert wake.state < CommandState.COMMAND_STATE_SUCCEEDED
    await sandbox.control.patch(f"/cars/{guarded.vendor_id}", {"state": "online"})


async def test_a_command_that_expires_while_it_waits_for_a_car_says_so(home: Tenant, sandbox: Sandbox) -> None:
    stranded = await home.device_named("Stranded")
    await sandbox.control.patch(f"/cars/{stranded.vendor_id}", {"state": "offline"})
    await refused(refresh(home, stranded), UNAVAILABLE, Reason.REASON_DEVICE_OFFLINE, metadata=("device", "connection"))
    refusal = await refused(
        create(home, stranded, LOCK, time_to_live=Duration(seconds=10)),
        grpc.StatusCode.DEADLINE_EXCEEDED,
        Reason.REASON_COMMAND_EXPIRED,
        metadata=("device", "command"),
    )
    assert "the vehicle to wake" in refusal.message
    assert reasons(refusal.blockers) == ["VEHICLE_ASLEEP", "COMMAND_EXPIRED"]
    assert Actor.ACTOR_END_USER in [remedy.actor for remedy in refusal.blockers[0].remedies]
    assert refusal.blockers[1].remedies[0].actor == Actor.ACTOR_CALLER
    command = await get_command(home, refusal.metadata["command"])
    assert command.state == CommandState.COMMAND_STATE_EXPIRED
    assert reasons(command.failure.blockers) == reasons(refusal.blockers)
    assert command.failure.message == refusal.message


async def test_an_open_blocker_shows_on_the_device_until_it_heals(home: Tenant, sandbox: Sandbox) -> None:
    unpaired = await home.device_named("Unpaired")
    refusal = await refused(create(home, unpaired, LOCK), PRECONDITION, Reason.REASON_VIRTUAL_KEY_NOT_PAIRED)
    shown = {capability.action: capability for capability in (await home.device_named("Unpaired")).capabilities}
    assert reasons(shown[ActionKind.ACTION_KIND_LOCK].blockers) == ["VIRTUAL_KEY_NOT_PAIRED"]
    assert not shown[ActionKind.ACTION_KIND_WAKE].blockers
    await sandbox.control.patch(f"/cars/{unpaired.vendor_id}", {"key": "paired"})
    healed = await until_resolved(home, refusal.blockers[0].name)
    assert healed.HasField("resolve_time")
    limit = Action(set_charge_limit=SetChargeLimit(limit_percent=70))
    assert (await create(home, unpaired, limit)).state >= CommandState.COMMAND_STATE_ACCEPTED
