"""Vehicle bodies: the vehicle record and `vehicle_data`.

Units of the bodies are fixed (miles, mph, kW, kWh, hours, degrees Celsius) and do not follow the display settings.

Sources: Tesla Fleet API documentation, endpoints/vehicle-endpoints; field bounds from public samples.
"""

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from wattbus.v1.state_pb2 import (
    ChargingStatus,
    Connectivity,
    ConnectivityStatus,
    DeviceState,
    Gear,
    Position,
    VehicleState,
)

from wattbus_server.vendors.tesla.normalize.fields import (
    METRES_PER_MILE,
    METRES_PER_SECOND_PER_MPH,
    PER_KILO,
    SECONDS_PER_MINUTE,
    Body,
    Choice,
    Number,
    Opening,
    Rule,
    Switch,
    Words,
    fill,
    lookup,
    mapping,
    number,
    text,
    time_from_milliseconds,
    time_from_seconds,
    timestamp,
)

CONNECTIVITY: Mapping[str, ConnectivityStatus.ValueType] = {
    "online": ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE,
    "asleep": ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP,
    "offline": ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE,
}

_CHARGING = {
    "Disconnected": ChargingStatus.CHARGING_STATUS_DISCONNECTED,
    "NoPower": ChargingStatus.CHARGING_STATUS_NO_POWER,
    "Starting": ChargingStatus.CHARGING_STATUS_STARTING,
    "Charging": ChargingStatus.CHARGING_STATUS_CHARGING,
    "Complete": ChargingStatus.CHARGING_STATUS_COMPLETE,
    "Stopped": ChargingStatus.CHARGING_STATUS_STOPPED,
}

# While charging has stopped, Tesla says 0 whatever is missing.
_TIME_MEANS_SOMETHING = frozenset(
    {
        ChargingStatus.CHARGING_STATUS_STARTING,
        ChargingStatus.CHARGING_STATUS_CHARGING,
        ChargingStatus.CHARGING_STATUS_COMPLETE,
    }
)

_GEARS = {
    "P": Gear.GEAR_PARK,
    "R": Gear.GEAR_REVERSE,
    "N": Gear.GEAR_NEUTRAL,
    "D": Gear.GEAR_DRIVE,
}

_LONGEST_RANGE_MILES = 2000
_LONGEST_CHARGE_MINUTES = 60 * 24 * 30

_CHARGE: tuple[Rule, ...] = (
    Choice("charging_state", "status", _CHARGING, "vendor_status"),
    Number("battery_level", "charge_percent", 0, 100),
    Number("usable_battery_level", "usable_charge_percent", 0, 100),
    Number("energy_remaining", "energy_wh", 0, 300, PER_KILO),
    Number("battery_range", "range_m", 0, _LONGEST_RANGE_MILES, METRES_PER_MILE),
    Number("est_battery_range", "estimated_range_m", 0, _LONGEST_RANGE_MILES, METRES_PER_MILE),
    Number("charge_limit_soc", "limit_percent", 0, 100, whole=True),
    Number("charge_limit_soc_min", "limit_minimum_percent", 0, 100, whole=True),
    Number("charge_limit_soc_max", "limit_maximum_percent", 0, 100, whole=True),
    Number("charge_current_request", "requested_current_amps", 0, 1000, whole=True),
    Number("charge_current_request_max", "requested_current_maximum_amps", 0, 1000, whole=True),
    Number("charger_actual_current", "current_amps", 0, 1000),
    Number("charger_pilot_current", "offered_current_amps", 0, 1000),
    Number("charger_voltage", "voltage_volts", 0, 1500),
    Number("charger_phases", "vendor_phase_count", 1, 3, whole=True),
    Number("charger_power", "power_w", -1, 1500, PER_KILO, floor=0),
    Number("charge_energy_added", "energy_added_wh", 0, 1000, PER_KILO),
    Number("minutes_to_full_charge", "seconds_to_limit", 0, _LONGEST_CHARGE_MINUTES, SECONDS_PER_MINUTE, whole=True),
    Switch("fast_charger_present", "fast_charger_present"),
    Switch("charge_port_door_open", "charge_port_open"),
)

_CLIMATE: tuple[Rule, ...] = (
    Switch("is_climate_on", "active"),
    Number("inside_temp", "inside_temperature_celsius", -60, 100),
    Number("outside_temp", "outside_temperature_celsius", -80, 80),
    Number("driver_temp_setting", "driver_target_celsius", 0, 50),
    Number("passenger_temp_setting", "passenger_target_celsius", 0, 50),
    Number("min_avail_temp", "target_minimum_celsius", 0, 50),
    Number("max_avail_temp", "target_maximum_celsius", 0, 50),
    Switch("is_preconditioning", "preconditioning"),
    Switch("battery_heater", "battery_heater_active"),
)

