"""A car's stays at fast chargers, which its owner pays for. Energy in kWh, times in unix seconds."""

from dataclasses import dataclass

MOST_KEPT = 200


@dataclass(slots=True)
class FastChargeSession:
    """One stay.

    Attributes:
        number: Counts the car's stays from 1.
        place: Where, as latitude and longitude in degrees.
        started_at: When current began to flow.
        stopped_at: When it last flowed.
        energy: What the charger gave.
        unlatched_at: When the cable was pulled out; None before.
    """

    number: int
    place: tuple[float, float]
    started_at: float
    stopped_at: float
    energy: float = 0.0
    unlatched_at: float | None = None


class FastChargingLog:
    """The latest stays of a car, oldest first."""

    def __init__(self) -> None:
        self._sessions: list[FastChargeSession] = []

    def finished(self) -> list[FastChargeSession]:
        """The stays that are over."""
        return [session for session in self._sessions if session.unlatched_at is not None]

    def take(self, place: tuple[float, float], start: float, end: float, energy: float) -> None:
        """Count energy that flowed from `start` to `end`."""
        if not self._sessions or self._sessions[-1].unlatched_at is not None:
            number = self._sessions[-1].number + 1 if self._sessions else 1
            self._sessions.append(FastChargeSession(number, place, start, end))
            del self._sessions[:-MOST_KEPT]
        session = self._sessions[-1]
        session.stopped_at = end
        session.energy += energy

    def unlatch(self, now: float) -> None:
        """End the stay, if there is one."""
        if self._sessions and self._sessions[-1].unlatched_at is None:
            self._sessions[-1].unlatched_at = now
