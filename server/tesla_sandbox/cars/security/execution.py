"""Carries out the command inside a verified message and words the domain's answer."""

from collections.abc import Iterable

from pydantic import ValidationError
from tesla_protocol.command.car_server_pb2 import (
    ActionStatus,
    OperationStatus_E,
    Ping,
    Response,
    ResultReason,
)
from tesla_protocol.command.errors_pb2 import NominalError
from tesla_protocol.command.universal_message_pb2 import Domain, MessageFault_E
from tesla_protocol.command.vcsec_pb2 import (
    CommandStatus,
    FromVCSECMessage,
    WhitelistOperation_information_E,
    WhitelistOperation_status,
)
from tesla_protocol.command.vcsec_pb2 import OperationStatus_E as VcsecStatus

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.commands import COMMANDS
from tesla_sandbox.cars.commands.contract import CommandRefusal
from tesla_sandbox.cars.security import actions, vcsec
from tesla_sandbox.cars.security.actions import Call
from tesla_sandbox.cars.security.faults import ProtocolFault
from tesla_sandbox.cars.security.keychain import Key
from tesla_sandbox.cars.security.permissions import check_permission
from tesla_sandbox.cars.security.reads import read
from tesla_sandbox.cars.security.status_reports import report


def execute(car: Car, domain: "Domain", payload: bytes, key: Key) -> bytes:
    """Carry out a payload that `key` signed, and return the domain's serialised answer.

    Raises:
        ProtocolFault: If the payload cannot be understood or the key may not do this.
    """
    if domain == Domain.DOMAIN_INFOTAINMENT:
        return _infotainment(car, payload, key)
    return _security_controller(car, payload, key)


def _infotainment(car: Car, payload: bytes, key: Key) -> bytes:
    action = actions.parse(payload)
    answered = read(car, action)
    if answered is not None:
        return answered.SerializeToString()
    calls = actions.calls_of(action)
    try:
        _run(car, calls, key)
    except CommandRefusal as refused:
        status = ActionStatus(
            result=OperationStatus_E.OPERATIONSTATUS_ERROR,
            result_reason=ResultReason(plain_text=refused.reason),
        )
        return Response(actionStatus=status).SerializeToString()
    answer = Response(actionStatus=ActionStatus(result=OperationStatus_E.OPERATIONSTATUS_OK))
    if calls[0].name == "ping":
        answer.ping.CopyFrom(Ping(ping_id=0))
        answer.ping.local_timestamp.FromNanoseconds(int(car.updated_at * 1e9))
    return answer.SerializeToString()


def _security_controller(car: Car, payload: bytes, key: Key) -> bytes:
    message = vcsec.parse(payload)
    kind = message.WhichOneof("sub_message")
    if kind == "InformationRequest":
        return report(car, message.InformationRequest).SerializeToString()
    if kind == "WhitelistOperation":
        return _KEY_MANAGEMENT_REFUSED.SerializeToString()
    try:
        _run(car, vcsec.calls_of(message), key)
    except CommandRefusal as refused:
        error = NominalError(genericError=refused.error)
        return FromVCSECMessage(nominalError=error).SerializeToString()
    return FromVCSECMessage().SerializeToString()


def _run(car: Car, calls: Iterable[Call], key: Key) -> None:
    for call in calls:
        command = COMMANDS[call.name]
        check_permission(key.role, command)
        try:
            command.execute(car, call.parameters)
        except ValidationError as error:
            raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER) from error


_KEY_MANAGEMENT_REFUSED = FromVCSECMessage(
    commandStatus=CommandStatus(
        operationStatus=VcsecStatus.OPERATIONSTATUS_ERROR,
        whitelistOperationStatus=WhitelistOperation_status(
            whitelistOperationInformation=(
                WhitelistOperation_information_E.WHITELISTOPERATION_INFORMATION_NO_PERMISSION_TO_ADD
            ),
            operationStatus=VcsecStatus.OPERATIONSTATUS_ERROR,
        ),
    )
)
"""Keys cannot be managed over the internet since firmware 2023.38, whatever the role."""