_CLOSURES: tuple[Rule, ...] = (
    Switch("locked", "locked"),
    Opening(("df", "dr", "pf", "pr"), "any_door_open"),
    Opening(("fd_window", "fp_window", "rd_window", "rp_window"), "any_window_open"),
    Opening(("ft",), "front_trunk_open"),
    Opening(("rt",), "rear_trunk_open"),
    Switch("sentry_mode", "sentry_mode"),
    Switch("valet_mode", "valet_mode"),
    Switch("is_user_present", "user_present"),
)

_DRIVE: tuple[Rule, ...] = (
    Choice("shift_state", "gear", _GEARS),
    Number("speed", "speed_mps", 0, 300, METRES_PER_SECOND_PER_MPH),
    # Tesla counts what the drive takes from the battery.
    Number("power", "power_w", -2000, 2000, -PER_KILO),
    Number("heading", "heading_degrees", 0, 360),
)

_INFORMATION: tuple[Rule, ...] = (
    Words("display_name", "display_name"),
    Words("vehicle_state.vehicle_name", "display_name"),
    Words("vehicle_config.car_type", "vendor_model"),
    Switch("in_service", "in_service"),
    Number("vehicle_state.odometer", "odometer_m", 0, 10_000_000, METRES_PER_MILE),
)


def connectivity(record: object, received: datetime) -> Connectivity | None:
    """Read the `state` of a vehicle record; None if the record does not say.

    It is all that is taken from a record: groups replace each other as a whole, and the little that a record has of
    `information` would erase what `vehicle_data` told.
    """
    word = text(lookup(record, "state"))
    if not word:
        return None
    status = CONNECTIVITY.get(word, ConnectivityStatus.CONNECTIVITY_STATUS_UNSPECIFIED)
    return Connectivity(observe_time=timestamp(received), status=status, vendor_status=word)


def from_vehicle_data(data: object, received: datetime) -> DeviceState:
    """Normalise a `vehicle_data` answer. Groups that the answer does not have are absent."""
    body = mapping(data)
    state = DeviceState()
    _set_connectivity(state, body, received)
    for group, source, rules in (
        ("charge", "charge_state", _CHARGE),
        ("climate", "climate_state", _CLIMATE),
        ("closures", "vehicle_state", _CLOSURES),
        ("drive", "drive_state", _DRIVE),
    ):
        part = mapping(body.get(source))
        _set_group(state, group, part, rules, time_from_milliseconds(part.get("timestamp"), received))
    _derive_charge(state, mapping(body.get("charge_state")))
    _derive_position(state, body, received)
    observed = time_from_milliseconds(lookup(body, "vehicle_state.timestamp"), received)
    _set_group(state, "information", body, _INFORMATION, observed)
    _derive_software(state, body)
    return state


def _set_connectivity(state: DeviceState, record: object, received: datetime) -> None:
    found = connectivity(record, received)
    if found is not None:
        state.connectivity.CopyFrom(found)


def _set_group(state: DeviceState, group: str, body: object, rules: tuple[Rule, ...], observed: Timestamp) -> None:
    found: Message = type(getattr(VehicleState(), group))()
    if fill(found, body, rules):
        target = getattr(state.vehicle, group)
        target.CopyFrom(found)
        target.observe_time.CopyFrom(observed)


def _derive_charge(state: DeviceState, body: Body) -> None:
    """Add what stands in no single field: the cable, its latch, and the remaining time in hours."""
    if not state.vehicle.HasField("charge"):
        return
    charge = state.vehicle.charge
    if charge.status:
        charge.plugged_in = charge.status != ChargingStatus.CHARGING_STATUS_DISCONNECTED
    latch = text(body.get("charge_port_latch"))
    if latch == "Disengaged":
        charge.cable_latched = False
    elif latch == "Engaged" and charge.HasField("plugged_in"):
        charge.cable_latched = charge.plugged_in
    hours = number(body.get("time_to_full_charge"))
    if not charge.HasField("seconds_to_limit") and hours is not None and 0 <= hours * 60 <= _LONGEST_CHARGE_MINUTES:
        charge.seconds_to_limit = round(hours * 3600)
    if charge.status not in _TIME_MEANS_SOMETHING:
        charge.ClearField("seconds_to_limit")


def _derive_position(state: DeviceState, body: Body, received: datetime) -> None:
    """Add the position, which current servers put into `drive_state` and others into `location_data`."""
    for source in ("drive_state", "location_data"):
        part = mapping(body.get(source))
        latitude, longitude = number(part.get("latitude")), number(part.get("longitude"))
        if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
            continue
        drive = state.vehicle.drive
        drive.position.CopyFrom(Position(latitude_degrees=latitude, longitude_degrees=longitude))
        drive.position_time.CopyFrom(time_from_seconds(part.get("gps_as_of"), received))
        if not drive.HasField("observe_time"):
            drive.observe_time.CopyFrom(time_from_milliseconds(part.get("timestamp"), received))
        return


def _derive_software(state: DeviceState, body: Body) -> None:
    """Add the version without the build's hash that follows it."""
    version = text(lookup(body, "vehicle_state.car_version")).partition(" ")[0]
    if version and state.vehicle.HasField("information"):
        state.vehicle.information.software_version = version
