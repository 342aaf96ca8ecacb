"""Commands that plan charging and preconditioning. Times in minutes after local midnight."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.commands.contract import AnyCommand, Command, CommandRefusal, Parameters
from tesla_sandbox.cars.plan import ScheduledChargingMode
from tesla_sandbox.cars.schedules import (
    EVERY_DAY,
    MINUTES_PER_DAY,
    MOST_SCHEDULES,
    WEEKDAYS,
    ChargeSchedule,
    PreconditionSchedule,
    same_place,
)

FIRMWARE_WITH_SCHEDULES = (2024, 26)

_DAY_NAMES = {
    "SUN": 1,
    "SUNDAY": 1,
    "MON": 2,
    "MONDAY": 2,
    "TUES": 4,
    "TUESDAY": 4,
    "WED": 8,
    "WEDNESDAY": 8,
    "THURS": 16,
    "THURSDAY": 16,
    "FRI": 32,
    "FRIDAY": 32,
    "SAT": 64,
    "SATURDAY": 64,
    "ALL": EVERY_DAY,
    "WEEKDAYS": WEEKDAYS,
}


def _day_mask(value: object) -> object:
    if not isinstance(value, str):
        return value
    mask = 0
    for name in value.split(","):
        try:
            mask |= _DAY_NAMES[name.strip().upper()]
        except KeyError:
            raise ValueError(f"{name.strip()!r} is no day") from None
    return mask


Minutes = Annotated[int, Field(ge=0, lt=MINUTES_PER_DAY)]
Days = Annotated[int, BeforeValidator(_day_mask), Field(ge=0, le=EVERY_DAY)]
ScheduleId = Annotated[int, Field(ge=0, lt=2**64)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Name = Annotated[str, Field(max_length=100)]


class ScheduledCharging(Parameters):
    """Start to charge at a time every day."""

    enable: bool
    time: Minutes = 0


class ScheduledDeparture(Parameters):
    """Be charged, and if wanted warm, at a time."""

    enable: bool
    departure_time: Minutes = 0
    preconditioning_enabled: bool = False
    preconditioning_weekdays_only: bool = False
    off_peak_charging_enabled: bool = False
    off_peak_charging_weekdays_only: bool = False
    end_off_peak_time: Minutes = 0


class NewChargeSchedule(Parameters):
    """A charge schedule to add, or to change when `id` exists."""

    days_of_week: Days
    enabled: bool
    start_enabled: bool
    end_enabled: bool
    lat: Latitude
    lon: Longitude
    start_time: Minutes = 0
    end_time: Minutes = 0
    id: ScheduleId = 0
    one_time: bool = False
    name: Name = ""


class NewPreconditionSchedule(Parameters):
    """A precondition schedule to add, or to change when `id` exists."""

    days_of_week: Days
    enabled: bool
    lat: Latitude
    lon: Longitude
    precondition_time: Minutes
    id: ScheduleId = 0
    one_time: bool = False
    name: Name = ""


class ScheduleReference(Parameters):
    """The schedule to remove."""

    id: ScheduleId


class Places(Parameters):
    """Whose schedules to remove; the sandbox knows where a car lives, but not where people work."""

    home: bool = False
    work: bool = False
    other: bool = False


def set_scheduled_charging(car: Car, wanted: ScheduledCharging) -> None:
    """Plan the daily start of charging, or drop that plan."""
    if wanted.enable:
        car.plan.mode = ScheduledChargingMode.START_AT
        car.plan.start_time = wanted.time
    elif car.plan.mode is ScheduledChargingMode.START_AT:
        car.plan.mode = ScheduledChargingMode.OFF
    _reconsider(car)


def set_scheduled_departure(car: Car, wanted: ScheduledDeparture) -> None:
    """Plan the daily departure, or drop that plan."""
    plan = car.plan
    if wanted.enable:
        plan.mode = ScheduledChargingMode.DEPART_BY
        plan.departure_time = wanted.departure_time
        plan.preconditioning_enabled = wanted.preconditioning_enabled
        plan.preconditioning_weekdays_only = wanted.preconditioning_weekdays_only
        plan.off_peak_enabled = wanted.off_peak_charging_enabled
        plan.off_peak_weekdays_only = wanted.off_peak_charging_weekdays_only
        plan.off_peak_end_time = wanted.end_off_peak_time
    elif plan.mode is ScheduledChargingMode.DEPART_BY:
        plan.mode = ScheduledChargingMode.OFF
    _reconsider(car)


def add_charge_schedule(car: Car, wanted: NewChargeSchedule) -> None:
    """Add or change a charge schedule."""
    _require_schedules(car)
    number = wanted.id or int(car.updated_at)
    _require_room(number, car.plan.charge_schedules)
    car.plan.charge_schedules[number] = ChargeSchedule(
        id=number,
        name=wanted.name,
        days_of_week=wanted.days_of_week,
        start_enabled=wanted.start_enabled,
        start_time=wanted.start_time,
        end_enabled=wanted.end_enabled,
        end_time=wanted.end_time,
        one_time=wanted.one_time,
        enabled=wanted.enabled,
        latitude=wanted.lat,
        longitude=wanted.lon,
    )
    _reconsider(car)


def add_precondition_schedule(car: Car, wanted: NewPreconditionSchedule) -> None:
    """Add or change a precondition schedule."""
    _require_schedules(car)
    number = wanted.id or int(car.updated_at)
    _require_room(number, car.plan.precondition_schedules)
    car.plan.precondition_schedules[number] = PreconditionSchedule(
        id=number,
        name=wanted.name,
        days_of_week=wanted.days_of_week,
        precondition_time=wanted.precondition_time,
        one_time=wanted.one_time,
        enabled=wanted.enabled,
        latitude=wanted.lat,
        longitude=wanted.lon,
    )


def remove_charge_schedule(car: Car, which: ScheduleReference) -> None:
    """Remove a charge schedule."""
    if car.plan.charge_schedules.pop(which.id, None) is None:
        raise CommandRefusal("not_found")
    _reconsider(car)


def remove_precondition_schedule(car: Car, which: ScheduleReference) -> None:
    """Remove a precondition schedule."""
    if car.plan.precondition_schedules.pop(which.id, None) is None:
        raise CommandRefusal("not_found")


def remove_charge_schedules(car: Car, places: Places) -> None:
    """Remove the charge schedules of some places."""
    for number, schedule in list(car.plan.charge_schedules.items()):
        if _includes(places, car, schedule.latitude, schedule.longitude):
            del car.plan.charge_schedules[number]
    _reconsider(car)


def remove_precondition_schedules(car: Car, places: Places) -> None:
    """Remove the precondition schedules of some places."""
    for number, schedule in list(car.plan.precondition_schedules.items()):
        if _includes(places, car, schedule.latitude, schedule.longitude):
            del car.plan.precondition_schedules[number]


def _includes(places: Places, car: Car, latitude: float, longitude: float) -> bool:
    home = car.spec.location.latitude, car.spec.location.longitude
    return places.home if same_place(latitude, longitude, home) else places.other


def _require_schedules(car: Car) -> None:
    if not car.firmware_at_least(*FIRMWARE_WITH_SCHEDULES):
        raise CommandRefusal("not_supported")


def _require_room(number: int, schedules: dict[int, ChargeSchedule] | dict[int, PreconditionSchedule]) -> None:
    if number not in schedules and len(schedules) >= MOST_SCHEDULES:
        raise CommandRefusal("too_many_schedules")


def _reconsider(car: Car) -> None:
    """Let a charging car wait if the new plan says so."""
    if car.charging.active and car.agenda().holds_back(car.updated_at):
        car.charging.rest()


COMMANDS: tuple[AnyCommand, ...] = (
    Command("set_scheduled_charging", ScheduledCharging, set_scheduled_charging, charging=True),
    Command("set_scheduled_departure", ScheduledDeparture, set_scheduled_departure, charging=True),
    Command("add_charge_schedule", NewChargeSchedule, add_charge_schedule, charging=True),
    Command("remove_charge_schedule", ScheduleReference, remove_charge_schedule, charging=True),
    Command(
        "add_precondition_schedule",
        NewPreconditionSchedule,
        add_precondition_schedule,
        charging=True,
    ),
    Command(
        "remove_precondition_schedule",
        ScheduleReference,
        remove_precondition_schedule,
        charging=True,
    ),
    Command("batch_remove_charge_schedules", Places, remove_charge_schedules, charging=True),
    Command("batch_remove_precondition_schedules", Places, remove_precondition_schedules, charging=True),
)
