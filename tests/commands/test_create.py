import asyncio
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.command_pb2 import Rung, WakePolicy
from wattbus.v1.device_service_pb2 import CheckCommandRequest, ListCommandsRequest
from wattbus.v1.reason_pb2 import Reason

from tests.commands.house import House, ladder, locked, set_limit, simple, states
from tests.commands.vendor import Gate, busy, lost_answer
from tests.processes import PATIENCE_SECONDS
from tests.state.world import CONNECTION, OTHER_TENANT
from tests.turns import let_time_pass, settled
from wattbus_server.problem import Execution, Problem


def duration(seconds: float) -> Duration:
    result = Duration()
    result.FromTimedelta(timedelta(seconds=seconds))
    return result


async def every_command(house: House) -> list[str]:
    answer = await house.commands.list(house.tenant, ListCommandsRequest(parent="devices/-"))
    return [command.name for command in answer.commands]


# request_id


async def test_the_same_request_returns_the_same_command(house: House, car: str) -> None:
    first = await house.create(car, set_limit(80), request_id="once")
    again = await house.create(car, set_limit(80), request_id="once", wait_for=Rung.RUNG_APPLIED)
    assert again.name == first.name
    assert len(house.vendor.sent) == 1


async def test_the_same_request_id_with_other_content_is_refused(house: House, car: str) -> None:
    await house.create(car, set_limit(80), request_id="once")
    with pytest.raises(Problem) as raised:
        await house.create(car, set_limit(70), request_id="once")
    assert raised.value.reason == Reason.REASON_REQUEST_ID_REUSED
    assert raised.value.metadata == {"requestId": "once"}


async def test_the_same_request_at_the_same_time_makes_one_command(house: House, car: str) -> None:
    commands = await asyncio.gather(*(house.create(car, set_limit(80), request_id="once") for _ in range(4)))
    assert len({command.name for command in commands}) == 1
    assert len(house.vendor.sent) == 1


async def test_a_request_that_was_stored_is_answered_although_something_blocks_now(house: House, car: str) -> None:
    first = await house.create(car, set_limit(80), request_id="once")
    house.vendor.blockers.append(Blocker(reason=Reason.REASON_VEHICLE_IN_SERVICE, device=car))
    assert (await house.create(car, set_limit(80), request_id="once")).name == first.name


async def test_request_ids_of_tenants_do_not_meet(house: House, car: str) -> None:
    (theirs,) = await house.link("theirs", connection="connections/foreign", tenant=OTHER_TENANT)
    ours = await house.create(car, set_limit(80), request_id="once")
    house.tenant = OTHER_TENANT
    assert (await house.create(theirs, set_limit(70), request_id="once")).name != ours.name


# Waiting


@pytest.mark.parametrize(
    ("wait_for", "reached"),
    [(Rung.RUNG_UNSPECIFIED, "ACCEPTED"), (Rung.RUNG_SENT, "SENT"), (Rung.RUNG_APPLIED, "APPLIED")],
)
async def test_the_answer_comes_once_the_wanted_rung_is_reached(
    house: House, car: str, wait_for: Rung.ValueType, reached: str
) -> None:
    command = await house.create(car, set_limit(80), wait_for=wait_for)
    assert reached in ladder(command)


