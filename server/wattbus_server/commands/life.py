"""The life of a command: which states follow which, as a table, and how a command moves along it.

Functions here are pure: they return a new message and touch neither clock nor database.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from wattbus.v1.command_pb2 import Command, CommandFailure, CommandRung, CommandState, Rung

_S = CommandState

_NEXT: Mapping[CommandState.ValueType, frozenset[CommandState.ValueType]] = {
    _S.COMMAND_STATE_RECEIVED: frozenset(
        {
            _S.COMMAND_STATE_QUEUED,
            _S.COMMAND_STATE_FAILED,
            _S.COMMAND_STATE_CANCELLED,
            _S.COMMAND_STATE_EXPIRED,
        }
    ),
    _S.COMMAND_STATE_QUEUED: frozenset(
        {
            _S.COMMAND_STATE_SENT,
            _S.COMMAND_STATE_FAILED,
            _S.COMMAND_STATE_CANCELLED,
            _S.COMMAND_STATE_EXPIRED,
        }
    ),
    _S.COMMAND_STATE_SENT: frozenset(
        {
            # Refused for a while: it certainly did not run, so that it waits again.
            _S.COMMAND_STATE_QUEUED,
            # Sent again, because it only sets a value.
            _S.COMMAND_STATE_SENT,
            _S.COMMAND_STATE_ACCEPTED,
            # The answer was lost, yet the device shows the value.
            _S.COMMAND_STATE_APPLIED,
            _S.COMMAND_STATE_FAILED,
            _S.COMMAND_STATE_OUTCOME_UNKNOWN,
        }
    ),
    _S.COMMAND_STATE_ACCEPTED: frozenset(
        {
            _S.COMMAND_STATE_APPLIED,
            _S.COMMAND_STATE_SUCCEEDED,
            _S.COMMAND_STATE_FAILED,
            _S.COMMAND_STATE_OUTCOME_UNKNOWN,
        }
    ),
    _S.COMMAND_STATE_APPLIED: frozenset(
        {
            _S.COMMAND_STATE_EFFECTIVE,
            _S.COMMAND_STATE_SUCCEEDED,
            _S.COMMAND_STATE_FAILED,
            _S.COMMAND_STATE_OUTCOME_UNKNOWN,
        }
    ),
    _S.COMMAND_STATE_EFFECTIVE: frozenset({_S.COMMAND_STATE_SUCCEEDED}),
    # Final for now: later observations may still decide it.
    _S.COMMAND_STATE_OUTCOME_UNKNOWN: frozenset({_S.COMMAND_STATE_SUCCEEDED, _S.COMMAND_STATE_FAILED}),
    _S.COMMAND_STATE_SUCCEEDED: frozenset(),
    _S.COMMAND_STATE_FAILED: frozenset(),
    _S.COMMAND_STATE_CANCELLED: frozenset(),
    _S.COMMAND_STATE_EXPIRED: frozenset(),
}

_RUNG_OF_STATE: Mapping[CommandState.ValueType, Rung.ValueType] = {
    _S.COMMAND_STATE_RECEIVED: Rung.RUNG_RECEIVED,
    _S.COMMAND_STATE_QUEUED: Rung.RUNG_QUEUED,
    _S.COMMAND_STATE_SENT: Rung.RUNG_SENT,
    _S.COMMAND_STATE_ACCEPTED: Rung.RUNG_ACCEPTED,
    _S.COMMAND_STATE_APPLIED: Rung.RUNG_APPLIED,
    _S.COMMAND_STATE_EFFECTIVE: Rung.RUNG_EFFECTIVE,
}

STATE_OF_RUNG = {rung: state for state, rung in _RUNG_OF_STATE.items()}

UNSENT = frozenset({_S.COMMAND_STATE_RECEIVED, _S.COMMAND_STATE_QUEUED})
"""States in which nothing reached the vendor, so that cancelling and expiring are possible."""

ON_THE_WAY = UNSENT | {_S.COMMAND_STATE_SENT}
"""States in which the vendor has not accepted it yet."""

UNFINISHED = frozenset(_RUNG_OF_STATE)

FINISHED = frozenset(_NEXT) - UNFINISHED
"""States at which a queue goes on with the next command; OUTCOME_UNKNOWN is one of them."""


class TransitionForbidden(Exception):
    """The command is no longer where the move begins, for example because it was cancelled meanwhile."""


def received(command: Command, now: datetime) -> Command:
    """Return a new command in its first state."""
    result = _copy(command)
    result.state = _S.COMMAND_STATE_RECEIVED
    result.create_time.FromDatetime(now)
    result.update_time.FromDatetime(now)
    result.rungs.append(_rung(Rung.RUNG_RECEIVED, now, "stored"))
    return result


def moved(
    command: Command,
    state: CommandState.ValueType,
    now: datetime,
    *,
    evidence: str = "",
    reason: str | None = None,
    failure: CommandFailure | None = None,
) -> Command:
    """Return the command in its next state.

    Args:
        command: the command as it stands.
        state: where it goes.
        now: when.
        evidence: what proves the rung that is reached.
        reason: the vendor's own words. None: those from before stay.
        failure: why it ended, for states that need one.

    Raises:
        TransitionForbidden: the table does not allow it.
    """
    if state not in _NEXT[command.state]:
        raise TransitionForbidden(f"{_S.Name(command.state)} is not followed by {_S.Name(state)}")
    result = _copy(command)
    result.state = state
    result.update_time.FromDatetime(now)
    result.reason = result.reason if reason is None else reason
    if state == _S.COMMAND_STATE_SENT:
        result.send_count += 1
    if rung := _RUNG_OF_STATE.get(state):
        _reach(result, rung, now, evidence)
    result.ClearField("failure")
    if failure is not None:
        result.failure.CopyFrom(failure)
    return result


def climbed(command: Command, rung: Rung.ValueType, now: datetime, evidence: str) -> Command:
    """Return a command of unknown outcome whose rung was proven late; its state is moved by the caller."""
    result = _copy(command)
    for step in (Rung.RUNG_APPLIED, Rung.RUNG_EFFECTIVE):
        if highest_rung(result) < step <= rung:
            _reach(result, step, now, evidence)
    return result


def highest_rung(command: Command) -> Rung.ValueType:
    """Return the highest rung that was reached."""
    return command.rungs[-1].rung if command.rungs else Rung.RUNG_UNSPECIFIED


def time_of(command: Command, rung: Rung.ValueType) -> datetime | None:
    """Return when a rung was reached, or None."""
    for reached in command.rungs:
        if reached.rung == rung:
            return reached.reach_time.ToDatetime(UTC)
    return None


def is_expired(command: Command, now: datetime) -> bool:
    """Say whether it is too late to send the command."""
    return now >= command.expire_time.ToDatetime(UTC)


def _reach(command: Command, rung: Rung.ValueType, now: datetime, evidence: str) -> None:
    """Add a rung. Rungs at or above it fall away: a command that waits again has not been sent any more."""
    kept = [reached for reached in command.rungs if reached.rung < rung]
    del command.rungs[:]
    command.rungs.extend([*kept, _rung(rung, now, evidence)])


def _rung(rung: Rung.ValueType, now: datetime, evidence: str) -> CommandRung:
    result = CommandRung(rung=rung, evidence=evidence)
    result.reach_time.FromDatetime(now)
    return result


def _copy(command: Command) -> Command:
    result = Command()
    result.CopyFrom(command)
    return result
