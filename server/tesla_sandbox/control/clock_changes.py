"""What the control surface shows of the clock and changes about it."""

from tesla_sandbox.clock import Clock
from tesla_sandbox.control.answers import Change, ControlError
from tesla_sandbox.timeline import Timeline


class ClockChange(Change):
    """Changes of the clock; `step_seconds` jumps forward."""

    paused: bool | None = None
    speed: float | None = None
    step_seconds: float | None = None


def clock_summary(clock: Clock) -> dict[str, object]:
    """The virtual time and how it flows."""
    return {"time": clock.time(), "now": clock.now().isoformat(), "speed": clock.speed, "paused": clock.paused}


def apply_clock_change(clock: Clock, timeline: Timeline, change: ClockChange) -> None:
    """Carry out the given fields; a jump takes what is planned on its way.

    Raises:
        ControlError: For a speed or a step out of range.
    """
    try:
        if change.speed is not None:
            clock.set_speed(change.speed)
        if change.paused is not None:
            (clock.pause if change.paused else clock.resume)()
        if change.step_seconds is not None:
            timeline.jump(change.step_seconds)
    except ValueError as unfit:
        raise ControlError(400, str(unfit)) from unfit
