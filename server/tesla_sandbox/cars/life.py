"""How a car lives from one moment to the next: energy, temperatures, plans, sleep.

Between two changes everything has an exact solution, so a car jumps from change to change and the
result does not depend on how often it is looked at. Times in unix seconds, power in kW.
"""

import math
from typing import TYPE_CHECKING

from tesla_sandbox.cars.charging import ChargingState

if TYPE_CHECKING:
    from tesla_sandbox.cars.car import Car

IDLE_POWER_AWAKE = 0.2
"""What the computers of an awake car use."""

IDLE_POWER_ASLEEP = 0.005
"""What a sleeping car uses."""

SENTRY_POWER = 0.2
"""What sentry mode uses besides."""

_SHORTEST_STEP = 0.001
_ARRIVED_WITHIN_MILES = 1e-4


def advance(car: "Car", now: float) -> None:
    """Bring a car from its last update to `now`."""
    while car.updated_at < now:
        change = next_change(car)
        moment = min(change if change > car.updated_at else car.updated_at + _SHORTEST_STEP, now)
        _live(car, (moment - car.updated_at) / 3600)
        car.updated_at = moment
        _settle(car, moment)


def next_change(car: "Car") -> float:
    """When the car next changes its state by itself; infinite when it does not."""
    moments = [
        car.connectivity.next_change(busy=is_busy(car)),
        car.charging.next_change(car.updated_at, car.auxiliary_power()),
    ]
    if not car.plan.empty:
        moments.append(car.agenda().next_event(car.updated_at))
    if car.drive.moving:
        moments.append(car.updated_at + 3600 * car.drive.hours_left())
    update = car.body.update
    moments += [moment for moment in (update.starts_at, update.ends_at) if moment is not None]
    return min(moments, default=math.inf)


def _live(car: "Car", hours: float) -> None:
    auxiliary = car.auxiliary_power()
    into_battery = car.charging.battery_power(auxiliary)
    drawn = car.charging.advance(hours, auxiliary)
    if not car.charging.fast:
        car.wall_energy_wh += 1000 * drawn
    elif car.charging.state is ChargingState.CHARGING:
        car.fast_charging.take(car.place, car.updated_at, car.updated_at + 3600 * hours, drawn)
    car.battery.follow_temperature(car.climate.outside, into_battery, hours)
    car.climate.advance(hours)
    if car.drive.moving:
        car.battery.draw(car.drive.advance(hours) * car.model.rated_kwh_per_mile)


def _settle(car: "Car", now: float) -> None:
    was_busy = is_busy(car)
    if not car.plan.empty:
        _follow_plan(car, now)
    car.charging.settle(now)
    if car.drive.moving and car.drive.miles_left() < _ARRIVED_WITHIN_MILES:
        car.drive.park()
    _settle_update(car, now)
    busy = is_busy(car)
    if busy or was_busy:
        car.touch()
    car.connectivity.settle(now, busy=busy)


def _follow_plan(car: "Car", now: float) -> None:
    agenda = car.agenda()
    if agenda.charge_starts(now) and car.charging.state is ChargingState.STOPPED:
        car.connectivity.rouse(now)
        car.charging.start(now)
    if agenda.charge_ends(now) and car.charging.active:
        car.charging.rest()
    if agenda.preconditioning_starts(now) and not car.climate.running:
        car.connectivity.rouse(now)
        car.climate.start(preconditioning=True)
    if agenda.preconditioning_ends(now) and car.climate.preconditioning:
        car.climate.stop()
    car.plan.retire_one_time(now, car.zone)


def _settle_update(car: "Car", now: float) -> None:
    update = car.body.update
    if update.starts_at is not None and now >= update.starts_at:
        update.status, update.starts_at = "installing", None
        update.ends_at = now + update.duration
        car.connectivity.rouse(now)
    if update.ends_at is not None and now >= update.ends_at:
        car.firmware = update.version
        update.status, update.version, update.ends_at = "", "", None
        car.connectivity.rouse(now)
        car.security.reboot(now, car.spec.boot_seconds)


def is_busy(car: "Car") -> bool:
    """Whether the car does something that keeps it awake."""
    body = car.body
    return (
        car.charging.active
        or car.climate.running
        or car.drive.moving
        or body.sentry_mode
        or body.user_present
        or body.accessory_power
        or body.update.ends_at is not None
    )
