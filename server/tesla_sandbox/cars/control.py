"""What the control interface shows of a car and how it changes one at run time."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tesla_sandbox.cars.cabin import SoftwareUpdate
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.charging import LIMIT_MAXIMUM, LIMIT_MINIMUM
from tesla_sandbox.cars.spec import MOST_AMPS, MOST_KEYS, AlertSpec, Supply

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey


VERSION = re.compile(r"\d{4}(\.\d{1,4}){1,4}")
"""The form of a firmware version."""


class Trip(BaseModel):
    """Where to drive, in degrees and mph."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    mph: float = Field(default=50.0, gt=0, le=200)
    name: str = Field(default="", max_length=100)


def summary(car: Car) -> dict[str, object]:
    """The car at a glance; powers in W, levels in percent."""
    car.advance()
    return {
        "vin": car.vin,
        "id": car.id,
        "display_name": car.display_name,
        "model": car.spec.model,
        "firmware": car.firmware,
        "state": car.connection.value,
        "battery_level": round(car.battery.level, 2),
        "charge_limit": car.charging.limit,
        "charging_amps": car.charging.requested_amps,
        "plugged_in": car.plugged_in,
        "charging_state": car.charging.state.value,
        "charging_power_w": round(car.charging_power_w()),
        "locked": car.body.locked,
        "climate_on": car.climate.running,
        "inside_temperature": round(car.climate.inside, 1),
        "sentry_mode": car.body.sentry_mode,
        "driving": car.drive.moving,
        "latitude": round(car.drive.latitude, 6),
        "longitude": round(car.drive.longitude, 6),
        "odometer_miles": round(car.drive.odometer, 3),
        "protocol_required": car.protocol_required,
        "safety_screen_streaming_toggle": car.streaming_toggle,
        "mobile_access": car.mobile_access,
        "in_service": car.in_service,
        "keys": len(car.keychain),
        "other_keys": car.keychain.others,
        "lights_flashed": car.body.lights_flashed,
        "horn_honked": car.body.horn_honked,
    }


def read_changes(changes: Mapping[str, object]) -> dict[str, Any]:
    """New values by the names of `CHANGES`, and `key`, as `patch` applies them.

    Raises:
        ValueError: With a sentence, for an unknown change or an unfit value.
    """
    return {name: _reader(name)(name, value) for name, value in changes.items()}


def patch(
    car: Car,
    changes: Mapping[str, object],
    application_key: "EllipticCurvePublicKey | None" = None,
) -> None:
    """Apply changes in the order given; nothing is applied if one is unknown or unfit.

    Args:
        car: The car to change.
        changes: New values by the names of `CHANGES`, and `key`.
        application_key: The key that the change `key` is about.

    Raises:
        ValueError: With a sentence, for an unknown change or an unfit value.
    """
    values = read_changes(changes)
    if "key" in values and application_key is None:
        raise ValueError("the application's key is not known yet")
    _check_room_for_keys(car, values, application_key)
    if "safety_screen_streaming_toggle" in changes and car.streaming_toggle is None:
        raise ValueError("only a car that does not speak the protocol has safety_screen_streaming_toggle")
    car.advance()
    for name, value in values.items():
        if name in CHANGES:
            CHANGES[name][1](car, value)
        elif application_key is not None:
            _set_key(car, value, application_key)


def _reader(name: str) -> Callable[[str, object], Any]:
    if name == "key":
        return _one_of("paired", "unpaired", "disabled")
    if name not in CHANGES:
        raise ValueError(f"{name} is no property of a car that can be changed; those are: key, {', '.join(CHANGES)}")
    return CHANGES[name][0]


def _check_room_for_keys(car: Car, values: Mapping[str, Any], key: "EllipticCurvePublicKey | None") -> None:
    held = len(car.keychain) - car.keychain.others
    if key is not None and "key" in values:
        held += (values["key"] != "unpaired") - (car.key_state(key) != "unpaired")
    if held + values.get("other_keys", car.keychain.others) > MOST_KEYS:
        raise ValueError(f"a car holds at most {MOST_KEYS} keys, other_keys and those that can sign together")


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false")
    return value


def _number(lowest: float, highest: float) -> Callable[[str, object], float]:
    def read(name: str, value: object) -> float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not fits or not lowest <= float(str(value)) <= highest:
            raise ValueError(f"{name} is a number from {lowest:g} to {highest:g}")
        return float(str(value))

    return read


def _one_of(*allowed: str) -> Callable[[str, object], str]:
    def read(name: str, value: object) -> str:
        if value not in allowed:
            raise ValueError(f"{name} is one of {', '.join(allowed)}")
        return str(value)

    return read


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > 100:
        raise ValueError(f"{name} is a text of at most 100 characters")
    return value


def _set_state(car: Car, state: str) -> None:
    car.set_network(available=state != "offline")
    if state == "asleep":
        car.fall_asleep()
    elif state == "online":
        car.connectivity.rouse(car.updated_at)


def _set_plugged(car: Car, plugged: bool) -> None:
    if plugged and not car.plugged_in:
        car.plug(car.spec.supply)
    elif not plugged and car.plugged_in:
        car.unplug()


