"""What the car is built of, and how its screen shows units."""

from collections.abc import Mapping

from tesla_sandbox.cars.car import Car
from tesla_sandbox.telemetry.signals.signal import Signal, configured, flag, named, text

_CAR_TYPES = {
    "model3": "Model3",
    "modely": "ModelY",
    "models": "ModelS",
    "modelx": "ModelX",
    "cybertruck": "Cybertruck",
}


def _metric(car: Car) -> bool:
    return bool(car.model.vehicle_config()["eu_vehicle"])


BUILD: Mapping[str, Signal] = {
    "CarType": named("car_type_value", "CarType", lambda car: _CAR_TYPES[car.model.car_type]),
    "Trim": text(configured("trim_badging")),
    "ExteriorColor": text(configured("exterior_color")),
    "RoofColor": text(configured("roof_color")),
    "EfficiencyPackage": text(configured("efficiency_package")).from_firmware(2024, 44, 25),
    "EuropeVehicle": flag(_metric).from_firmware(2024, 44, 25),
    "RightHandDrive": flag(lambda car: bool(car.model.vehicle_config()["rhd"])).from_firmware(2024, 44, 25),
}
"""The car as it left the factory."""

SCREEN: Mapping[str, Signal] = {
    field: signal.from_firmware(2024, 44, 32)
    for field, signal in {
        "SettingDistanceUnit": named(
            "distance_unit_value", "DistanceUnit", lambda car: "Kilometers" if _metric(car) else "Miles"
        ),
        "SettingTemperatureUnit": named(
            "temperature_unit_value", "TemperatureUnit", lambda car: "Celsius" if _metric(car) else "Fahrenheit"
        ),
        "SettingTirePressureUnit": named(
            "pressure_unit_value", "PressureUnit", lambda car: "Bar" if _metric(car) else "Psi"
        ),
        "Setting24HourTime": flag(_metric),
    }.items()
}
"""Units of the screen; the values of other fields do not follow them."""
