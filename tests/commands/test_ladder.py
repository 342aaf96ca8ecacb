import pytest
from wattbus.v1.blocker_pb2 import Blocker, BlockerState
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import ChargingStatus

from tests.commands.house import House, ladder, set_limit, simple, states
from tests.commands.vendor import busy, refused
from wattbus_server.problem import Execution, Problem


async def test_a_setting_climbs_to_applied_with_time_and_evidence_on_every_rung(house: House, car: str) -> None:
    command = await house.create(car, set_limit(80), wait_for=Rung.RUNG_APPLIED)
    command = await house.ended(command.name)
    assert states(command) == "SUCCEEDED"
    assert ladder(command) == ["RECEIVED", "QUEUED", "SENT", "ACCEPTED", "APPLIED"]
    evidence = {Rung.Name(reached.rung): reached.evidence for reached in command.rungs}
    assert evidence["RUNG_SENT"] == "POST set_charge_limit"
    assert evidence["RUNG_ACCEPTED"] == "200 OK"
    assert evidence["RUNG_APPLIED"] == "charge.limit_percent=80"
    times = [reached.reach_time.ToNanoseconds() for reached in command.rungs]
    assert times == sorted(times)
    assert all(times)
    assert command.reason == "as you like"
    assert command.send_count == 1
    assert not command.HasField("failure")


async def test_charging_succeeds_only_when_the_vehicle_draws_power(house: House, car: str) -> None:
    command = await house.ended((await house.create(car, simple("start_charging"))).name)
    assert states(command) == "SUCCEEDED"
    assert ladder(command)[-2:] == ["APPLIED", "EFFECTIVE"]
    assert command.rungs[-1].evidence == "charge.power_w=7000"


async def test_an_action_that_cannot_be_proven_ends_at_accepted(house: House, car: str) -> None:
    command = await house.ended((await house.create(car, simple("honk_horn"))).name)
    assert states(command) == "SUCCEEDED"
    assert ladder(command)[-1] == "ACCEPTED"


async def test_a_write_that_the_device_ignores_is_not_believed(house: House, car: str) -> None:
    house.vendor.vehicles[car].obeys = False
    accepted = await house.create(car, set_limit(80))
    command = await house.ended(accepted.name)
    assert states(command) == "FAILED"
    assert command.failure.reason == Reason.REASON_WRITE_NOT_APPLIED
    assert command.failure.may_have_run
    assert "charge.limit_percent=60" in command.failure.message


async def test_waiting_for_a_rung_that_is_not_reached_raises_what_was_found(house: House, car: str) -> None:
    house.vendor.vehicles[car].obeys = False
    with pytest.raises(Problem) as raised:
        await house.create(car, set_limit(80), wait_for=Rung.RUNG_APPLIED)
    assert raised.value.reason == Reason.REASON_WRITE_NOT_APPLIED
    assert raised.value.metadata["wanted"] == "set_charge_limit limit_percent=80"
    assert raised.value.metadata["setting"] == "charge.limit_percent"
    assert raised.value.metadata["found"] == "60"
    assert states(await house.get(raised.value.metadata["command"])) == "FAILED"


async def test_a_device_that_cannot_be_read_leaves_the_outcome_open(house: House, car: str) -> None:
    unreadable = Problem(Reason.REASON_VENDOR_UNAVAILABLE, "No answer.")
    house.vendor.read_answers.extend([unreadable] * 3)
    command = await house.ended((await house.create(car, set_limit(80))).name)
    assert states(command) == "OUTCOME_UNKNOWN"
    assert command.failure.reason == Reason.REASON_OUTCOME_UNKNOWN
    assert "No answer." in command.failure.message
    assert command.failure.may_have_run


async def test_one_read_that_fails_does_not_hide_the_proof(house: House, car: str) -> None:
    house.vendor.read_answers.append(Problem(Reason.REASON_VENDOR_UNAVAILABLE, "No answer."))
    assert states(await house.ended((await house.create(car)).name)) == "SUCCEEDED"


async def test_applied_without_effect_is_not_called_a_success(house: House, car: str) -> None:
    vehicle = house.vendor.vehicles[car]

    async def without_current() -> None:
        vehicle.obeys = False
        vehicle.charging = ChargingStatus.CHARGING_STATUS_CHARGING

    house.vendor.answers.append(without_current)
    command = await house.ended((await house.create(car, simple("start_charging"))).name)
    assert states(command) == "OUTCOME_UNKNOWN"
    assert ladder(command)[-1] == "APPLIED"
    assert "its effect was not seen" in command.failure.message


