import asyncio
import base64
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from google.protobuf.duration_pb2 import Duration
from wattbus.v1.action_pb2 import Action, ActionKind
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.command_pb2 import CommandState
from wattbus.v1.device_service_pb2 import ListCommandsRequest
from wattbus.v1.reason_pb2 import Reason

from tests.commands.house import QUEUE_LIMIT, House, locked, set_limit, simple, states
from tests.commands.vendor import Gate, ScriptedVendor, busy
from tests.turns import let_time_pass, settled
from wattbus_server.commands.failures import action_name
from wattbus_server.commands.journal import Journal
from wattbus_server.commands.slots import SLOT_OF
from wattbus_server.problem import Problem
from wattbus_server.vendors.tesla.control.actions import row_of


async def test_commands_of_a_device_run_one_after_another_in_order(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    names = [(await house.queue(car, set_limit(percent))).name for percent in (60, 70, 80)]
    await gate.reached.wait()
    assert len(house.vendor.sent) == 1
    gate.opened.set()
    ends = [await house.ended(name) for name in names]
    assert [states(command) for command in ends] == ["SUCCEEDED"] * 3
    assert house.vendor.vehicles[car].limit == 80
    for earlier, later in pairwise(ends):
        assert earlier.update_time.ToNanoseconds() <= later.rungs[2].reach_time.ToNanoseconds()


async def test_devices_do_not_wait_for_each_other(house: House) -> None:
    stuck, free = await house.link("stuck", "free")
    gate = Gate()
    house.vendor.answers.append(gate)
    await house.queue(stuck)
    await gate.reached.wait()
    assert states(await house.ended((await house.queue(free)).name)) == "SUCCEEDED"
    gate.opened.set()


async def test_while_a_command_is_proven_one_that_concerns_something_else_is_sent(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.read_answers.append(gate)
    charging = await house.create(car, simple("start_charging"))
    await gate.reached.wait()
    waiting = await house.queue(car, set_limit(70))
    assert states(await house.ended((await house.create(car, simple("lock"))).name)) == "SUCCEEDED"
    assert states(await house.get(charging.name)) == "ACCEPTED"
    assert states(await house.get(waiting.name)) == "QUEUED", "the limit has a say in charging"
    gate.opened.set()
    assert states(await house.ended(charging.name)) == "SUCCEEDED"
    assert states(await house.ended(waiting.name)) == "SUCCEEDED"


@pytest.mark.parametrize(
    "action", [set_limit(80), *map(simple, ("honk_horn", "unlock", "lock", "start_charging", "wake"))], ids=action_name
)
def test_the_scripted_vendor_promises_no_more_than_the_real_one(action: Action) -> None:
    scripted, real = ScriptedVendor().traits(action), row_of(action).traits
    assert (scripted.provable_rung, scripted.sets_value) == (real.provable_rung, real.sets_value)


def test_every_action_has_a_slot() -> None:
    assert set(SLOT_OF) == set(ActionKind.values()) - {ActionKind.ACTION_KIND_UNSPECIFIED}


async def test_a_full_queue_refuses_until_a_command_ends(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    names = [(await house.queue(car)).name for _ in range(QUEUE_LIMIT)]
    with pytest.raises(Problem) as raised:
        await house.queue(car)
    assert raised.value.reason == Reason.REASON_QUOTA_EXCEEDED
    assert raised.value.metadata == {"limit": str(QUEUE_LIMIT)}
    await gate.reached.wait()
    await house.commands.cancel(house.tenant, names[-1])
    await house.queue(car)
    gate.opened.set()


async def test_commands_that_come_together_do_not_pass_the_limit(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    results = await asyncio.gather(*(house.queue(car) for _ in range(3 * QUEUE_LIMIT)), return_exceptions=True)
    assert sum(not isinstance(result, BaseException) for result in results) == QUEUE_LIMIT
    gate.opened.set()


async def test_a_waiting_command_is_cancelled_and_never_sent(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    first, second = await house.queue(car, set_limit(70)), await house.queue(car, set_limit(90))
    cancelled = await house.commands.cancel(house.tenant, second.name)
    assert states(cancelled) == "CANCELLED"
    assert cancelled.failure.reason == Reason.REASON_COMMAND_CANCELLED
    gate.opened.set()
    await house.ended(first.name)
    third = await house.ended((await house.create(car, set_limit(75))).name)
    assert states(third) == "SUCCEEDED"
    assert len(house.vendor.sent) == 2
    assert (await house.commands.cancel(house.tenant, second.name)).name == second.name, "cancelled is cancelled"


@pytest.mark.parametrize("moment", ["sent", "ended"])
async def test_what_was_sent_cannot_be_cancelled(house: House, car: str, moment: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    command = await house.queue(car)
    await gate.reached.wait()
    if moment == "ended":
        gate.opened.set()
        await house.ended(command.name)
    with pytest.raises(Problem) as raised:
        await house.commands.cancel(house.tenant, command.name)
    assert raised.value.reason == Reason.REASON_COMMAND_NOT_CANCELLABLE
    assert raised.value.metadata == {
        "command": command.name,
        "state": "SENT" if moment == "sent" else "SUCCEEDED",
    }
    gate.opened.set()


async def test_cancelling_wins_or_loses_but_never_both(house: House, car: str) -> None:
    for _ in range(20):
        house.vendor.sent.clear()
        command = await house.queue(car)
        results = await asyncio.gather(house.commands.cancel(house.tenant, command.name), return_exceptions=True)
        end = await house.ended(command.name)
        if isinstance(results[0], BaseException):
            assert (states(end), len(house.vendor.sent)) == ("SUCCEEDED", 1)
        else:
            assert (states(end), house.vendor.sent) == ("CANCELLED", [])


async def test_a_caller_who_hangs_up_while_cancelling_leaves_no_doubt(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    await house.queue(car, set_limit(70))
    await gate.reached.wait()
    waiting = await house.queue(car, set_limit(90))
    async with locked(house.engine):
        call = asyncio.ensure_future(house.commands.cancel(house.tenant, waiting.name))
        await settled()
        call.cancel()
    await asyncio.wait([call])
    gate.opened.set()
    assert states(await house.ended(waiting.name)) == "CANCELLED"
    assert states(await Journal(house.engine).get(house.tenant, waiting.name)) == "CANCELLED"


async def test_a_cancelled_command_stops_waiting_for_a_busy_vehicle(house: House, car: str) -> None:
    house.vendor.answers.append(busy(20))
    command = await house.queue(car)
    await house.until(
        command.name, lambda found: found.send_count == 1 and found.state == CommandState.COMMAND_STATE_QUEUED
    )
    await house.commands.cancel(house.tenant, command.name)
    assert states(await house.ended((await house.create(car)).name)) == "SUCCEEDED", "the queue goes on"
    assert states(await house.get(command.name)) == "CANCELLED"


async def test_a_command_that_waits_too_long_expires_and_is_never_sent(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    await house.queue(car, set_limit(70))
    late = await house.queue(car, set_limit(90), time_to_live=Duration(seconds=60))
    await gate.reached.wait()
    let_time_pass(60)
    expired = await house.ended(late.name)
    assert states(expired) == "EXPIRED"
    assert expired.failure.reason == Reason.REASON_COMMAND_EXPIRED
    assert "its turn in the device's queue" in expired.failure.message
    (blocker,) = expired.failure.blockers
    assert (blocker.reason, blocker.device) == (Reason.REASON_COMMAND_EXPIRED, car)
    assert blocker.remedies[0].actor == Actor.ACTOR_CALLER
    gate.opened.set()
    await house.ended((await house.create(car, set_limit(75))).name)
    assert house.vendor.vehicles[car].limit == 75
    assert len(house.vendor.sent) == 2


async def test_a_command_that_expires_while_the_vehicle_wakes_says_so(house: House, car: str) -> None:
    patient = await house.killed(pace=replace(house.pace, wake_timeout=timedelta(minutes=10)))
    patient.vendor.vehicles[car].awake = False
    patient.vendor.wakes_up = False
    command = await patient.queue(car, time_to_live=Duration(seconds=60))
    await patient.until(command.name, lambda _: patient.vendor.wakes > 0)
    let_time_pass(60)
    expired = await patient.ended(command.name)
    assert states(expired) == "EXPIRED"
    assert patient.vendor.wakes == 1
    assert "the vehicle to wake" in expired.failure.message
    reasons = [blocker.reason for blocker in expired.failure.blockers]
    assert reasons == [Reason.REASON_VEHICLE_ASLEEP, Reason.REASON_COMMAND_EXPIRED]
    assert all(blocker.remedies and blocker.end_user_message for blocker in expired.failure.blockers)
    assert not patient.ledger.open_blockers()
    await patient.close()


async def test_a_retry_that_would_come_too_late_tells_the_refusal_instead(house: House, car: str) -> None:
    house.vendor.answers.append(busy(20))
    with pytest.raises(Problem) as raised:
        await house.create(car, time_to_live=Duration(seconds=10))
    assert raised.value.reason == Reason.REASON_COMMAND_PATH_UNAVAILABLE


async def test_a_command_whose_device_is_gone_fails_unsent(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    first, second = await house.queue(car), await house.queue(car)
    await gate.reached.wait()
    await house.registry.remove_connection("connections/one")
    gate.opened.set()
    assert states(await house.ended(first.name)) in ("OUTCOME_UNKNOWN", "SUCCEEDED")
    end = await house.ended(second.name)
    assert (states(end), end.failure.reason) == ("FAILED", Reason.REASON_RESOURCE_NOT_FOUND)


# Lists


async def test_commands_are_listed_newest_first_in_pages(house: House) -> None:
    one, two = await house.link("one", "two")
    made = [(await house.create(device, simple("honk_horn"))).name for device in (one, two, one, two, one)]
    found: list[str] = []
    request = ListCommandsRequest(parent="devices/-", page_size=2)
    while True:
        answer = await house.commands.list(house.tenant, request)
        assert len(answer.commands) <= 2
        found += [command.name for command in answer.commands]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert found == list(reversed(made))
    of_one = await house.commands.list(house.tenant, ListCommandsRequest(parent=one))
    assert [command.name for command in of_one.commands] == [made[4], made[2], made[0]]


async def test_commands_are_listed_by_state_and_a_token_belongs_to_its_arguments(house: House, car: str) -> None:
    house.vendor.vehicles[car].obeys = False
    failed = await house.ended((await house.create(car, set_limit(90))).name)
    honk = await house.ended((await house.create(car, simple("honk_horn"))).name)
    succeeded = ListCommandsRequest(parent=car, states=[CommandState.COMMAND_STATE_SUCCEEDED])
    assert [command.name for command in (await house.commands.list(house.tenant, succeeded)).commands] == [honk.name]
    page = await house.commands.list(house.tenant, ListCommandsRequest(parent=car, page_size=1))
    assert page.commands[0].name != failed.name
    with pytest.raises(Problem) as raised:
        await house.commands.list(
            house.tenant, ListCommandsRequest(parent="devices/-", page_token=page.next_page_token)
        )
    assert raised.value.reason == Reason.REASON_PAGE_TOKEN_INVALID


async def test_a_token_with_a_forged_position_is_refused(house: House, car: str) -> None:
    for _ in range(2):
        await house.ended((await house.create(car, simple("honk_horn"))).name)
    page = await house.commands.list(house.tenant, ListCommandsRequest(parent=car, page_size=1))
    arguments = base64.urlsafe_b64decode(page.next_page_token)[:12]
    forged = base64.urlsafe_b64encode(arguments + b"yesterday devices/x").decode()
    with pytest.raises(Problem) as raised:
        await house.commands.list(house.tenant, ListCommandsRequest(parent=car, page_token=forged))
    assert raised.value.reason == Reason.REASON_PAGE_TOKEN_INVALID
