"""Battery and charging. %, kWh, kW, A, V, hours, miles."""

import math
from collections.abc import Mapping

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.charging import CHARGER_EFFICIENCY, ChargingState
from tesla_sandbox.cars.plan import ScheduledChargingMode
from tesla_sandbox.telemetry.signals.signal import Signal, clock_time, configured, flag, named, real, text, whole

_ESTIMATED_SHARE = 0.93
_PACK_VOLTS_EMPTY, _PACK_VOLTS_RISE = 330.0, 70.0
_IDLE_VOLTS = 2.0
_BRICKS = 96

_CHARGE_STATES = {
    ChargingState.CHARGING: "Enable",
    ChargingState.STARTING: "QualifyLineConfig",
}
"""The coarse state of the charger, which says little to a user; everything else is `Idle`."""

_MODES = {
    ScheduledChargingMode.OFF: "Off",
    ScheduledChargingMode.START_AT: "StartAt",
    ScheduledChargingMode.DEPART_BY: "DepartBy",
}


def _charging(car: Car) -> bool:
    return car.charging.state is ChargingState.CHARGING


def _wall_power(car: Car) -> float:
    return round(car.charging.wall_power(car.auxiliary_power()), 3) if _charging(car) and car.on_wall else 0.0


def _battery_power(car: Car) -> float:
    """Power into the battery; negative while it discharges."""
    if car.drive.moving:
        return -car.drive.speed * car.model.rated_kwh_per_mile
    return car.charging.battery_power(car.auxiliary_power())


def _amps(car: Car) -> float:
    supply, phases = car.charging.supply, car.charging.phases
    return round(1000 * _wall_power(car) / (supply.volts * phases), 1) if supply and phases else 0.0


def _wall_volts(car: Car) -> float:
    supply = car.charging.supply
    return supply.volts if supply and car.on_wall and _charging(car) else _IDLE_VOLTS


def _fast_charger_type(car: Car) -> str:
    if car.charging.fast:
        return "FastChargerCombo" if car.market == "eu" else "FastChargerSupercharger"
    return "FastChargerACSingleWireCAN" if car.plugged_in else "FastChargerSNA"


def _pack_volts(car: Car) -> float:
    return round(_PACK_VOLTS_EMPTY + _PACK_VOLTS_RISE * car.battery.level / 100, 1)


def _hours_to_limit(car: Car) -> float:
    hours = car.charging.seconds_to_limit(car.auxiliary_power()) / 3600 if _charging(car) else 0.0
    return round(hours, 2) if math.isfinite(hours) else 0.0


def _rated_miles(car: Car) -> float:
    return round(car.battery.energy / car.model.rated_kwh_per_mile, 2)


def _energy_at_wall(car: Car) -> float:
    return round(car.charging.energy_added / CHARGER_EFFICIENCY, 2) if not car.charging.fast else 0.0


def _latch(car: Car) -> str:
    charging = car.charging
    held = charging.supply is not None and not charging.unlatched
    return "Engaged" if held or not charging.port_open else "Disengaged"


def _cable(car: Car) -> str | None:
    if not car.plugged_in:
        return None
    return "CableTypeIEC" if car.market == "eu" else "CableTypeSAE"


def _waiting(car: Car) -> bool:
    return car.charging.state is ChargingState.STOPPED and car.agenda().holds_back(car.updated_at)


def _next_start(car: Car) -> float | None:
    start = car.agenda().next_start(car.updated_at)
    return start if math.isfinite(start) else None


def _battery_state(car: Car) -> str:
    if car.drive.moving:
        return "Drive"
    return "Charge" if _charging(car) else "Support"


