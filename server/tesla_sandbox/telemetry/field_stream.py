"""When the value of one configured field goes into a bundle."""

import math
from dataclasses import dataclass

from tesla_sandbox.cars.car import Car
from tesla_sandbox.telemetry.configuration import FieldSettings
from tesla_sandbox.telemetry.signals.signal import Place, Reading, Signal

_METRES_PER_DEGREE = 111_195.0


@dataclass(slots=True)
class FieldStream:
    """One field of one stream. Times in unix seconds.

    Attributes:
        name: The field's name.
        interval: Shortest time between two values.
        delta: Smallest change that counts; 0 counts every change.
        resend_interval: Time after which an unchanged value is sent again.
        sent: The value that went out last.
        sent_at: When it did; minus infinite before the first.
    """

    name: str
    signal: Signal
    interval: float
    delta: float
    resend_interval: float
    sent: Reading = None
    sent_at: float = -math.inf

    @classmethod
    def configured(cls, name: str, signal: Signal, settings: FieldSettings) -> "FieldStream":
        """A field that has sent nothing yet."""
        delta = signal.delta if settings.minimum_delta is None else settings.minimum_delta
        resend = settings.resend_interval_seconds
        return cls(name, signal, settings.interval_seconds, delta, math.inf if resend is None else resend)

    @property
    def due_at(self) -> float:
        """When the field may be sent again, if its value has changed by then."""
        return self.sent_at + self.interval

    def take(self, car: Car, now: float) -> bool:
        """Read the car; True, and remembered as sent, if the value belongs into the bundle of `now`."""
        if now < self.due_at:
            return False
        value = self.signal.read(car)
        repeated = now >= self.sent_at + self.resend_interval
        if not (self.sent_at == -math.inf or repeated or self._changed(value)):
            return False
        self.sent, self.sent_at = value, now
        return True

    def forget(self) -> None:
        """Send the value anew, whatever it is."""
        self.sent, self.sent_at = None, -math.inf

    def _changed(self, value: Reading) -> bool:
        before = self.sent
        if self.delta > 0:
            if isinstance(value, Place) and isinstance(before, Place):
                return _metres(before, value) >= self.delta
            if _is_number(value) and _is_number(before):
                return abs(float(str(value)) - float(str(before))) >= self.delta
        return value != before


def _is_number(value: Reading) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _metres(start: Place, end: Place) -> float:
    """Distance between places that are close to each other."""
    north = end.latitude - start.latitude
    east = (end.longitude - start.longitude) * math.cos(math.radians(start.latitude))
    return math.hypot(north, east) * _METRES_PER_DEGREE
