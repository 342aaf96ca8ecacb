"""What infotainment answers to signed requests that only read: live data by group, and charging sites nearby.

The messages take their values from the groups of the REST answer, by field name.
"""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from tesla_protocol.command.car_server_pb2 import (
    DestinationCharging,
    GetNearbyChargingSites,
    GetVehicleData,
    NearbyChargingSites,
    Response,
    Superchargers,
    VehicleAction,
)
from tesla_protocol.command.common_pb2 import LatLong
from tesla_protocol.command.vehicle_pb2 import VehicleData

from tesla_sandbox.cars.cabin import DOORS
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.live_data.charge import charge_state
from tesla_sandbox.cars.live_data.climate import climate_state
from tesla_sandbox.cars.live_data.drive import drive_state, location_data
from tesla_sandbox.cars.live_data.group import Group
from tesla_sandbox.cars.live_data.vehicle import closures_state
from tesla_sandbox.cars.nearby import AMENITIES, Charger, nearest

MOST_SITES = 25

_SIDES = ("driver_front", "driver_rear", "passenger_front", "passenger_rear")
_CLIMATE_NAMES = {
    "inside_temp": "inside_temp_celsius",
    "outside_temp": "outside_temp_celsius",
    "min_avail_temp": "min_avail_temp_celsius",
    "max_avail_temp": "max_avail_temp_celsius",
}
_CLOSURE_NAMES = {
    **{door: f"door_open_{side}" for door, side in zip(DOORS, _SIDES, strict=True)},
    "ft": "door_open_trunk_front",
    "rt": "door_open_trunk_rear",
}
_REQUESTS: Mapping[str, tuple[str, Callable[[Car], Group], Mapping[str, str]]] = {
    "getChargeState": ("charge_state", charge_state, {}),
    "getClimateState": ("climate_state", climate_state, _CLIMATE_NAMES),
    "getDriveState": ("drive_state", drive_state, {}),
    "getLocationState": ("location_state", location_data, {}),
    "getClosuresState": ("closures_state", closures_state, _CLOSURE_NAMES),
}
"""Requested group to the answer's field, where its values come from, and names that differ."""

_WHOLE = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
_REAL = {FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE}


READS = frozenset({"getVehicleData", "getNearbyChargingSites"})
"""The arms of an action that only read."""


def is_read(action: VehicleAction) -> bool:
    """Whether an action only reads."""
    return action.WhichOneof("vehicle_action_msg") in READS


def shows_position(action: VehicleAction) -> bool:
    """Whether a reading action asks where the car is."""
    return action.HasField("getVehicleData") and action.getVehicleData.HasField("getLocationState")


def read(car: Car, action: VehicleAction) -> Response | None:
    """The answer, or None for an action that does something."""
    kind = action.WhichOneof("vehicle_action_msg")
    if kind == "getVehicleData":
        return Response(vehicleData=_vehicle_data(car, action.getVehicleData))
    if kind == "getNearbyChargingSites":
        return Response(getNearbyChargingSites=_sites(car, action.getNearbyChargingSites))
    return None


def _vehicle_data(car: Car, request: GetVehicleData) -> VehicleData:
    data = VehicleData()
    for asked, (name, group, renamed) in _REQUESTS.items():
        if not request.HasField(asked):
            continue
        if name == "location_state" and car.spec.hide_location:
            continue
        state: Any = getattr(data, name)
        _fill(state, group(car), renamed)
        state.timestamp.FromNanoseconds(int(car.updated_at * 1e9))
    return data


def _fill(message: Message, group: Group, renamed: Mapping[str, str]) -> None:
    fields = message.DESCRIPTOR.fields_by_name
    for name, value in group.items():
        field = fields.get(renamed.get(name, name))
        if field is None or value is None:
            continue
        if field.message_type is not None:
            _choose(getattr(message, field.name), value)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            setattr(message, field.name, bool(value))
        elif field.cpp_type in _WHOLE and isinstance(value, int | float):
            setattr(message, field.name, round(value))
        elif field.cpp_type in _REAL and isinstance(value, int | float):
            setattr(message, field.name, float(value))
        elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            setattr(message, field.name, str(value))


def _choose(message: Message, value: object) -> None:
    """States such as `ChargingState` are messages with one empty message for each value."""
    if isinstance(value, str) and value in message.DESCRIPTOR.fields_by_name:
        getattr(message, value).SetInParent()


def _sites(car: Car, request: GetNearbyChargingSites) -> NearbyChargingSites:
    count = request.count if request.count > 0 else MOST_SITES
    answer = NearbyChargingSites(congestion_sync_time_utc_secs=int(car.updated_at))
    answer.timestamp.FromNanoseconds(int(car.updated_at * 1e9))
    answer.superchargers.extend(
        Superchargers(
            name=site.name,
            amenities=AMENITIES,
            location=_place(car, site),
            distance_miles=site.miles(car),
            total_stalls=site.stalls,
            available_stalls=site.available_stalls,
        )
        for site in nearest(car, "supercharger", count)
    )
    answer.destination_charging.extend(
        DestinationCharging(
            name=site.name, amenities=AMENITIES, location=_place(car, site), distance_miles=site.miles(car)
        )
        for site in nearest(car, "destination", count)
    )
    return answer


def _place(car: Car, site: Charger) -> LatLong:
    latitude, longitude = site.position(car)
    return LatLong(latitude=latitude, longitude=longitude)
