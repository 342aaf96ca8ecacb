"""What one telemetry field is: where its value comes from and how it is put on the wire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from tesla_protocol.telemetry.vehicle_data_pb2 import Doors, LocationValue, TireLocation, Value

from tesla_sandbox.cars.car import Car

Firmware = tuple[int, ...]

_PACIFIC = ZoneInfo("America/Los_Angeles")


class Place(NamedTuple):
    """A position in degrees."""

    latitude: float
    longitude: float


class Flags(frozenset[str]):
    """The names of the flags that are set in a message of flags."""


Reading = bool | int | float | str | Place | Flags | Value | None
"""A value of a field; None is `invalid`: the car has no value now. A `Value` goes over the wire as it is."""

FLAG_MESSAGES: Mapping[str, type[Doors] | type[TireLocation]] = {
    "door_value": Doors,
    "tire_location_value": TireLocation,
}
"""Arms that hold a message of flags."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One field.

    Attributes:
        arm: Name of the arm of `Value`; the car decides it, and it may differ between versions.
        read: The present value; texts of an enum arm are names of that enum.
        since: First firmware that sends the field.
        delta: Change that is ignored when the configuration names none.
    """

    arm: str
    read: Callable[[Car], Reading]
    since: Firmware = (2024, 26)
    delta: float = 0.0

    def from_firmware(self, *since: int) -> Self:
        """The same field, sent by later firmware only."""
        return type(self)(self.arm, self.read, since, self.delta)

    def encode(self, reading: Reading) -> Value:
        """The reading as it goes over the wire."""
        if reading is None:
            return Value(invalid=True)
        if isinstance(reading, Value):
            return reading
        if isinstance(reading, Place):
            return Value(location_value=LocationValue(latitude=reading.latitude, longitude=reading.longitude))
        if isinstance(reading, Flags):
            flags: dict[str, Any] = dict.fromkeys(sorted(reading), True)
            arm: dict[str, Any] = {self.arm: FLAG_MESSAGES[self.arm](**flags)}
            return Value(**arm)
        arm = {self.arm: reading}
        return Value(**arm)


def real(read: Callable[[Car], float | None], delta: float = 0.0) -> Signal:
    """A number with decimals."""
    return Signal("double_value", read, delta=delta)


def whole(read: Callable[[Car], int | None]) -> Signal:
    """A whole number."""
    return Signal("int_value", read)


def clock_time(read: Callable[[Car], float | None]) -> Signal:
    """A moment (unix seconds) as cars send it: the time on the car's own clock, taken for Pacific time."""

    def shown(car: Car) -> int | None:
        moment = read(car)
        if moment is None:
            return None
        return int(datetime.fromtimestamp(moment, car.zone).replace(tzinfo=_PACIFIC).timestamp())

    return Signal("long_value", shown)


def flag(read: Callable[[Car], bool | None]) -> Signal:
    """A yes or no."""
    return Signal("boolean_value", read)


def text(read: Callable[[Car], str | None]) -> Signal:
    """A text."""
    return Signal("string_value", read)


def named(arm: str, prefix: str, read: Callable[[Car], str]) -> Signal:
    """A value of an enum whose names all begin with `prefix`."""
    return Signal(arm, lambda car: prefix + read(car))


def configured(name: str) -> Callable[[Car], str]:
    """Reads a text of `vehicle_config`."""
    return lambda car: str(car.model.vehicle_config()[name])
