"""Made-up charging sites around the place where a car's life began."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tesla_sandbox.cars.car import Car

AMENITIES = "restrooms,wifi"
_MILES_PER_DEGREE = 69.0


@dataclass(frozen=True, slots=True)
class Charger:
    """A charging site, in degrees north and east of where the car's life began; without stalls it is a destination."""

    name: str
    kind: str
    north: float
    east: float
    stalls: int = 0

    @property
    def available_stalls(self) -> int:
        """How many stalls nobody uses."""
        return self.stalls // 2

    def position(self, car: Car) -> tuple[float, float]:
        """Latitude and longitude, in degrees."""
        origin = car.spec.location
        return round(origin.latitude + self.north, 6), round(origin.longitude + self.east, 6)

    def miles(self, car: Car, place: tuple[float, float] | None = None) -> float:
        """How far the car, or another place, is from it."""
        latitude, longitude = self.position(car)
        here = place or car.place
        north, east = latitude - here[0], (longitude - here[1]) * math.cos(math.radians(latitude))
        return round(_MILES_PER_DEGREE * math.hypot(north, east), 3)


CHARGERS: Sequence[Charger] = (
    Charger("Riverside", "supercharger", 0.03, 0.05, 12),
    Charger("Old Mill", "supercharger", -0.08, 0.02, 8),
    Charger("North Junction", "supercharger", 0.21, -0.12, 20),
    Charger("Hotel Garden", "destination", 0.01, -0.02),
    Charger("Market Hall", "destination", -0.02, 0.03),
)


def nearest(car: Car, kind: str, most: int, place: tuple[float, float] | None = None) -> list[Charger]:
    """At most so many sites of a kind, those that are nearest to the car, or to another place, first."""
    sites = (entry for entry in CHARGERS if entry.kind == kind)
    return sorted(sites, key=lambda entry: entry.miles(car, place))[:most]
