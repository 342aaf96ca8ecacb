"""Charging. Names and parameters follow the Fleet API documentation, vehicle-commands."""

from enum import IntFlag

from tesla_protocol.command import car_server_pb2 as car_server
from tesla_protocol.command import common_pb2 as common

from wattbus_server.vendors.tesla.signing.payloads.payload import SignedPayload, infotainment, require_between

LAST_MINUTE_OF_DAY = 24 * 60 - 1
MAX_CHARGING_AMPS = 80
"""Ampere; no Tesla vehicle draws more AC current. Each vehicle reports its own, lower bound."""

MAX_SCHEDULE_ID = 2**63 - 1


class Days(IntFlag):
    """Days of the week as the bit mask that schedules use."""

    SUNDAY = 1
    MONDAY = 2
    TUESDAY = 4
    WEDNESDAY = 8
    THURSDAY = 16
    FRIDAY = 32
    SATURDAY = 64
    WEEKDAYS = 62
    ALL = 127


def charge_start() -> SignedPayload:
    """Start charging now."""
    return _start_stop(car_server.ChargingStartStopAction(start=common.Void()))


def charge_stop() -> SignedPayload:
    """Stop charging."""
    return _start_stop(car_server.ChargingStartStopAction(stop=common.Void()))


def charge_standard() -> SignedPayload:
    """Charge to the standard limit."""
    return _start_stop(car_server.ChargingStartStopAction(start_standard=common.Void()))


def charge_max_range() -> SignedPayload:
    """Charge to the maximum limit."""
    return _start_stop(car_server.ChargingStartStopAction(start_max_range=common.Void()))


def charge_port_door_open() -> SignedPayload:
    """Open the charge port, or release the cable; a second time may release what was plugged in again."""
    action = car_server.VehicleAction(chargePortDoorOpen=car_server.ChargePortDoorOpen())
    return infotainment(action, repeatable=False)


def charge_port_door_close() -> SignedPayload:
    """Close the charge port of a vehicle that has a motor for it."""
    return infotainment(car_server.VehicleAction(chargePortDoorClose=car_server.ChargePortDoorClose()))


def set_charge_limit(percent: int) -> SignedPayload:
    """Set the state of charge at which charging ends.

    Args:
        percent: 50 to 100; the vehicle would accept and ignore other values.

    Raises:
        ValueError: out of range.
    """
    require_between("percent", percent, 50, 100)
    action = car_server.ChargingSetLimitAction(percent=percent)
    return infotainment(car_server.VehicleAction(chargingSetLimitAction=action))


def set_charging_amps(amps: int) -> SignedPayload:
    """Set the AC charging current.

    Args:
        amps: 0 to 80 A; the vehicle's own bound is `charge_current_request_max`.

    Raises:
        ValueError: out of range.
    """
    require_between("amps", amps, 0, MAX_CHARGING_AMPS)
    action = car_server.SetChargingAmpsAction(charging_amps=amps)
    return infotainment(car_server.VehicleAction(setChargingAmpsAction=action))


def set_scheduled_charging(enable: bool, time: int) -> SignedPayload:
    """Set the one daily start time. From firmware 2024.26 on, schedules are preferred.

    Args:
        enable: whether the time is obeyed.
        time: minutes after midnight, local to the car.

    Raises:
        ValueError: out of range.
    """
    require_between("time", time, 0, LAST_MINUTE_OF_DAY)
    action = car_server.ScheduledChargingAction(enabled=enable, charging_time=time)
    return infotainment(car_server.VehicleAction(scheduledChargingAction=action))


