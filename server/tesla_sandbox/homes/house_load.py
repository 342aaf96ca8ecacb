"""What a house uses over a day: a floor, a morning and an evening hump, and some unrest."""

import math
from dataclasses import dataclass

MORNING_HOUR, EVENING_HOUR = 7.5, 18.75
MORNING_WIDTH, EVENING_WIDTH = 1.2, 2.2
MORNING_HEIGHT = 0.55
UNREST = 0.12


@dataclass(frozen=True, slots=True)
class HouseLoad:
    """The load's shape. `phase` (0 to 1) makes the unrest of one house differ from another's."""

    base_w: float
    swing_w: float
    phase: float


def house_load(load: HouseLoad, moment: float, utc_offset: float) -> float:
    """Power in W at a moment (unix seconds), for a local time `utc_offset` seconds from UTC."""
    hour = (moment + utc_offset) % 86_400 / 3600
    morning = MORNING_HEIGHT * _hump(hour, MORNING_HOUR, MORNING_WIDTH)
    evening = _hump(hour, EVENING_HOUR, EVENING_WIDTH)
    angle = 2 * math.pi * (moment / 1_740 + load.phase)
    unrest = 1 + UNREST * (math.sin(angle) + 0.6 * math.sin(3.7 * angle + 1.3))
    return (load.base_w + load.swing_w * (morning + evening)) * max(unrest, 0.3)


def _hump(hour: float, centre: float, width: float) -> float:
    distance = min(abs(hour - centre), 24 - abs(hour - centre))
    return math.exp(-((distance / width) ** 2) / 2)
