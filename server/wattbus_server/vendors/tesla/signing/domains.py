"""The vehicle subsystems that accept signed commands."""

from enum import IntEnum


class Domain(IntEnum):
    """A subsystem with its own key, clock, epoch and counter.

    The numbers are those of `UniversalMessage.Domain` (teslamotors/vehicle-command protocol.md).
    """

    VEHICLE_SECURITY = 2
    """VCSEC, the security controller: locks, trunks, remote start."""

    INFOTAINMENT = 3
    """Everything else: charging, climate, media, schedules, settings."""
