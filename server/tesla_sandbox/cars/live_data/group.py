"""What every group of live data shares."""

from tesla_sandbox.cars.car import Car

Group = dict[str, object]
"""One group of live data by field name."""

UNKNOWN = "<invalid>"
"""What cars send for a text that they do not know."""


def timestamp(car: Car) -> int:
    """When the group was read, in unix milliseconds."""
    return int(car.updated_at * 1000)
