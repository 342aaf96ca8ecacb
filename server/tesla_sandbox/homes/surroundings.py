"""What a home finds itself in: the sun on its panels and the people in its rooms. Powers in W."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tesla_sandbox.homes.house_load import HouseLoad, house_load
from tesla_sandbox.homes.sun import Panels, solar_power

if TYPE_CHECKING:
    from tesla_sandbox.scenario import HomeSpec


@dataclass(slots=True)
class Surroundings:
    """Sun and house load over time.

    Attributes:
        panels: None without solar panels.
        load_override: House load instead of the simulated one.
        solar_override: Sunshine instead of the simulated one.
    """

    zone: ZoneInfo
    panels: Panels | None
    house: HouseLoad
    load_override: float | None = None
    solar_override: float | None = None

    @classmethod
    def from_spec(cls, spec: HomeSpec) -> Surroundings:
        """The surroundings that a scenario describes."""
        phase = (spec.site_id * 0.6180339887) % 1
        house = HouseLoad(spec.load.base_w, spec.load.swing_w, phase)
        return cls(ZoneInfo(spec.time_zone), _panels(spec), house)

    def sunshine(self, moment: float) -> float:
        """What the panels could deliver at a moment."""
        if self.solar_override is not None:
            return self.solar_override
        return solar_power(self.panels, moment) if self.panels is not None else 0.0

    def house_load(self, moment: float) -> float:
        """What the house asks for at a moment, without cars."""
        if self.load_override is not None:
            return self.load_override
        offset = datetime.fromtimestamp(moment, self.zone).utcoffset()
        return house_load(self.house, moment, offset.total_seconds() if offset is not None else 0.0)


def _panels(spec: HomeSpec) -> Panels | None:
    if spec.solar is None:
        return None
    return Panels(
        peak_w=spec.solar.peak_w,
        tilt=spec.solar.tilt_degrees,
        azimuth=spec.solar.azimuth_degrees,
        clearness=spec.solar.clearness,
        latitude=spec.location.latitude,
        longitude=spec.location.longitude,
    )
