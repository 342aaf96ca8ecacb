"""Charging commands. Reasons: Tesla Fleet API documentation, vehicle-commands."""

from pydantic import Field

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.charging import (
    LIMIT_MAXIMUM,
    LIMIT_MINIMUM,
    LIMIT_STANDARD,
    ChargingState,
)
from tesla_sandbox.cars.commands.contract import (
    AnyCommand,
    Command,
    CommandRefusal,
    NoParameters,
    Parameters,
    Unsigned,
)


class ChargeLimit(Parameters):
    """Percent of state of charge; values beyond 50 to 100 are brought into range silently."""

    percent: int = Field(ge=-(2**31), lt=2**31)


class ChargingAmps(Parameters):
    """Amperes per phase; more than the wall or the car allows is brought down silently."""

    charging_amps: int = Field(ge=0, lt=2**31)


class ManagedCurrent(Parameters):
    """Current that a charge manager asks for."""

    managed_charge_current: int = Field(default=0, ge=0, le=1000)


_START_REFUSALS = {
    ChargingState.DISCONNECTED: "disconnected",
    ChargingState.NO_POWER: "no_power",
    ChargingState.STARTING: "requested",
    ChargingState.CHARGING: "is_charging",
    ChargingState.COMPLETE: "complete",
}


def start(car: Car, _: NoParameters) -> None:
    """Begin to charge now, also when a schedule would wait."""
    reason = _START_REFUSALS.get(car.charging.state)
    if reason is not None:
        raise CommandRefusal(reason)
    car.charging.start(car.updated_at)


def stop(car: Car, _: NoParameters) -> None:
    """Stop charging; the cable stays in."""
    if not car.charging.active:
        raise CommandRefusal("not_charging")
    car.charging.rest()


def set_limit(car: Car, wanted: ChargeLimit) -> None:
    """Change the charge limit."""
    limit = min(max(wanted.percent, LIMIT_MINIMUM), LIMIT_MAXIMUM)
    if limit == car.charging.limit:
        raise CommandRefusal("already_set")
    _apply_limit(car, limit)


def charge_standard(car: Car, _: NoParameters) -> None:
    """Set the everyday limit."""
    if car.charging.limit == LIMIT_STANDARD:
        raise CommandRefusal("already_started")
    _apply_limit(car, LIMIT_STANDARD)


def charge_max_range(car: Car, _: NoParameters) -> None:
    """Set the highest limit."""
    if car.charging.limit == LIMIT_MAXIMUM:
        raise CommandRefusal("already_set")
    _apply_limit(car, LIMIT_MAXIMUM)


def set_amps(car: Car, wanted: ChargingAmps) -> None:
    """Change the charging current."""
    car.charging.requested_amps = min(wanted.charging_amps, car.charging.requestable_amps)


def open_port(car: Car, _: NoParameters) -> None:
    """Open the charge port door; with a cable in, release the latch."""
    if car.body.car_wash_mode:
        raise CommandRefusal("car_wash")
    if car.charging.active:
        raise CommandRefusal("not allowed")
    car.charging.port_open = True
    car.charging.unlatched = car.charging.supply is not None


def close_port(car: Car, _: NoParameters) -> None:
    """Close the charge port door."""
    if not car.model.vehicle_config()["motorized_charge_port"]:
        raise CommandRefusal("non-motorized charge port")
    if car.charging.supply is not None:
        raise CommandRefusal("cable connected")
    if not car.charging.port_open:
        raise CommandRefusal("already closed")
    car.charging.port_open = False


def set_managed_current(car: Car, wanted: ManagedCurrent) -> None:
    """Limit the current on behalf of a fleet's charge manager."""
    car.charging.requested_amps = min(wanted.managed_charge_current, car.charging.requestable_amps)


def accept_managed_setting(car: Car, _: NoParameters) -> None:
    """Take note of a fleet setting that has no effect on a simulated car."""
    car.touch()


def _apply_limit(car: Car, limit: int) -> None:
    car.charging.limit = limit
    held_back = car.agenda().holds_back(car.updated_at)
    car.charging.reconsider(car.updated_at, may_start=not held_back)


COMMANDS: tuple[AnyCommand, ...] = (
    Command("charge_start", NoParameters, start, charging=True),
    Command("charge_stop", NoParameters, stop, charging=True),
    Command("charge_standard", NoParameters, charge_standard, charging=True),
    Command("charge_max_range", NoParameters, charge_max_range, charging=True),
    Command("set_charge_limit", ChargeLimit, set_limit, charging=True),
    Command("set_charging_amps", ChargingAmps, set_amps, charging=True),
    Command("charge_port_door_open", NoParameters, open_port, charging=True),
    Command("charge_port_door_close", NoParameters, close_port, charging=True),
    Command(
        "set_managed_charge_current_request",
        ManagedCurrent,
        set_managed_current,
        unsigned=Unsigned.ALWAYS,
    ),
    Command(
        "set_managed_charger_location",
        NoParameters,
        accept_managed_setting,
        unsigned=Unsigned.ALWAYS,
    ),
    Command(
        "set_managed_scheduled_charging_time",
        NoParameters,
        accept_managed_setting,
        unsigned=Unsigned.ALWAYS,
    ),
)
