"""The live data of a car, group by group, with the field names and units of the Fleet API.

Miles, mph, °C, bar and kWh whatever the car's screen shows. Source of the field set: Tesla Fleet
API documentation, vehicle-endpoints, and public sample bodies.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.live_data.charge import charge_state
from tesla_sandbox.cars.live_data.climate import climate_state
from tesla_sandbox.cars.live_data.drive import drive_state, location_data
from tesla_sandbox.cars.live_data.group import Group
from tesla_sandbox.cars.live_data.settings import (
    charge_schedule_data,
    gui_settings,
    preconditioning_schedule_data,
    vehicle_config,
)
from tesla_sandbox.cars.live_data.vehicle import closures_state, vehicle_state

GROUPS: Mapping[str, Callable[[Car], Group]] = MappingProxyType(
    {
        "charge_state": charge_state,
        "climate_state": climate_state,
        "closures_state": closures_state,
        "drive_state": drive_state,
        "gui_settings": gui_settings,
        "vehicle_config": vehicle_config,
        "vehicle_state": vehicle_state,
        "charge_schedule_data": charge_schedule_data,
        "preconditioning_schedule_data": preconditioning_schedule_data,
    }
)
"""Groups by the name that both the request and the answer use."""

LOCATION = "location_data"
"""The group that needs a scope of its own and shows inside `drive_state`."""

COMBINATION = "vehicle_data_combo"
"""The name that stands for the default groups."""

DEFAULT_GROUPS = (
    "charge_state",
    "climate_state",
    "drive_state",
    "gui_settings",
    "vehicle_config",
    "vehicle_state",
)
"""What a request without `endpoints` gets."""


def read_groups(car: Car, endpoints: frozenset[str]) -> Group:
    """The wanted groups; position only when `location_data` is wanted and the car shows it."""
    wanted = endpoints or frozenset(DEFAULT_GROUPS)
    if COMBINATION in wanted:
        wanted = wanted | frozenset(DEFAULT_GROUPS)
    groups = {name: render(car) for name, render in GROUPS.items() if name in wanted}
    if LOCATION in wanted and not car.spec.hide_location:
        groups["drive_state"] = {**location_data(car), **drive_state(car)}
    return dict(groups)
