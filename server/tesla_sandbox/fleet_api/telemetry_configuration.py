"""Fleet Telemetry configurations: create with a signed token, read, delete, and errors.

Source: Tesla Fleet API documentation, fleet-telemetry and vehicle-endpoints.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response
from tesla_protocol.telemetry.vehicle_data_pb2 import Field as TelemetryField

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.security.configuration_token import InvalidTokenError, read_token
from tesla_sandbox.cars.security.keychain import encoded_point
from tesla_sandbox.cars.telemetry_configs import LOCATION_FIELDS, TooManyConfigurationsError
from tesla_sandbox.fleet_api import fields
from tesla_sandbox.fleet_api.answers import answer, invalid_field, invalid_request, not_found, refusal
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable, TokenKind
from tesla_sandbox.scopes import Scope
from tesla_sandbox.telemetry.configuration import Settings

TELEMETRY_ENDPOINTS = EndpointTable()

FIRST_FIRMWARE = (2024, 26)
"""The lowest firmware that takes a signed configuration."""

FIRST_FIRMWARE_WITHOUT_KEY = (2025, 20)
"""The lowest firmware of cars that do not speak the command protocol; their driver allows it on the safety screen."""

_CONFIG = "/api/1/vehicles/{vin}/fleet_telemetry_config"
_DEVICE_DATA = (Scope.VEHICLE_DEVICE_DATA,)
_SKIPPED = ("missing_key", "unsupported_hardware", "unsupported_firmware", "max_configs")


@TELEMETRY_ENDPOINTS.endpoint("POST", "/api/1/vehicles/fleet_telemetry_config", any_of=_DEVICE_DATA)
async def create_unsigned(call: FleetCall) -> Response:
    """Refuse: the configuration has to be signed, which a command proxy does for its callers."""
    raise invalid_request("the configuration must be signed; send it through the vehicle-command HTTP proxy")


@TELEMETRY_ENDPOINTS.endpoint("POST", "/api/1/vehicles/fleet_telemetry_config_jws", any_of=_DEVICE_DATA)
async def create(call: FleetCall) -> Response:
    """Leave a signed configuration for cars."""
    body = await call.json()
    vins = fields.texts(body, "vins")
    try:
        signer, claims = read_token(fields.text(body, "token", longest=200_000))
    except InvalidTokenError as error:
        raise invalid_field("token", str(error)) from error
    _check_settings(call, claims)
    cars = _cars(call, vins)
    updated, skipped = 0, {name: list[str]() for name in _SKIPPED}
    for car in cars:
        obstacle = _configure(call, car, signer, claims)
        if obstacle is None:
            updated += 1
        else:
            skipped[obstacle].append(car.vin)
    return answer({"updated_vehicles": updated, "skipped_vehicles": skipped})


def _cars(call: FleetCall, vins: Iterable[str]) -> list[Car]:
    """The cars that are meant; 404, with nothing done to any, if one is not on the account."""
    user = call.require_user()
    cars = {vin: call.world.car_of(user, vin) for vin in vins}
    known = [car for car in cars.values() if car is not None]
    if len(known) < len(cars):
        raise not_found()
    return known


@TELEMETRY_ENDPOINTS.endpoint("GET", _CONFIG, any_of=_DEVICE_DATA)
async def read(call: FleetCall) -> Response:
    """The application's configuration of one car, and whether the car has adopted it."""
    car = call.car()
    car.telemetry.expire(call.world.clock.time())
    if car.reachable() and car.may_stream:
        car.telemetry.adopt_all()
    config = car.telemetry.of(call.application.client_id)
    key = call.application.public_key
    return answer(
        {
            "synced": config is not None and config.adopted,
            "config": dict(config.settings) if config is not None else None,
            "limit_reached": car.telemetry.limit_reached,
            "key_paired": key is not None and car.key_state(key) != "unpaired",
        }
    )


@TELEMETRY_ENDPOINTS.endpoint("DELETE", _CONFIG, token=TokenKind.EITHER)
async def delete(call: FleetCall) -> Response:
    """Take the application's configuration off one car; a partner token does as well."""
    if call.user is None:
        car = call.world.cars.get(call.path_params["vin"])
    else:
        call.require_scopes(any_of=_DEVICE_DATA)
        car = call.car()
    if car is None:
        raise not_found()
    removed = car.telemetry.remove(call.application.client_id)
    call.world.on_telemetry_change(car)
    return answer({"updated_vehicles": int(removed)})


@TELEMETRY_ENDPOINTS.endpoint("GET", "/api/1/vehicles/{vin}/fleet_telemetry_errors", any_of=_DEVICE_DATA)
async def errors(call: FleetCall) -> Response:
    """What went wrong while the car streamed."""
    car = call.car()
    found = [{"name": error.name, "error": error.error, "vin": car.vin} for error in car.telemetry.errors]
    return answer({"fleet_telemetry_errors": found})


def _check_settings(call: FleetCall, claims: Mapping[str, Any]) -> None:
    try:
        settings = Settings.model_validate(claims)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise invalid_field(f"config.{'.'.join(map(str, first['loc']))}", first["msg"]) from error
    unknown = sorted(set(settings.fields) - set(TelemetryField.keys()))
    if unknown:
        raise invalid_field(f"config.fields.{unknown[0][:50]}", "is no telemetry field")
    if settings.exp is not None and settings.exp <= call.world.clock.time():
        raise invalid_field("config.exp", "must be in the future")
    if LOCATION_FIELDS.intersection(settings.fields):
        call.require_scopes(all_of=(Scope.VEHICLE_LOCATION,))


def _configure(call: FleetCall, car: Car, signer: bytes, claims: Mapping[str, Any]) -> str | None:
    """Leave the configuration; the reason to skip the car if that is not possible."""
    own_key = call.application.public_key
    if own_key is None or encoded_point(own_key) != signer:
        raise refusal(403, "the token is not signed with the application's key")
    if (obstacle := _obstacle(car, signer)) is not None:
        return obstacle
    try:
        config = car.telemetry.put(call.application.client_id, claims)
    except TooManyConfigurationsError:
        return "max_configs"
    config.adopted = car.reachable() and car.may_stream
    call.world.on_telemetry_change(car)
    return None


def _obstacle(car: Car, signer: bytes) -> str | None:
    keyless = not car.spec.speaks_protocol
    if car.spec.telemetry_version is None:
        return "unsupported_hardware" if keyless else "unsupported_firmware"
    if not car.firmware_at_least(*(FIRST_FIRMWARE_WITHOUT_KEY if keyless else FIRST_FIRMWARE)):
        return "unsupported_firmware"
    # No source names the list for a driver who does not allow it; what is missing is a permission, as without a key.
    allowed = car.may_stream if keyless else car.keychain.is_paired(signer)
    return None if allowed else "missing_key"
