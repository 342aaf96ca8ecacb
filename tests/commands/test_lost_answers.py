"""What becomes of a command whose answer is lost, by the network or because the server was killed."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from wattbus.v1.action_pb2 import Action
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.command_pb2 import Command, CommandState, Rung
from wattbus.v1.reason_pb2 import Reason

from tests.commands.house import House, ladder, set_limit, simple, states
from tests.commands.vendor import Gate, lost_answer, refused
from tests.state.world import SECOND_CONNECTION
from wattbus_server.commands import life
from wattbus_server.commands.journal import Journal
from wattbus_server.problem import Execution, Problem

RAN = "lost after running"


async def test_a_value_whose_answer_was_lost_is_read_back_and_not_sent_twice(house: House, car: str) -> None:
    house.vendor.answers.append(RAN)
    command = await house.ended((await house.queue(car)).name)
    assert (states(command), command.send_count) == ("SUCCEEDED", 1)
    assert ladder(command) == ["RECEIVED", "QUEUED", "SENT", "APPLIED"], "nobody said yes"


async def test_a_value_that_the_device_does_not_show_is_sent_again_once(house: House, car: str) -> None:
    house.vendor.answers.append(lost_answer())
    command = await house.ended((await house.create(car)).name)
    assert (states(command), command.send_count) == ("SUCCEEDED", 2)
    assert house.vendor.vehicles[car].limit == 80


async def test_a_value_is_never_sent_a_third_time(house: House, car: str) -> None:
    house.vendor.answers.extend([lost_answer()] * 5)
    command = await house.ended((await house.queue(car)).name)
    assert (states(command), command.send_count) == ("OUTCOME_UNKNOWN", 2)


async def test_a_value_that_cannot_be_read_back_is_not_sent_again(house: House, car: str) -> None:
    house.vendor.answers.append(lost_answer())
    house.vendor.read_answers.extend([Problem(Reason.REASON_VENDOR_UNAVAILABLE, "No answer.")] * 3)
    command = await house.ended((await house.queue(car)).name)
    assert (states(command), command.send_count) == ("OUTCOME_UNKNOWN", 1)


async def test_a_refused_second_send_says_that_the_first_may_have_run(house: House, car: str) -> None:
    house.vendor.answers.extend([lost_answer(), refused(Reason.REASON_VEHICLE_REFUSED, "not now", device=car)])
    command = await house.ended((await house.queue(car)).name)
    assert (states(command), command.failure.reason) == ("FAILED", Reason.REASON_VEHICLE_REFUSED)
    assert command.failure.may_have_run


async def test_a_value_is_not_sent_again_after_a_while_in_which_others_may_have_set_another(
    house: House, car: str
) -> None:
    name = await killed_before_the_vendor_ran_it(house, car, set_limit(80))
    after = await house.killed(pace=replace(house.pace, resend_window=timedelta(0)))
    command = await after.ended(name)
    assert (states(command), command.send_count, after.vendor.sent) == ("OUTCOME_UNKNOWN", 1, [])
    assert after.vendor.vehicles[car].limit == 60


async def test_a_device_that_showed_another_value_and_then_cannot_be_read_decides_nothing(
    house: House, car: str
) -> None:
    house.vendor.vehicles[car].obeys = False
    house.vendor.read_answers.extend([observed_once, *[Problem(Reason.REASON_VENDOR_UNAVAILABLE, "No answer.")] * 2])
    command = await house.ended((await house.queue(car)).name)
    assert states(command) == "OUTCOME_UNKNOWN"
    assert "Before that it showed charge.limit_percent=60" in command.failure.message
    house.vendor.vehicles[car].limit = 80
    house.hub.observe([house.vendor.vehicles[car].observed(car)])
    await house.until(command.name, lambda found: states(found) == "SUCCEEDED")


async def observed_once() -> None:
    """The device answers with what it shows."""


@pytest.mark.parametrize("action", ["unlock", "honk_horn"])
async def test_a_momentary_action_is_never_sent_again(house: House, car: str, action: str) -> None:
    house.vendor.vehicles[car].locked = True
    house.vendor.answers.append(lost_answer())
    command = await house.ended((await house.queue(car, simple(action))).name)
    assert (states(command), command.send_count) == ("OUTCOME_UNKNOWN", 1)
    assert command.failure.may_have_run
    (blocker,) = command.failure.blockers
    assert (blocker.reason, blocker.device) == (Reason.REASON_OUTCOME_UNKNOWN, car)
    assert blocker.remedies[0].actor == Actor.ACTOR_CALLER


async def test_the_vendors_words_are_kept_when_nobody_knows_what_became_of_a_command(house: House, car: str) -> None:
    lost = Problem(
        Reason.REASON_VENDOR_UNAVAILABLE, "It failed.", execution=Execution.UNKNOWN, vendor_reason="upstream error"
    )
    house.vendor.answers.append(lost)
    command = await house.ended((await house.queue(car, simple("honk_horn"))).name)
    assert (states(command), command.reason) == ("OUTCOME_UNKNOWN", "upstream error")
    assert command.failure.blockers[0].evidence == "upstream error"


async def test_a_momentary_action_that_the_device_shows_has_succeeded(house: House, car: str) -> None:
    house.vendor.vehicles[car].locked = True
    house.vendor.answers.append(RAN)
    command = await house.ended((await house.queue(car, simple("unlock"))).name)
    assert (states(command), command.send_count) == ("SUCCEEDED", 1)


# Later observations


async def unknown_unlock(house: House, car: str) -> Command:
    house.vendor.vehicles[car].locked = True
    house.vendor.answers.append(lost_answer())
    command = await house.ended((await house.queue(car, simple("unlock"))).name)
    assert states(command) == "OUTCOME_UNKNOWN"
    return command


async def test_a_later_observation_proves_the_command(house: House, car: str) -> None:
    command = await unknown_unlock(house, car)
    house.vendor.vehicles[car].locked = False
    house.hub.observe([house.vendor.vehicles[car].observed(car)])
    end = await house.until(command.name, lambda found: states(found) == "SUCCEEDED")
    assert ladder(end)[-1] == "APPLIED"
    assert not end.HasField("failure")


async def test_a_later_observation_disproves_the_command(house: House, car: str) -> None:
    command = await unknown_unlock(house, car)
    house.hub.observe([house.vendor.vehicles[car].observed(car)])
    end = await house.until(command.name, lambda found: states(found) == "FAILED")
    assert end.failure.reason == Reason.REASON_WRITE_NOT_APPLIED
    assert end.failure.may_have_run
    assert "answer to unlock is lost" in end.failure.message


async def test_what_is_observed_while_the_outcome_is_being_stored_counts_too(house: House, car: str) -> None:
    house.vendor.vehicles[car].locked = True

    async def observe_just_after_the_end() -> None:
        seen = replace(house.vendor.vehicles[car], locked=False).observed(car)
        seen.vehicle.closures.observe_time.FromDatetime(datetime.now(UTC) + timedelta(minutes=1))
        house.hub.observe([seen])
        raise lost_answer()

    house.vendor.answers.append(lost_answer())
    house.vendor.read_answers.extend([lost_answer(), lost_answer(), observe_just_after_the_end])
    command = await house.queue(car, simple("unlock"))
    await house.until(command.name, lambda found: states(found) == "SUCCEEDED")


async def test_an_observation_from_before_proves_nothing(house: House, car: str) -> None:
    (other,) = await house.link("other", connection=SECOND_CONNECTION)
    command = await unknown_unlock(house, car)
    # The doors were read before; what is new is only that the vehicle is online.
    house.hub.observe([house.vendor.vehicles[car].connectivity(car)])
    await house.ended((await house.create(other)).name)
    assert states(await house.get(command.name)) == "OUTCOME_UNKNOWN"


async def test_what_is_seen_after_another_command_decides_nothing_about_the_first(house: House, car: str) -> None:
    command = await unknown_unlock(house, car)
    await house.ended((await house.create(car, simple("lock"))).name)
    house.hub.observe([house.vendor.vehicles[car].observed(car)])
    await house.ended((await house.create(car, simple("honk_horn"))).name)
    assert states(await house.get(command.name)) == "OUTCOME_UNKNOWN"


@pytest.mark.parametrize("killed", [False, True])
async def test_a_command_that_concerns_something_else_leaves_the_proof_open(
    house: House, car: str, killed: bool
) -> None:
    command = await unknown_unlock(house, car)
    await house.ended((await house.create(car, simple("honk_horn"))).name)
    now = await house.killed() if killed else house
    now.vendor.vehicles[car].locked = False
    now.hub.observe([now.vendor.vehicles[car].observed(car)])
    await now.until(command.name, lambda found: states(found) == "SUCCEEDED")


async def test_a_later_observation_decides_after_a_restart_too(house: House, car: str) -> None:
    command = await unknown_unlock(house, car)
    after = await house.killed()
    after.vendor.vehicles[car].locked = False
    after.hub.observe([after.vendor.vehicles[car].observed(car)])
    await after.until(command.name, lambda found: states(found) == "SUCCEEDED")


# Kill and restart


async def killed_in_queue(house: House, car: str, action: Action) -> str:
    checks = 0

    async def hang_on_the_second_check() -> None:
        nonlocal checks
        checks += 1
        if checks == 2:
            await Gate()()

    house.vendor.before_check = hang_on_the_second_check
    return (await house.queue(car, action)).name


async def killed_before_the_vendor_ran_it(house: House, car: str, action: Action) -> str:
    gate = Gate()
    house.vendor.answers.append(gate)
    name = (await house.queue(car, action)).name
    await gate.reached.wait()
    return name


async def killed_after_the_vendor_ran_it(house: House, car: str, action: Action) -> str:
    name = await killed_before_the_vendor_ran_it(house, car, action)
    house.vendor.vehicles[car].apply(action)
    return name


async def killed_after_acceptance(house: House, car: str, action: Action) -> str:
    gate = Gate()
    house.vendor.read_answers.append(gate)
    name = (await house.create(car, action)).name
    await gate.reached.wait()
    return name


async def stored_at(house: House, car: str, action: Action, *steps: CommandState.ValueType) -> str:
    """Store a command as a server leaves it that is killed right after a transition."""
    journal = Journal(house.engine)
    await journal.load()
    command = Command(
        name=f"{car}/commands/000000000000killed", device=car, action=action, provable_rung=Rung.RUNG_APPLIED
    )
    now = house.registry.get(house.tenant, car).create_time
    command.expire_time.FromDatetime(now + timedelta(hours=1))
    command = life.received(command, now)
    await journal.add(house.tenant, command, b"")
    for step in steps:
        command = life.moved(command, step, now)
        await journal.save(house.tenant, command)
    return command.name


async def killed_on_receipt(house: House, car: str, action: Action) -> str:
    return await stored_at(house, car, action)


async def killed_when_applied(house: House, car: str, action: Action) -> str:
    house.vendor.vehicles[car].apply(action)
    return await stored_at(
        house,
        car,
        action,
        CommandState.COMMAND_STATE_QUEUED,
        CommandState.COMMAND_STATE_SENT,
        CommandState.COMMAND_STATE_ACCEPTED,
        CommandState.COMMAND_STATE_APPLIED,
    )


Kill = Callable[[House, str, Action], Awaitable[str]]


@pytest.mark.parametrize(
    ("kill", "stored", "sends_after", "send_count"),
    [
        (killed_on_receipt, "RECEIVED", 1, 1),
        (killed_in_queue, "QUEUED", 1, 1),
        (killed_before_the_vendor_ran_it, "SENT", 1, 2),
        (killed_after_the_vendor_ran_it, "SENT", 0, 1),
        (killed_after_acceptance, "ACCEPTED", 0, 1),
        (killed_when_applied, "APPLIED", 0, 1),
    ],
)
async def test_a_value_is_set_once_in_effect_wherever_the_server_is_killed(
    house: House, car: str, kill: Kill, stored: str, sends_after: int, send_count: int
) -> None:
    name = await kill(house, car, set_limit(80))
    after = await house.killed()
    assert states(await Journal(house.engine).get(house.tenant, name)) in (stored, *WENT_ON)
    command = await after.ended(name)
    assert states(command) == "SUCCEEDED"
    assert command.send_count == send_count
    assert len(after.vendor.sent) == sends_after
    assert after.vendor.vehicles[car].limit == 80


WENT_ON = ("QUEUED", "SENT", "ACCEPTED", "APPLIED", "SUCCEEDED")


@pytest.mark.parametrize(
    ("kill", "end", "sends_after"),
    [
        (killed_on_receipt, "SUCCEEDED", 1),
        (killed_in_queue, "SUCCEEDED", 1),
        (killed_before_the_vendor_ran_it, "OUTCOME_UNKNOWN", 0),
        (killed_after_the_vendor_ran_it, "SUCCEEDED", 0),
        (killed_after_acceptance, "SUCCEEDED", 0),
    ],
)
async def test_a_momentary_action_never_runs_twice_wherever_the_server_is_killed(
    house: House, car: str, kill: Kill, end: str, sends_after: int
) -> None:
    house.vendor.vehicles[car].locked = True
    name = await kill(house, car, simple("unlock"))
    after = await house.killed()
    command = await after.ended(name)
    assert (states(command), len(after.vendor.sent)) == (end, sends_after)


async def test_a_command_that_expired_while_the_server_was_down_is_not_sent(house: House, car: str) -> None:
    journal = Journal(house.engine)
    await journal.load()
    long_ago = house.registry.get(house.tenant, car).create_time - timedelta(hours=1)
    command = Command(name=f"{car}/commands/old", device=car, action=set_limit(80))
    command.expire_time.FromDatetime(long_ago + timedelta(minutes=5))
    await journal.add(house.tenant, life.received(command, long_ago), b"")
    after = await house.killed()
    assert states(await after.ended(command.name)) == "EXPIRED"
    assert after.vendor.sent == []


async def test_the_order_of_a_queue_survives_a_kill(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    names = [(await house.queue(car, set_limit(percent))).name for percent in (70, 80, 90)]
    await gate.reached.wait()
    after = await house.killed()
    ends = [await after.ended(name) for name in names]
    assert [states(command) for command in ends] == ["SUCCEEDED"] * 3
    assert after.vendor.vehicles[car].limit == 90


async def test_closing_gives_a_sent_command_a_moment_and_loses_nothing(house: House, car: str) -> None:
    gate = Gate()
    house.vendor.answers.append(gate)
    command = await house.queue(car, simple("unlock"))
    await gate.reached.wait()
    await house.commands.close()
    assert states(await Journal(house.engine).get(house.tenant, command.name)) == "SENT"
    after = await house.killed()
    after.vendor.vehicles[car].locked = False
    assert states(await after.ended(command.name)) == "SUCCEEDED"
