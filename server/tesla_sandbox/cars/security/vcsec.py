"""Decodes messages to the vehicle security controller (VCSEC.UnsignedMessage)."""

from collections.abc import Mapping

from google.protobuf.message import DecodeError
from tesla_protocol.command.universal_message_pb2 import MessageFault_E
from tesla_protocol.command.vcsec_pb2 import (
    ClosureMoveRequest,
    ClosureMoveType_E,
    RKEAction_E,
    UnsignedMessage,
)

from tesla_sandbox.cars.security.actions import Call
from tesla_sandbox.cars.security.faults import ProtocolFault

_OPEN_REAR = {"which_trunk": "rear", "motion": "open"}

_RKE_CALLS: Mapping["RKEAction_E", Call] = {
    RKEAction_E.RKE_ACTION_UNLOCK: Call("door_unlock", {}),
    RKEAction_E.RKE_ACTION_LOCK: Call("door_lock", {}),
    RKEAction_E.RKE_ACTION_AUTO_SECURE_VEHICLE: Call("door_lock", {}),
    RKEAction_E.RKE_ACTION_OPEN_TRUNK: Call("actuate_trunk", _OPEN_REAR),
    RKEAction_E.RKE_ACTION_OPEN_FRUNK: Call("actuate_trunk", {"which_trunk": "front"}),
    RKEAction_E.RKE_ACTION_OPEN_CHARGE_PORT: Call("charge_port_door_open", {}),
    RKEAction_E.RKE_ACTION_CLOSE_CHARGE_PORT: Call("charge_port_door_close", {}),
    RKEAction_E.RKE_ACTION_REMOTE_DRIVE: Call("remote_start_drive", {}),
    RKEAction_E.RKE_ACTION_WAKE_VEHICLE: Call("ping", {}),
}

_MOVE, _STOP, _OPEN, _CLOSE = (
    ClosureMoveType_E.CLOSURE_MOVE_TYPE_MOVE,
    ClosureMoveType_E.CLOSURE_MOVE_TYPE_STOP,
    ClosureMoveType_E.CLOSURE_MOVE_TYPE_OPEN,
    ClosureMoveType_E.CLOSURE_MOVE_TYPE_CLOSE,
)

_CLOSURE_CALLS: Mapping[tuple[str, "ClosureMoveType_E"], Call] = {
    ("rearTrunk", _MOVE): Call("actuate_trunk", {"which_trunk": "rear"}),
    ("rearTrunk", _OPEN): Call("actuate_trunk", {"which_trunk": "rear", "motion": "open"}),
    ("rearTrunk", _CLOSE): Call("actuate_trunk", {"which_trunk": "rear", "motion": "close"}),
    ("frontTrunk", _MOVE): Call("actuate_trunk", {"which_trunk": "front"}),
    ("frontTrunk", _OPEN): Call("actuate_trunk", {"which_trunk": "front"}),
    ("chargePort", _OPEN): Call("charge_port_door_open", {}),
    ("chargePort", _CLOSE): Call("charge_port_door_close", {}),
    ("tonneau", _OPEN): Call("open_tonneau", {}),
    ("tonneau", _CLOSE): Call("close_tonneau", {}),
    ("tonneau", _STOP): Call("stop_tonneau", {}),
}


def parse(payload: bytes) -> UnsignedMessage:
    """The message that the bytes encode.

    Raises:
        ProtocolFault: DECODING for malformed bytes.
    """
    message = UnsignedMessage()
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_DECODING) from error
    return message


def calls_of(message: UnsignedMessage) -> list[Call]:
    """The commands that a message stands for.

    Raises:
        ProtocolFault: INVALID_COMMAND for anything that is no command of the controller.
    """
    kind = message.WhichOneof("sub_message")
    calls: list[Call] = []
    if kind == "RKEAction" and message.RKEAction in _RKE_CALLS:
        calls = [_RKE_CALLS[message.RKEAction]]
    elif kind == "closureMoveRequest":
        calls = _closure_calls(message.closureMoveRequest)
    if not calls:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_INVALID_COMMAND)
    return calls


def _closure_calls(request: ClosureMoveRequest) -> list[Call]:
    moves = [(field.name, value) for field, value in request.ListFields()]
    return [_CLOSURE_CALLS[move] for move in moves if move in _CLOSURE_CALLS]