async def test_a_refusal_keeps_the_vendors_words_and_opens_a_blocker(house: House, car: str) -> None:
    words = "vehicle rejected request: your public key has not been paired with the vehicle"
    house.vendor.answers.append(refused(Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, words, device=car))
    with pytest.raises(Problem) as raised:
        await house.create(car, simple("lock"))
    problem = raised.value
    command = await house.get(problem.metadata["command"])
    assert (states(command), command.reason) == ("FAILED", words)
    assert problem.vendor_reason == words
    assert command.failure.blockers[0].name == problem.blockers[0].name
    device = house.registry.get(house.tenant, car)
    assert [blocker.name for blocker in house.ledger.open_for(device)] == [problem.blockers[0].name]
    assert not command.failure.may_have_run


async def test_a_success_closes_a_blocker_that_only_a_command_can_disprove(house: House, car: str) -> None:
    house.vendor.answers.append(refused(Reason.REASON_VIRTUAL_KEY_DISABLED, "the key is disabled", device=car))
    with pytest.raises(Problem):
        await house.create(car, simple("lock"))
    device = house.registry.get(house.tenant, car)
    (blocker,) = house.ledger.open_for(device)
    assert states(await house.ended((await house.create(car, simple("lock"))).name)) == "SUCCEEDED"
    assert house.ledger.open_for(device) == []
    assert blocker.state == BlockerState.BLOCKER_STATE_OPEN, "what was given out before is not changed"


async def test_a_success_with_one_value_does_not_close_what_blocks_another_value(house: House, car: str) -> None:
    locked = Blocker(reason=Reason.REASON_SETTING_LOCKED_BY_INSTALLER, device=car, evidence="limit_locked=true")
    (blocker,) = await house.ledger.record(house.tenant, [locked])
    house.vendor.standing.add(Reason.REASON_SETTING_LOCKED_BY_INSTALLER)
    house.vendor.judged.append(Reason.REASON_SETTING_LOCKED_BY_INSTALLER)
    assert states(await house.ended((await house.create(car, set_limit(70))).name)) == "SUCCEEDED"
    await house.verifier.still_stands(blocker.name)
    assert house.ledger.get_open(blocker.name) is not None
    house.vendor.standing.clear()
    assert states(await house.ended((await house.create(car, set_limit(80))).name)) == "SUCCEEDED"
    assert not await house.verifier.still_stands(blocker.name), "a success is a hint to ask"


async def test_a_busy_vehicle_is_asked_again_within_the_time_to_live(house: House, car: str) -> None:
    house.vendor.answers.extend([busy(), busy()])
    command = await house.ended((await house.create(car, simple("honk_horn"))).name)
    assert states(command) == "SUCCEEDED"
    assert command.send_count == 3
    assert ladder(command) == ["RECEIVED", "QUEUED", "SENT", "ACCEPTED"]
    assert "refused: The vehicle is busy." in command.rungs[1].evidence
    assert command.reason == "as you like", "the refusal is over"


async def test_a_vehicle_that_stays_busy_ends_the_command_with_the_refusal(house: House, car: str) -> None:
    house.vendor.answers.extend([busy(0.001)] * 20)
    with pytest.raises(Problem) as raised:
        await house.create(car, simple("honk_horn"))
    assert raised.value.reason == Reason.REASON_COMMAND_PATH_UNAVAILABLE
    assert len(house.vendor.sent) == house.pace.retry_limit + 1


async def test_a_long_rate_limit_is_passed_on_at_once(house: House, car: str) -> None:
    limited = busy(3600)
    limited.reason = Reason.REASON_VENDOR_RATE_LIMITED
    house.vendor.answers.append(limited)
    with pytest.raises(Problem) as raised:
        await house.create(car)
    assert raised.value.retry_delay == limited.retry_delay
    command = await house.get(raised.value.metadata["command"])
    assert command.failure.retry_delay.seconds == 3600


async def test_a_defect_ends_the_command_and_not_the_queue(house: House, car: str) -> None:
    async def defect() -> None:
        raise ZeroDivisionError

    house.vendor.answers.append(defect)
    first = await house.queue(car)
    command = await house.ended(first.name)
    assert states(command) == "OUTCOME_UNKNOWN", "it had been sent"
    assert states(await house.ended((await house.create(car)).name)) == "SUCCEEDED"


async def test_the_error_after_a_restart_still_names_command_and_reason(house: House, car: str) -> None:
    words = "vehicle rejected request: your public key has not been paired with the vehicle"
    house.vendor.answers.append(refused(Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, words, device=car))
    with pytest.raises(Problem) as first:
        await house.create(car, simple("lock"), request_id="once")
    after = await house.killed()
    with pytest.raises(Problem) as again:
        await after.create(car, simple("lock"), request_id="once")
    assert again.value.reason == Reason.REASON_VIRTUAL_KEY_NOT_PAIRED
    assert again.value.metadata["command"] == first.value.metadata["command"]
    assert again.value.metadata["vin"] == "VIN-car"
    assert again.value.vendor_reason == words
    assert again.value.execution is Execution.REFUSED