def _set_charging(car: Car, on: bool) -> None:
    if on and not car.charging.active:
        car.connectivity.rouse(car.updated_at)
        car.charging.start(car.updated_at)
    elif not on and car.charging.active:
        car.charging.rest()


def _set_amps(car: Car, amps: float) -> None:
    car.charging.requested_amps = round(amps)


def _set_level(car: Car, level: float) -> None:
    car.battery.energy = car.battery.energy_at(level)
    car.charging.reconsider(car.updated_at)


def _set_limit(car: Car, limit: float) -> None:
    car.charging.limit = round(limit)
    car.charging.reconsider(car.updated_at)


def _set_climate(car: Car, on: bool) -> None:
    if on:
        car.connectivity.rouse(car.updated_at)
        car.climate.start()
    else:
        car.climate.stop()


def _set(target: Callable[[Car], object], attribute: str) -> Callable[[Car, Any], None]:
    return lambda car, value: setattr(target(car), attribute, value)


def _set_other_keys(car: Car, count: float) -> None:
    car.keychain.others = round(count)


def _open_doors(car: Car, opened: bool) -> None:
    car.body.open_doors = {"df"} if opened else set()


def _reboot(car: Car, wanted: bool) -> None:
    if wanted:
        car.reboot()


def _wake(car: Car, wanted: bool) -> None:
    if wanted:
        car.wake()


def _alert(name: str, value: object) -> AlertSpec:
    try:
        return AlertSpec.model_validate(value)
    except ValidationError as error:
        raise ValueError(f"{name} has a name, and optionally audience and user_text") from error


def _start_alert(car: Car, alert: AlertSpec) -> None:
    car.alerts.start(alert.name, alert.audience, alert.user_text, car.updated_at)


def _end_alert(car: Car, name: str) -> None:
    car.alerts.end(name, car.updated_at)


def _offer_update(car: Car, version: str) -> None:
    car.body.update = SoftwareUpdate(version, "available" if version else "")


def _version(name: str, value: object) -> str:
    if not isinstance(value, str) or not VERSION.fullmatch(value):
        raise ValueError(f"{name} is a firmware version such as 2026.32.5")
    return value


def _trip(name: str, value: object) -> Trip:
    try:
        return Trip.model_validate(value)
    except ValidationError as error:
        raise ValueError(f"{name} has latitude, longitude, and optionally mph and name") from error


def _supply(name: str, value: object) -> Supply:
    try:
        return Supply.model_validate(value)
    except ValidationError as error:
        raise ValueError(f"{name} has max_amps, volts, phases and powered, or fast_charger_kw") from error


def _drive(car: Car, trip: Trip) -> None:
    car.drive_to(trip.latitude, trip.longitude, trip.mph, trip.name)


def _set_key(car: Car, state: str, public_key: "EllipticCurvePublicKey") -> None:
    if state == "unpaired":
        car.remove_key(public_key)
        return
    car.pair_key(public_key)
    if state == "disabled":
        car.disable_key(public_key)


Change = tuple[Callable[[str, object], Any], Callable[[Car, Any], None]]

CHANGES: Mapping[str, Change] = {
    "state": (_one_of("online", "asleep", "offline"), _set_state),
    "plugged_in": (_flag, _set_plugged),
    "plug_into": (_supply, Car.plug),
    "supply_powered": (_flag, lambda car, powered: car.power_supply(powered=powered)),
    "charging": (_flag, _set_charging),
    "battery_level": (_number(0, 100), _set_level),
    "charging_amps": (_number(0, MOST_AMPS), _set_amps),
    "charge_limit": (_number(LIMIT_MINIMUM, LIMIT_MAXIMUM), _set_limit),
    "locked": (_flag, _set(lambda car: car.body, "locked")),
    "door_open": (_flag, _open_doors),
    "user_present": (_flag, _set(lambda car: car.body, "user_present")),
    "sentry_mode": (_flag, _set(lambda car: car.body, "sentry_mode")),
    "climate_on": (_flag, _set_climate),
    "outside_temperature": (_number(-60, 60), _set(lambda car: car.climate, "outside")),
    "inside_temperature": (_number(-60, 90), _set(lambda car: car.climate, "inside")),
    "latitude": (_number(-90, 90), _set(lambda car: car.drive, "latitude")),
    "longitude": (_number(-180, 180), _set(lambda car: car.drive, "longitude")),
    "display_name": (_text, _set(lambda car: car, "display_name")),
    "protocol_required": (_flag, _set(lambda car: car, "protocol_required")),
    "safety_screen_streaming_toggle": (_flag, lambda car, on: car.set_streaming_toggle(on=on)),
    "mobile_access": (_flag, _set(lambda car: car, "mobile_access")),
    "in_service": (_flag, _set(lambda car: car, "in_service")),
    "drive_to": (_trip, _drive),
    "firmware": (_version, _set(lambda car: car, "firmware")),
    "available_update": (_version, _offer_update),
    "other_keys": (_number(0, MOST_KEYS), _set_other_keys),
    "wake": (_flag, _wake),
    "alert": (_alert, _start_alert),
    "alert_ended": (_text, _end_alert),
    "reboot": (_flag, _reboot),
}
"""What can be changed: how its value is read and how it is applied."""