BATTERY: Mapping[str, Signal] = {
    "Soc": real(lambda car: round(car.battery.usable_level, 2)),
    "BatteryLevel": real(lambda car: round(car.battery.level, 2)),
    "EnergyRemaining": real(lambda car: round(car.battery.energy, 2)),
    "RatedRange": real(_rated_miles),
    "IdealBatteryRange": real(_rated_miles),
    "EstBatteryRange": real(lambda car: round(_rated_miles(car) * _ESTIMATED_SHARE, 2)),
    "LifetimeEnergyUsed": real(lambda car: round(car.battery.lifetime_used, 3)),
    "PackVoltage": real(_pack_volts),
    "PackCurrent": real(lambda car: round(1000 * _battery_power(car) / _pack_volts(car), 1)),
    "BrickVoltageMax": real(lambda car: round(_pack_volts(car) / _BRICKS + 0.002, 3)),
    "BrickVoltageMin": real(lambda car: round(_pack_volts(car) / _BRICKS - 0.002, 3)),
    "ModuleTempMax": real(lambda car: round(car.battery.temperature + 0.5, 1)),
    "ModuleTempMin": real(lambda car: round(car.battery.temperature - 0.5, 1)),
    "BatteryHeaterOn": flag(lambda _: False),
    "BMSState": named("bms_state_value", "BMSState", _battery_state),
    "BmsFullchargecomplete": flag(lambda car: car.charging.state is ChargingState.COMPLETE),
    "NominalFullPackEnergyKwh": real(lambda car: car.battery.capacity).from_firmware(2026, 32),
}
"""What the battery holds and does."""

CHARGING: Mapping[str, Signal] = {
    "ChargeState": text(lambda car: _CHARGE_STATES.get(car.charging.state, "Idle")),
    "DetailedChargeState": named(
        "detailed_charge_state_value", "DetailedChargeState", lambda car: car.charging.state.value
    ).from_firmware(2024, 38),
    "ChargeLimitSoc": whole(lambda car: car.charging.limit),
    "ChargeAmps": real(_amps),
    "ChargeCurrentRequest": whole(lambda car: car.charging.requested_amps),
    "ChargeCurrentRequestMax": whole(lambda car: car.charging.requestable_amps),
    "ChargeEnableRequest": flag(lambda car: car.charging.state is not ChargingState.STOPPED),
    "ChargerPhases": whole(
        lambda car: (1 if car.charging.phases == 1 else 3) if _charging(car) and car.on_wall else None
    ),
    "ChargerVoltage": Signal(
        "double_value",
        _wall_volts,
        (2024, 44, 32),
        delta=0.3,
    ),
    "ACChargingPower": real(_wall_power),
    "ACChargingEnergyIn": real(_energy_at_wall),
    "DCChargingPower": real(lambda car: round(max(_battery_power(car), 0.0), 3) if _charging(car) else 0.0),
    "DCChargingEnergyIn": real(lambda car: round(car.charging.energy_added, 2)),
    "ChargeRateMilePerHour": real(
        lambda car: round(_battery_power(car) / car.model.rated_kwh_per_mile, 1) if _charging(car) else 0.0
    ).from_firmware(2025, 2, 6),
    "TimeToFullCharge": real(_hours_to_limit),
    "EstimatedHoursToChargeTermination": real(_hours_to_limit).from_firmware(2024, 44, 25),
    "FastChargerPresent": flag(lambda car: car.charging.fast),
    "FastChargerType": Signal(
        "fast_charger_value",
        _fast_charger_type,
        (2024, 44, 25),
    ),
    "ChargePortColdWeatherMode": flag(lambda _: False),
    "ChargePortDoorOpen": flag(lambda car: car.charging.port_open).from_firmware(2024, 44, 25),
    "ChargePortLatch": named("charge_port_latch_value", "ChargePortLatch", _latch),
    "ChargePort": named("charge_port_value", "ChargePort", configured("charge_port_type")),
    "ChargingCableType": Signal("cable_type_value", _cable, (2024, 44, 25)),
    "ScheduledChargingMode": named(
        "scheduled_charging_mode_value", "ScheduledChargingMode", lambda car: _MODES[car.plan.mode]
    ),
    "ScheduledChargingPending": flag(_waiting),
    "ScheduledChargingStartTime": clock_time(_next_start),
    "PreconditioningEnabled": flag(lambda car: car.plan.preconditioning_enabled),
    "SuperchargerSessionTripPlanner": flag(lambda _: False),
}
"""Cable, current and plans of charging."""
