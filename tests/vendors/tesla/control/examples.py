"""One example of every action."""

from google.protobuf.duration_pb2 import Duration
from wattbus.v1.action_pb2 import (
    Action,
    BatteryMode,
    ChargeBattery,
    CloseChargePort,
    DischargeBattery,
    DispatchBattery,
    ExportRule,
    FlashLights,
    HonkHorn,
    Lock,
    OpenChargePort,
    SetBackupReserve,
    SetBatteryMode,
    SetChargeLimit,
    SetChargingCurrent,
    SetClimateTemperature,
    SetExportRule,
    SetGridCharging,
    SetSentryMode,
    SetStormWatch,
    StartCharging,
    StartClimate,
    StopCharging,
    StopClimate,
    Unlock,
    Wake,
)

LOCK = Action(lock=Lock())
UNLOCK = Action(unlock=Unlock())
START_CHARGING = Action(start_charging=StartCharging())
STOP_CHARGING = Action(stop_charging=StopCharging())
WAKE = Action(wake=Wake())
HOUR = Duration(seconds=3600)
DISPATCH_CHARGE = Action(dispatch_battery=DispatchBattery(charge=ChargeBattery(), lease_duration=HOUR))
DISPATCH_EXPORT = Action(
    dispatch_battery=DispatchBattery(discharge=DischargeBattery(export_to_grid=True), lease_duration=HOUR)
)


def charge_limit(percent: int) -> Action:
    return Action(set_charge_limit=SetChargeLimit(limit_percent=percent))


def charging_current(amps: int) -> Action:
    return Action(set_charging_current=SetChargingCurrent(current_amps=amps))


def temperature(driver: float, passenger: float | None = None) -> Action:
    wanted = SetClimateTemperature(driver_temperature_celsius=driver)
    if passenger is not None:
        wanted.passenger_temperature_celsius = passenger
    return Action(set_climate_temperature=wanted)


def sentry_mode(enabled: bool) -> Action:
    return Action(set_sentry_mode=SetSentryMode(enabled=enabled))


def mode(wanted: BatteryMode.ValueType) -> Action:
    return Action(set_battery_mode=SetBatteryMode(mode=wanted))


def reserve(percent: int) -> Action:
    return Action(set_backup_reserve=SetBackupReserve(reserve_percent=percent))


def export_rule(rule: ExportRule.ValueType) -> Action:
    return Action(set_export_rule=SetExportRule(rule=rule))


def grid_charging(allowed: bool) -> Action:
    return Action(set_grid_charging=SetGridCharging(allowed=allowed))


def storm_watch(enabled: bool) -> Action:
    return Action(set_storm_watch=SetStormWatch(enabled=enabled))


EXAMPLES = (
    LOCK,
    UNLOCK,
    START_CHARGING,
    STOP_CHARGING,
    charge_limit(80),
    charging_current(16),
    Action(start_climate=StartClimate()),
    Action(stop_climate=StopClimate()),
    temperature(21.5),
    WAKE,
    Action(open_charge_port=OpenChargePort()),
    Action(close_charge_port=CloseChargePort()),
    Action(flash_lights=FlashLights()),
    Action(honk_horn=HonkHorn()),
    sentry_mode(True),
    mode(BatteryMode.BATTERY_MODE_BACKUP),
    reserve(20),
    export_rule(ExportRule.EXPORT_RULE_SOLAR_ONLY),
    grid_charging(False),
    storm_watch(True),
    DISPATCH_CHARGE,
)
