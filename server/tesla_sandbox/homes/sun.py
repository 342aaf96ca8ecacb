"""Where the sun stands and what solar panels make of it.

The position follows the usual low-precision solar equations; the clear-sky light falls with air
mass by Meinel's rule (1361 W/m² above the air, 0.7 to the power of air mass^0.678).
"""

import math
from dataclasses import dataclass

SOLAR_CONSTANT = 1361.0
DIFFUSE_SHARE = 0.1
STANDARD_LIGHT = 1000.0
SECONDS_PER_DAY = 86_400.0
J2000 = 946_728_000.0
OBLIQUITY = math.radians(23.439)


@dataclass(frozen=True, slots=True)
class Panels:
    """Solar panels at one place; angles in degrees, azimuth 0 north and 180 south."""

    peak_w: float
    tilt: float
    azimuth: float
    clearness: float
    latitude: float
    longitude: float


def sun_direction(latitude: float, longitude: float, moment: float) -> tuple[float, float, float]:
    """The unit vector to the sun at a place as (east, north, up); `moment` in unix seconds."""
    days = (moment - J2000) / SECONDS_PER_DAY
    mean_longitude = math.radians((280.460 + 0.9856474 * days) % 360)
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = mean_longitude + math.radians(1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    declination = math.asin(math.sin(OBLIQUITY) * math.sin(ecliptic))
    ascension = math.atan2(math.cos(OBLIQUITY) * math.sin(ecliptic), math.cos(ecliptic))
    sidereal = math.radians((280.46061837 + 360.98564736629 * days + longitude) % 360)
    hour_angle = sidereal - ascension
    phi = math.radians(latitude)
    east = -math.cos(declination) * math.sin(hour_angle)
    north = math.cos(phi) * math.sin(declination) - math.sin(phi) * math.cos(declination) * math.cos(hour_angle)
    up = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(hour_angle)
    return east, north, up


def solar_power(panels: Panels, moment: float) -> float:
    """AC power in W that the panels could deliver; 0 while the sun is down."""
    east, north, up = sun_direction(panels.latitude, panels.longitude, moment)
    if up <= 0:
        return 0.0
    air_mass = 1 / max(up, 0.02)
    beam: float = SOLAR_CONSTANT * 0.7 ** (air_mass**0.678)
    tilt, azimuth = math.radians(panels.tilt), math.radians(panels.azimuth)
    incidence = (
        east * math.sin(tilt) * math.sin(azimuth) + north * math.sin(tilt) * math.cos(azimuth) + up * math.cos(tilt)
    )
    light = beam * max(incidence, 0.0) + DIFFUSE_SHARE * beam * up
    return panels.peak_w * panels.clearness * min(light / STANDARD_LIGHT, 1.1)
