"""A drive in a straight line from where the car is to a destination."""

import math
from dataclasses import dataclass

_MILES_PER_DEGREE = 69.0


@dataclass(slots=True)
class Drive:
    """Position and motion. Speed in mph, distance in miles, angles in degrees.

    Attributes:
        heading: Direction of travel, 0 is north, 90 is east.
        destination: Where the car goes; None while it is parked.
    """

    latitude: float
    longitude: float
    odometer: float
    heading: float = 0.0
    speed: float = 0.0
    destination: tuple[float, float] | None = None
    destination_name: str = ""

    @property
    def moving(self) -> bool:
        """Whether the car drives."""
        return self.destination is not None

    def start(self, latitude: float, longitude: float, speed: float, name: str = "") -> None:
        """Begin to drive to a place at a constant speed above 0."""
        self.destination, self.destination_name, self.speed = (latitude, longitude), name, speed
        north, east = self._miles_to_destination()
        self.heading = math.degrees(math.atan2(east, north)) % 360

    def miles_left(self) -> float:
        """Distance to the destination; 0 while parked."""
        return math.hypot(*self._miles_to_destination())

    def hours_left(self) -> float:
        """Time to the destination; infinite while parked."""
        return self.miles_left() / self.speed if self.moving else math.inf

    def advance(self, hours: float) -> float:
        """Move for `hours` and return the miles driven; arriving parks the car."""
        if self.destination is None:
            return 0.0
        total = self.miles_left()
        driven = min(self.speed * hours, total)
        share = driven / total if total else 1.0
        self.latitude += (self.destination[0] - self.latitude) * share
        self.longitude += (self.destination[1] - self.longitude) * share
        self.odometer += driven
        return driven

    def park(self) -> None:
        """Stop where the car is."""
        self.speed, self.destination, self.destination_name = 0.0, None, ""

    def _miles_to_destination(self) -> tuple[float, float]:
        if self.destination is None:
            return 0.0, 0.0
        narrowing = math.cos(math.radians((self.latitude + self.destination[0]) / 2))
        north = (self.destination[0] - self.latitude) * _MILES_PER_DEGREE
        east = (self.destination[1] - self.longitude) * _MILES_PER_DEGREE * narrowing
        return north, east