def add_charge_schedule(
    *,
    schedule_id: int,
    days_of_week: Days,
    latitude: float,
    longitude: float,
    start_time: int | None = None,
    end_time: int | None = None,
    enabled: bool = True,
    one_time: bool = False,
    name: str = "",
) -> SignedPayload:
    """Add a charge schedule, or change the one with the same id. Firmware 2024.26 or later.

    Args:
        schedule_id: chosen by the caller, usually Unix seconds; adding twice changes nothing more.
        days_of_week: at least one day.
        latitude: of the place where it holds, degrees; the car keeps single precision.
        longitude: as latitude.
        start_time: minutes after midnight, local to the car; None charges as soon as plugged in.
        end_time: as start_time; None leaves the end open. One of both is needed.
        enabled: whether the schedule is obeyed.
        one_time: delete it after its first use.
        name: shown in the car.

    Raises:
        ValueError: a value is out of range, no day, or no time.
    """
    _check_schedule(schedule_id, days_of_week, latitude, longitude)
    if start_time is None and end_time is None:
        raise ValueError("a charge schedule needs start_time, end_time or both")
    for label, minutes in (("start_time", start_time), ("end_time", end_time)):
        require_between(label, minutes or 0, 0, LAST_MINUTE_OF_DAY)
    schedule = common.ChargeSchedule(
        id=schedule_id,
        name=name,
        days_of_week=int(days_of_week),
        start_enabled=start_time is not None,
        start_time=start_time or 0,
        end_enabled=end_time is not None,
        end_time=end_time or 0,
        one_time=one_time,
        enabled=enabled,
        latitude=latitude,
        longitude=longitude,
    )
    return infotainment(car_server.VehicleAction(addChargeScheduleAction=schedule))


def remove_charge_schedule(schedule_id: int) -> SignedPayload:
    """Remove a charge schedule.

    Raises:
        ValueError: the id is out of range.
    """
    require_between("schedule_id", schedule_id, 1, MAX_SCHEDULE_ID)
    action = car_server.RemoveChargeScheduleAction(id=schedule_id)
    return infotainment(car_server.VehicleAction(removeChargeScheduleAction=action))


def add_precondition_schedule(
    *,
    schedule_id: int,
    days_of_week: Days,
    latitude: float,
    longitude: float,
    precondition_time: int,
    enabled: bool = True,
    one_time: bool = False,
    name: str = "",
) -> SignedPayload:
    """Add a schedule by which cabin and battery are ready. Firmware 2024.26 or later.

    Args:
        schedule_id: as in `add_charge_schedule`.
        days_of_week: at least one day.
        latitude: of the place where it holds, degrees.
        longitude: as latitude.
        precondition_time: minutes after midnight, local to the car, at which it is ready.
        enabled: whether the schedule is obeyed.
        one_time: delete it after its first use.
        name: shown in the car.

    Raises:
        ValueError: a value is out of range, or no day.
    """
    _check_schedule(schedule_id, days_of_week, latitude, longitude)
    require_between("precondition_time", precondition_time, 0, LAST_MINUTE_OF_DAY)
    schedule = common.PreconditionSchedule(
        id=schedule_id,
        name=name,
        days_of_week=int(days_of_week),
        precondition_time=precondition_time,
        one_time=one_time,
        enabled=enabled,
        latitude=latitude,
        longitude=longitude,
    )
    return infotainment(car_server.VehicleAction(addPreconditionScheduleAction=schedule))


def remove_precondition_schedule(schedule_id: int) -> SignedPayload:
    """Remove a precondition schedule.

    Raises:
        ValueError: the id is out of range.
    """
    require_between("schedule_id", schedule_id, 1, MAX_SCHEDULE_ID)
    action = car_server.RemovePreconditionScheduleAction(id=schedule_id)
    return infotainment(car_server.VehicleAction(removePreconditionScheduleAction=action))


def _start_stop(action: car_server.ChargingStartStopAction) -> SignedPayload:
    return infotainment(car_server.VehicleAction(chargingStartStopAction=action))


def _check_schedule(schedule_id: int, days: Days, latitude: float, longitude: float) -> None:
    require_between("schedule_id", schedule_id, 1, MAX_SCHEDULE_ID)
    require_between("days_of_week", int(days), 1, int(Days.ALL))
    require_between("latitude", latitude, -90, 90)
    require_between("longitude", longitude, -180, 180)