async def test_waiting_for_received_returns_before_the_vendor_answers(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    command = await house.create(car, wait_for=Rung.RUNG_RECEIVED)
    assert "ACCEPTED" not in ladder(command)
    gate.opened.set()
    assert states(await house.ended(command.name)) == "SUCCEEDED"


async def test_a_rung_that_cannot_be_proven_waits_for_the_end(house: House, car: str) -> None:
    command = await house.create(car, simple("honk_horn"), wait_for=Rung.RUNG_EFFECTIVE)
    assert states(command) == "SUCCEEDED"


@pytest.mark.parametrize("limit", ["wait_duration", "deadline"])
async def test_when_the_time_runs_out_the_answer_is_the_command_as_it_stands(
    house: House, car: str, limit: str
) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    waiting = asyncio.ensure_future(
        house.create(car, wait_duration=duration(20))
        if limit == "wait_duration"
        else house.create(car, seconds_left=20)
    )
    await gate.reached.wait()
    let_time_pass(20)
    command = await waiting
    assert states(command) == "SENT"
    gate.opened.set()
    assert states(await house.ended(command.name)) == "SUCCEEDED"


async def test_a_caller_who_hangs_up_does_not_stop_the_command(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    call = asyncio.ensure_future(house.create(car))
    await gate.reached.wait()
    call.cancel()
    await asyncio.wait([call])
    gate.opened.set()
    (name,) = await every_command(house)
    assert states(await house.ended(name)) == "SUCCEEDED"


async def test_a_caller_who_hangs_up_while_the_command_is_stored_does_not_lose_it(house: House, car: str) -> None:
    async with locked(house.engine):
        call = asyncio.ensure_future(house.create(car))
        await until_checked(house)
        call.cancel()
        await asyncio.wait([call])
    (name,) = await eventually_every_command(house)
    assert states(await house.ended(name)) == "SUCCEEDED", "what is stored is queued, without a restart"


async def until_checked(house: House) -> None:
    """Wait until the preflight is over, so that the command is about to be stored."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not house.vendor.checks:  # noqa: ASYNC110 - the vendor is scripted, it has no events
            await asyncio.sleep(0.003)
    await settled()


async def eventually_every_command(house: House) -> list[str]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (names := await every_command(house)):  # noqa: ASYNC110 - callers poll ListCommands too
            await asyncio.sleep(0.003)
    return names


async def test_a_lost_answer_is_told_as_such_and_never_as_a_plain_failure(house: House, car: str) -> None:
    house.vendor.answers.append(lost_answer())
    with pytest.raises(Problem) as raised:
        await house.create(car, simple("honk_horn"))
    assert raised.value.reason == Reason.REASON_OUTCOME_UNKNOWN
    assert states(await house.get(raised.value.metadata["command"])) == "OUTCOME_UNKNOWN"


@pytest.mark.parametrize("reason", [Reason.REASON_NOT_SUPPORTED_BY_DEVICE, Reason.REASON_NOT_EXPOSED_BY_VENDOR])
async def test_a_refusal_names_the_action_also_if_the_vendor_did_not(
    house: House, car: str, reason: Reason.ValueType
) -> None:
    house.vendor.answers.append(Problem(reason, "No.", metadata={"device": car}, execution=Execution.REFUSED))
    with pytest.raises(Problem) as raised:
        await house.create(car, simple("honk_horn"))
    assert raised.value.reason == reason
    assert raised.value.metadata["action"] == "honk_horn"


# Preflight


async def test_everything_that_blocks_is_told_at_once_and_no_command_is_made(house: House, car: str) -> None:
    house.vendor.blockers += [
        Blocker(reason=Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, device=car, message="No key."),
        Blocker(
            reason=Reason.REASON_SCOPE_MISSING,
            connection=CONNECTION,
            message="No scope.",
            required_scopes=["vehicle_cmds"],
            granted_scopes=["openid"],
            missing_scopes=["vehicle_cmds"],
        ),
    ]
    with pytest.raises(Problem) as raised:
        await house.create(car, simple("lock"))
    problem = raised.value
    assert problem.reason == Reason.REASON_SCOPE_MISSING
    assert [blocker.reason for blocker in problem.blockers] == [
        Reason.REASON_SCOPE_MISSING,
        Reason.REASON_VIRTUAL_KEY_NOT_PAIRED,
    ]
    assert all(blocker.name.startswith("blockers/") for blocker in problem.blockers)
    assert problem.metadata == {
        "device": car,
        "connection": CONNECTION,
        "requiredScopes": "vehicle_cmds",
        "grantedScopes": "openid",
        "missingScopes": "vehicle_cmds",
    }
    assert problem.retry_delay is None
    assert await every_command(house) == []
    assert house.vendor.sent == []


async def test_an_open_blocker_refuses_only_while_the_vendor_says_that_it_stands(house: House, car: str) -> None:
    opened = Blocker(reason=Reason.REASON_VEHICLE_IN_SERVICE, device=car, message="In service.")
    (blocker,) = await house.ledger.record(house.tenant, [opened])
    house.vendor.standing.add(Reason.REASON_VEHICLE_IN_SERVICE)
    with pytest.raises(Problem) as raised:
        await house.create(car)
    assert raised.value.blockers[0].name == blocker.name
    house.vendor.standing.clear()
    assert "ACCEPTED" in ladder(await house.create(car)), "the cause is gone, so that it must not refuse"
    assert house.ledger.get_open(blocker.name) is None


async def test_an_open_blocker_of_another_action_does_not_refuse(house: House, car: str) -> None:
    house.vendor.standing.add(Reason.REASON_VEHICLE_IN_SERVICE)
    blocker = Blocker(
        reason=Reason.REASON_VEHICLE_IN_SERVICE, device=car, blocked_actions=[ActionKind.ACTION_KIND_LOCK]
    )
    await house.ledger.record(house.tenant, [blocker])
    assert "ACCEPTED" in ladder(await house.create(car, set_limit(80)))


async def test_a_check_sends_wakes_and_records_nothing(house: House, car: str) -> None:
    house.vendor.vehicles[car].awake = False
    house.vendor.blockers.append(Blocker(reason=Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, device=car))
    request = CheckCommandRequest(parent=car, action=set_limit(80), wake_policy=WakePolicy.WAKE_POLICY_NEVER)
    answer = await house.commands.check(house.tenant, request)
    assert [blocker.reason for blocker in answer.blockers] == [
        Reason.REASON_VIRTUAL_KEY_NOT_PAIRED,
        Reason.REASON_VEHICLE_ASLEEP,
    ]
    assert [blocker.name for blocker in answer.blockers] == ["", ""]
    assert all(blocker.end_user_message and blocker.remedies for blocker in answer.blockers)
    assert answer.needs_wake
    assert list(answer.vendor_writes) == ["POST set_charge_limit"]
    assert answer.estimated_cost_micros_usd == 1000
    assert answer.provable_rung == Rung.RUNG_APPLIED
    assert (house.vendor.sent, house.vendor.wakes, house.ledger.open_blockers()) == ([], 0, [])


async def test_a_check_names_a_blocker_that_is_open_already(house: House, car: str) -> None:
    blocker = Blocker(reason=Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, device=car)
    house.vendor.blockers.append(blocker)
    (recorded,) = await house.ledger.record(house.tenant, [blocker])
    answer = await house.commands.check(house.tenant, CheckCommandRequest(parent=car, action=simple("lock")))
    assert [found.name for found in answer.blockers] == [recorded.name]


async def test_a_check_tells_what_only_a_command_can_close_and_the_command_is_sent(house: House, car: str) -> None:
    blocker = Blocker(reason=Reason.REASON_VIRTUAL_KEY_DISABLED, device=car)
    house.vendor.blockers.append(Blocker(reason=Reason.REASON_STORM_WATCH_ACTIVE, device=car))
    (recorded,) = await house.ledger.record(house.tenant, [blocker])
    request = CheckCommandRequest(parent=car, action=set_limit(80))
    answer = await house.commands.check(house.tenant, request)
    assert [found.reason for found in answer.blockers] == [blocker.reason, Reason.REASON_STORM_WATCH_ACTIVE]
    assert answer.blockers[0] == recorded, "nobody verified it"
    house.vendor.blockers.clear()
    assert [found.name for found in (await house.commands.check(house.tenant, request)).blockers] == [recorded.name]
    assert states(await house.ended((await house.create(car, set_limit(80))).name)) == "SUCCEEDED"
    assert not (await house.commands.check(house.tenant, request)).blockers


async def test_a_check_tells_a_spent_grant_as_a_blocker(house: House, car: str) -> None:
    blocker = Blocker(reason=Reason.REASON_REAUTHORIZATION_REQUIRED, connection=CONNECTION)
    house.vendor.check_problem = Problem(Reason.REASON_REAUTHORIZATION_REQUIRED, "Gone.", blockers=(blocker,))
    answer = await house.commands.check(house.tenant, CheckCommandRequest(parent=car, action=simple("lock")))
    assert [found.reason for found in answer.blockers] == [Reason.REASON_REAUTHORIZATION_REQUIRED]
    assert answer.provable_rung == Rung.RUNG_APPLIED


async def test_what_could_not_be_looked_at_is_told_by_a_check_and_refuses_nothing(house: House, car: str) -> None:
    house.vendor.unseen.append(Blocker(reason=Reason.REASON_VENDOR_UNAVAILABLE, connection=CONNECTION))
    answer = await house.commands.check(house.tenant, CheckCommandRequest(parent=car, action=simple("lock")))
    (told,) = answer.blockers
    assert told.reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert told.remedies
    assert told.end_user_message
    assert states(await house.ended((await house.create(car, simple("lock"))).name)) == "SUCCEEDED"
    assert house.ledger.open_blockers() == []


async def test_what_passes_by_itself_is_no_finding_of_a_check(house: House, car: str) -> None:
    blocker = Blocker(reason=Reason.REASON_VENDOR_UNAVAILABLE, connection=CONNECTION)
    house.vendor.check_problem = Problem(Reason.REASON_VENDOR_UNAVAILABLE, "Away.", blockers=(blocker,))
    with pytest.raises(Problem) as raised:
        await house.commands.check(house.tenant, CheckCommandRequest(parent=car, action=simple("lock")))
    assert raised.value.reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert not house.ledger.open_blockers()


async def test_a_problem_of_the_check_is_recorded_and_told(house: House, car: str) -> None:
    blocker = Blocker(reason=Reason.REASON_REAUTHORIZATION_REQUIRED, connection=CONNECTION)
    house.vendor.check_problem = Problem(Reason.REASON_REAUTHORIZATION_REQUIRED, "Gone.", blockers=(blocker,))
    with pytest.raises(Problem) as raised:
        await house.create(car)
    assert house.ledger.get_open(raised.value.blockers[0].name) is not None


async def test_a_server_that_shuts_down_answers_with_the_command_as_it_stands(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    waiting = asyncio.ensure_future(house.create(car))
    await gate.reached.wait()
    house.draining.set()
    command = await waiting
    assert (states(command), command.send_count) == ("SENT", 1)
    gate.opened.set()
    assert states(await house.ended(command.name)) == "SUCCEEDED"


# Waking


async def test_a_sleeping_vehicle_is_woken_once_and_then_sent_to(house: House, car: str) -> None:
    house.vendor.vehicles[car].awake = False
    command = await house.ended((await house.create(car)).name)
    assert states(command) == "SUCCEEDED"
    assert house.vendor.wakes == 1


async def test_a_refused_request_to_wake_is_made_again(house: House, car: str) -> None:
    house.vendor.vehicles[car].awake = False
    house.vendor.wake_answers.append(busy())
    assert states(await house.ended((await house.create(car)).name)) == "SUCCEEDED"
    assert house.vendor.wakes == 2


async def test_a_request_to_wake_whose_answer_was_lost_is_not_paid_twice(house: House, car: str) -> None:
    vehicle = house.vendor.vehicles[car]
    vehicle.awake = False
    answer = busy()
    answer.execution = Execution.UNKNOWN
    house.vendor.wake_answers.append(answer)
    command = await house.queue(car)
    await house.until(command.name, lambda _: house.vendor.wakes > 0)
    vehicle.awake = True
    assert states(await house.ended(command.name)) == "SUCCEEDED"
    assert house.vendor.wakes == 1


async def test_a_vehicle_that_woke_by_itself_is_not_woken_for_money(house: House, car: str) -> None:
    house.vendor.believed_asleep.add(car)
    assert states(await house.ended((await house.create(car)).name)) == "SUCCEEDED"
    assert house.vendor.wakes == 0


async def test_a_caller_who_forbids_waking_is_refused_without_a_command(house: House, car: str) -> None:
    house.vendor.vehicles[car].awake = False
    with pytest.raises(Problem) as raised:
        await house.create(car, wake_policy=WakePolicy.WAKE_POLICY_NEVER)
    assert raised.value.reason == Reason.REASON_VEHICLE_ASLEEP
    assert raised.value.retry_delay is not None
    assert raised.value.metadata == {"device": car}
    assert (house.vendor.wakes, await every_command(house), house.ledger.open_blockers()) == (0, [], [])


async def test_a_vehicle_that_does_not_wake_fails_the_command_unsent(house: House, car: str) -> None:
    house.vendor.vehicles[car].awake = False
    house.vendor.wakes_up = False
    waiting = asyncio.ensure_future(house.create(car))
    while not house.vendor.wakes:  # noqa: ASYNC110 - the script of the vendor has no events
        await asyncio.sleep(0.003)
    let_time_pass(10)
    with pytest.raises(Problem) as raised:
        await waiting
    assert raised.value.reason == Reason.REASON_VEHICLE_ASLEEP
    command = await house.get(raised.value.metadata["command"])
    assert (states(command), command.send_count, house.vendor.wakes) == ("FAILED", 0, 1)
    assert not command.failure.may_have_run


async def test_a_vehicle_that_falls_asleep_before_the_send_is_woken_and_sent_to_again(house: House, car: str) -> None:
    vehicle = house.vendor.vehicles[car]

    async def fall_asleep() -> None:
        vehicle.awake = False
        raise Problem(Reason.REASON_VEHICLE_ASLEEP, "Asleep.", observed=(vehicle.connectivity(car),))

    house.vendor.answers.append(fall_asleep)
    command = await house.ended((await house.create(car)).name)
    assert (states(command), house.vendor.wakes, command.send_count) == ("SUCCEEDED", 1, 2)


async def test_waking_is_proven_by_the_vehicle_being_online(house: House, car: str) -> None:
    house.vendor.vehicles[car].awake = False
    house.vendor.read_answers.extend([Problem(Reason.REASON_VEHICLE_ASLEEP, "No full read is needed.")] * 3)
    command = await house.ended((await house.create(car, simple("wake"))).name)
    assert (states(command), ladder(command)[-1]) == ("SUCCEEDED", "APPLIED")


# Other tenants


async def test_another_tenants_device_and_commands_do_not_exist(house: House, car: str) -> None:
    command = await house.create(car)
    house.tenant = OTHER_TENANT
    calls = [
        house.create(car),
        house.get(command.name),
        house.commands.cancel(OTHER_TENANT, command.name),
        house.commands.list(OTHER_TENANT, ListCommandsRequest(parent=car)),
        house.commands.check(OTHER_TENANT, CheckCommandRequest(parent=car, action=simple("lock"))),
    ]
    for call in calls:
        with pytest.raises(Problem) as raised:
            await call
        assert raised.value.reason == Reason.REASON_RESOURCE_NOT_FOUND
    assert await every_command(house) == []
