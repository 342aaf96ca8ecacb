"""The devices and states that the benchmarks use: half batteries, half vehicles, filled as real ones are."""

import time

from wattbus.v1.action_pb2 import BatteryMode, ExportRule
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.state_pb2 import ChargingStatus, ConnectivityStatus, DeviceState

from wattbus_server.vendors.contract import DiscoveredDevice

DEVICES = 1000
REST_SECONDS = 1.0
"""Pause between two bursts, in which the server stores the states, and each side is as idle as the other."""


def discovered() -> list[DiscoveredDevice]:
    """Return the devices that a vendor would list."""
    kinds = (DeviceKind.DEVICE_KIND_BATTERY, DeviceKind.DEVICE_KIND_VEHICLE)
    return [DiscoveredDevice(kinds[number % 2], f"{number}", f"device/{number}") for number in range(DEVICES)]


def observation(device: str, kind: DeviceKind.ValueType, turn: int) -> DeviceState:
    """Return a full state, in each turn with other values than in the one before."""
    state = DeviceState(device=device)
    state.connectivity.status = ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE
    state.connectivity.observe_time.FromNanoseconds(time.time_ns())
    if kind == DeviceKind.DEVICE_KIND_BATTERY:
        _fill_battery(state, turn)
    else:
        _fill_vehicle(state, turn)
    return state


def _fill_battery(state: DeviceState, turn: int) -> None:
    energy, settings = state.battery.energy, state.battery.settings
    energy.observe_time.FromNanoseconds(time.time_ns())
    energy.charge_percent = turn % 100 + 0.5
    energy.energy_wh = 13_500 * energy.charge_percent / 100
    energy.capacity_wh = 13_500
    energy.power_w = -2_300 + turn % 100
    settings.observe_time.FromNanoseconds(time.time_ns())
    settings.mode = BatteryMode.BATTERY_MODE_SELF_CONSUMPTION
    settings.vendor_mode = "self_consumption"
    settings.reserve_percent = 20
    settings.export_rule = ExportRule.EXPORT_RULE_SOLAR_ONLY
    settings.grid_charging_allowed = False


def _fill_vehicle(state: DeviceState, turn: int) -> None:
    charge, climate, drive = state.vehicle.charge, state.vehicle.climate, state.vehicle.drive
    for group in (charge, climate, drive):
        group.observe_time.FromNanoseconds(time.time_ns())
    charge.status = ChargingStatus.CHARGING_STATUS_CHARGING
    charge.vendor_status = "Charging"
    charge.charge_percent = turn % 100 + 0.5
    charge.range_m = 4_000 * charge.charge_percent
    charge.limit_percent = 80
    charge.current_amps = 16
    charge.voltage_volts = 230
    charge.power_w = 11_000
    charge.plugged_in = True
    climate.active = False
    climate.inside_temperature_celsius = 21.5
    climate.outside_temperature_celsius = 12.0
    drive.power_w = 0
    drive.position.latitude_degrees = 52.3676
    drive.position.longitude_degrees = 4.9041
