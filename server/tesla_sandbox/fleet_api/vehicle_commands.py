"""Vehicle commands: one unsigned REST endpoint per command, and `signed_command`.

Source: Tesla Fleet API documentation, vehicle-commands; teslamotors/vehicle-command, protocol.md.
"""

import base64
import binascii

from google.protobuf.message import DecodeError
from pydantic import ValidationError
from starlette.responses import Response
from tesla_protocol.command.car_server_pb2 import VehicleAction
from tesla_protocol.command.universal_message_pb2 import Domain, RoutableMessage

from tesla_sandbox.billing import Price
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.commands import COMMANDS, AnyCommand, CommandRefusal, Unsigned
from tesla_sandbox.cars.security import actions, vcsec
from tesla_sandbox.cars.security.faults import ProtocolFault
from tesla_sandbox.cars.security.protocol import respond
from tesla_sandbox.cars.security.reads import is_read, shows_position
from tesla_sandbox.fleet_api import fields
from tesla_sandbox.fleet_api.answers import (
    ApiRefusal,
    answer,
    invalid_field,
    invalid_request,
    json_answer,
    missing_scopes,
    refusal,
)
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable, Handler
from tesla_sandbox.fleet_api.rate_limits import RateClass
from tesla_sandbox.fleet_api.vehicle_access import operable_car, remote_car
from tesla_sandbox.scopes import Scope

COMMAND_ENDPOINTS = EndpointTable()

LARGEST_MESSAGE_CHARACTERS = 64 * 1024

_PROTOCOL_PAGE = (
    "https://developer.tesla.com/docs/fleet-api#2023-10-09-rest-api-vehicle-commands-endpoint-deprecation-warning"
)

_ANY_COMMAND = (Scope.VEHICLE_CMDS,)
_CHARGING_COMMAND = (Scope.VEHICLE_CMDS, Scope.VEHICLE_CHARGING_CMDS)


def protocol_required() -> ApiRefusal:
    """403: this command goes to this car only with a signature."""
    return refusal(
        403, f"Tesla Vehicle Command Protocol required, please refer to the documentation here: {_PROTOCOL_PAGE}"
    )


def protocol_unsupported(txid: str) -> ApiRefusal:
    """422: this car takes no signed messages at all."""
    return refusal(
        422,
        "vehicle does not support the Tesla Vehicle Command Protocol, please refer to the documentation here: "
        f"{_PROTOCOL_PAGE}",
        txid=txid,
    )


def _unsigned_endpoint(command: AnyCommand) -> Handler:
    async def handle(call: FleetCall) -> Response:
        body = await call.json()
        _refuse_unsigned(command, call.car())
        car = remote_car(call)
        try:
            command.execute(car, body)
        except ValidationError as error:
            raise _unfit_parameter(error) from error
        except CommandRefusal as refused:
            return answer({"result": False, "reason": refused.reason})
        return answer({"result": True, "reason": ""})

    return handle


def _refuse_unsigned(command: AnyCommand, car: Car) -> None:
    required = command.unsigned is Unsigned.NEVER or (
        command.unsigned is Unsigned.UNLESS_REQUIRED and car.protocol_required
    )
    if required:
        raise protocol_required()


def _unfit_parameter(error: ValidationError) -> ApiRefusal:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "body"
    return invalid_field(name, first["msg"])


for _command in COMMANDS.values():
    COMMAND_ENDPOINTS.endpoint(
        "POST",
        f"/api/1/vehicles/{{vin}}/command/{_command.name}",
        any_of=_CHARGING_COMMAND if _command.charging else _ANY_COMMAND,
        price=Price.COMMAND,
        rate=RateClass.COMMAND,
        parameterless=_command.parameterless,
    )(_unsigned_endpoint(_command))


@COMMAND_ENDPOINTS.endpoint(
    "POST",
    "/api/1/vehicles/{vin}/command/{name}",
    any_of=_ANY_COMMAND,
    price=Price.COMMAND,
    rate=RateClass.COMMAND,
)
async def unknown_command(call: FleetCall) -> Response:
    """Every name that is no command."""
    raise refusal(400, "invalid_command")


@COMMAND_ENDPOINTS.endpoint(
    "POST",
    "/api/1/vehicles/{vin}/signed_command",
    any_of=_CHARGING_COMMAND,
    price=Price.COMMAND,
    rate=RateClass.COMMAND,
)
async def signed_command(call: FleetCall) -> Response:
    """Pass a routable message to the car and return the car's answer.

    The status is 200 whenever the car answered, also when it refused.
    """
    message = _routable_message(await call.json())
    if not call.car().spec.speaks_protocol:
        raise protocol_unsupported(call.txid)
    _check_message_scopes(call, message)
    car = operable_car(call)
    reply = await _reply(call, car, message)
    encoded = base64.b64encode(reply.SerializeToString()).decode()
    return json_answer({"response": encoded})


async def _reply(call: FleetCall, car: Car, message: RoutableMessage) -> RoutableMessage:
    faults = call.world.faults
    handshake = message.WhichOneof("payload") == "session_info_request"
    if handshake and (slow := faults.take("slow_handshake", car.vin)):
        await call.wait(slow.seconds)
    if not handshake and faults.take("epoch_change", car.vin):
        car.reboot()
    drift = faults.peek("clock_drift", car.vin) if handshake else faults.take("clock_drift", car.vin)
    car.security.keep_time(car.updated_at, drift.seconds if drift else 0.0)
    forced = faults.take("vehicle_fault", car.vin)
    return respond(car, message, int(forced.parameters["fault"]) if forced else None)


def _routable_message(body: dict[str, object]) -> RoutableMessage:
    text = fields.text(body, "routable_message", longest=LARGEST_MESSAGE_CHARACTERS)
    message = RoutableMessage()
    try:
        message.ParseFromString(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise invalid_field("routable_message", "is not base64") from error
    except DecodeError as error:
        raise invalid_field("routable_message", "is no routable message") from error
    if message.WhichOneof("payload") not in {"session_info_request", "protobuf_message_as_bytes"}:
        raise invalid_request("the routable message carries no request")
    return message


def _check_message_scopes(call: FleetCall, message: RoutableMessage) -> None:
    """Compare what the message would do with the token's scopes.

    An encrypted command cannot be inspected and is therefore refused.
    """
    if message.WhichOneof("payload") == "session_info_request":
        return
    if message.signature_data.HasField("AES_GCM_Personalized_data"):
        raise missing_scopes()
    action = _infotainment_action(message)
    if action is not None and is_read(action):
        call.require_scopes(all_of=(Scope.VEHICLE_DEVICE_DATA,))
        if shows_position(action):
            call.require_scopes(all_of=(Scope.VEHICLE_LOCATION,))
    elif Scope.VEHICLE_CMDS not in call.scopes and not _is_charging(message):
        raise missing_scopes()


def _infotainment_action(message: RoutableMessage) -> VehicleAction | None:
    if message.to_destination.domain != Domain.DOMAIN_INFOTAINMENT:
        return None
    try:
        return actions.parse(message.protobuf_message_as_bytes)
    except ProtocolFault:
        return None


def _is_charging(message: RoutableMessage) -> bool:
    payload = message.protobuf_message_as_bytes
    try:
        if message.to_destination.domain == Domain.DOMAIN_VEHICLE_SECURITY:
            calls = vcsec.calls_of(vcsec.parse(payload))
        else:
            calls = actions.calls_of(actions.parse(payload))
    except ProtocolFault:
        return False
    return all(COMMANDS[called.name].charging for called in calls)
