"""The vehicle models that the sandbox can simulate, as data.

Figures are round public ones; they make a simulated car plausible, not a replica of a trim.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

ModelName = Literal["model3", "modely", "models", "modelx", "cybertruck"]
"""The models by the names that scenario files use."""

Market = Literal["eu", "na"]
"""Where a car was sold, which decides its plug and the phases of its charger."""

_NORTH_AMERICAN_VINS = ("5YJ", "7SA", "7G2")

_SHARED_CONFIG: Mapping[str, object] = MappingProxyType(
    {
        "badge_version": 1,
        "can_accept_navigation_requests": True,
        "can_actuate_trunks": True,
        "car_special_type": "base",
        "cop_user_set_temp_supported": True,
        "dashcam_clip_save_supported": True,
        "default_charge_to_max": False,
        "driver_assist": "TeslaAP3",
        "ece_restrictions": False,
        "exterior_color": "MidnightSilver",
        "exterior_trim": "Black",
        "exterior_trim_override": "",
        "has_air_suspension": False,
        "has_ludicrous_mode": False,
        "has_seat_cooling": False,
        "headlamp_type": "Global",
        "interior_trim_type": "Black2",
        "key_version": 2,
        "motorized_charge_port": True,
        "paint_color_override": "24,24,27,0.9,0.3",
        "performance_package": "Base",
        "plg": True,
        "pws": True,
        "rear_drive_unit": "PM216MOSFET",
        "rear_seat_heaters": 1,
        "rear_seat_type": 0,
        "rhd": False,
        "roof_color": "RoofColorGlass",
        "seat_type": None,
        "spoiler_type": "None",
        "sun_roof_installed": None,
        "supports_qr_pairing": False,
        "third_row_seats": "None",
        "use_range_badging": True,
        "webcam_selfie_supported": True,
        "webcam_supported": True,
        "wheel_type": "Pinwheel18CapKit",
    }
)


@dataclass(frozen=True, slots=True)
class VehicleModel:
    """What distinguishes one kind of car from another.

    Attributes:
        car_type: Tesla's short name of the model.
        capacity_kwh: Usable energy of a warm, full battery, in kWh.
        rated_kwh_per_mile: Consumption behind the rated range.
        max_ac_amps: Highest current per phase of the on-board charger.
        max_ac_phases: Phases that the on-board charger uses.
        settings: Values of `vehicle_config` that differ from the shared ones.
    """

    car_type: str
    capacity_kwh: float
    rated_kwh_per_mile: float
    max_ac_amps: int
    max_ac_phases: int
    settings: Mapping[str, object]

    def vehicle_config(self) -> dict[str, object]:
        """The static part of the `vehicle_config` group."""
        return {**_SHARED_CONFIG, "car_type": self.car_type, **self.settings}


@dataclass(frozen=True, slots=True)
class _Line:
    capacity_kwh: float
    rated_kwh_per_mile: float
    settings: Mapping[str, object]


_LINES: Mapping[ModelName, _Line] = {
    "model3": _Line(75.0, 0.235, {"trim_badging": "74d", "efficiency_package": "M32021"}),
    "modely": _Line(75.0, 0.255, {"trim_badging": "74d", "efficiency_package": "MY2021"}),
    "models": _Line(
        95.0,
        0.245,
        {
            "trim_badging": "100d",
            "efficiency_package": "Default",
            "has_air_suspension": True,
            "has_seat_cooling": True,
        },
    ),
    "modelx": _Line(
        95.0,
        0.29,
        {
            "trim_badging": "100d",
            "efficiency_package": "Default",
            "has_air_suspension": True,
            "third_row_seats": "FuturisFoldFlat",
        },
    ),
    "cybertruck": _Line(
        122.0,
        0.38,
        {"trim_badging": "awd", "efficiency_package": "Default", "has_air_suspension": True},
    ),
}

_MARKETS: Mapping[Market, tuple[int, int, Mapping[str, object]]] = {
    "eu": (16, 3, {"aux_park_lamps": "Eu", "charge_port_type": "CCS", "eu_vehicle": True}),
    "na": (48, 1, {"aux_park_lamps": "NaPremium", "charge_port_type": "US", "eu_vehicle": False}),
}
"""Amps and phases of the on-board charger, and settings, by market."""


@cache
def vehicle_model(name: ModelName, market: Market) -> VehicleModel:
    """The model as it is sold in a market."""
    line = _LINES[name]
    amps, phases, settings = _MARKETS[market]
    return VehicleModel(
        name,
        line.capacity_kwh,
        line.rated_kwh_per_mile,
        amps,
        phases,
        {**settings, **line.settings},
    )


def market_of(vin: str) -> Market:
    """The market that the manufacturer's part of a VIN suggests."""
    return "na" if vin.startswith(_NORTH_AMERICAN_VINS) else "eu"
