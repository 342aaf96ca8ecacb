from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.command_pb2 import Command, CommandState, Rung

from wattbus_server.commands import life

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATES = [state for state in CommandState.values() if state != CommandState.COMMAND_STATE_UNSPECIFIED]


def test_every_state_is_either_passing_or_an_end() -> None:
    assert set(STATES) == life.UNFINISHED | life.FINISHED
    assert not life.UNFINISHED & life.FINISHED


@given(st.lists(st.sampled_from(STATES), max_size=30))
def test_whatever_is_tried_the_rungs_stay_in_order_and_no_end_is_left(steps: list[CommandState.ValueType]) -> None:
    command = life.received(Command(), NOW)
    now = NOW
    for step in steps:
        now += timedelta(seconds=1)
        before = command.SerializeToString()
        try:
            moved = life.moved(command, step, now, evidence="seen")
        except life.TransitionForbidden:
            continue
        assert command.SerializeToString() == before, "the old message is not changed"
        assert command.state not in (
            CommandState.COMMAND_STATE_SUCCEEDED,
            CommandState.COMMAND_STATE_FAILED,
            CommandState.COMMAND_STATE_CANCELLED,
            CommandState.COMMAND_STATE_EXPIRED,
        )
        command = moved
        rungs = [reached.rung for reached in command.rungs]
        assert rungs == sorted(set(rungs))
        assert rungs[0] == Rung.RUNG_RECEIVED
        times = [reached.reach_time.ToNanoseconds() for reached in command.rungs]
        assert times == sorted(times)
        if command.state in (CommandState.COMMAND_STATE_CANCELLED, CommandState.COMMAND_STATE_EXPIRED):
            assert life.highest_rung(command) <= Rung.RUNG_QUEUED


@pytest.mark.parametrize("state", sorted(life.FINISHED - {CommandState.COMMAND_STATE_OUTCOME_UNKNOWN}))
def test_an_end_is_an_end(state: CommandState.ValueType) -> None:
    command = Command(state=state)
    for step in STATES:
        with pytest.raises(life.TransitionForbidden):
            life.moved(command, step, NOW)


def test_a_command_that_waits_again_has_not_been_sent_any_more() -> None:
    command = life.received(Command(), NOW)
    for step in (CommandState.COMMAND_STATE_QUEUED, CommandState.COMMAND_STATE_SENT, CommandState.COMMAND_STATE_QUEUED):
        command = life.moved(command, step, NOW)
    assert [reached.rung for reached in command.rungs] == [Rung.RUNG_RECEIVED, Rung.RUNG_QUEUED]
    assert command.send_count == 1
