"""Doors, trunks, windows, lights, horn and driving permission.

Names and parameters follow the Fleet API documentation, vehicle-commands.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from tesla_protocol.command import car_server_pb2 as car_server
from tesla_protocol.command import common_pb2 as common
from tesla_protocol.command import vcsec_pb2 as vcsec

from wattbus_server.vendors.tesla.signing.payloads.payload import SignedPayload, infotainment, vehicle_security


class Trunk(Enum):
    """Which trunk."""

    FRONT = "front"
    """Opens only; it must be closed by hand."""

    REAR = "rear"
    """Opens, and closes if it has a motor."""


class WindowCommand(Enum):
    """What all windows do."""

    VENT = "vent"
    CLOSE = "close"


_TRUNKS: Mapping[Trunk, vcsec.ClosureMoveRequest] = MappingProxyType(
    {
        Trunk.FRONT: vcsec.ClosureMoveRequest(frontTrunk=vcsec.CLOSURE_MOVE_TYPE_MOVE),
        Trunk.REAR: vcsec.ClosureMoveRequest(rearTrunk=vcsec.CLOSURE_MOVE_TYPE_MOVE),
    }
)

_WINDOWS: Mapping[WindowCommand, car_server.VehicleControlWindowAction] = MappingProxyType(
    {
        WindowCommand.VENT: car_server.VehicleControlWindowAction(vent=common.Void()),
        WindowCommand.CLOSE: car_server.VehicleControlWindowAction(close=common.Void()),
    }
)


def door_lock() -> SignedPayload:
    """Lock the doors."""
    return vehicle_security(vcsec.UnsignedMessage(RKEAction=vcsec.RKE_ACTION_LOCK))


def door_unlock() -> SignedPayload:
    """Unlock the doors; a second time would undo that somebody locked them."""
    return vehicle_security(vcsec.UnsignedMessage(RKEAction=vcsec.RKE_ACTION_UNLOCK), repeatable=False)


def remote_start_drive() -> SignedPayload:
    """Permit driving without a key for a short time; keyless driving must be enabled."""
    message = vcsec.UnsignedMessage(RKEAction=vcsec.RKE_ACTION_REMOTE_DRIVE)
    return vehicle_security(message, repeatable=False)


def actuate_trunk(which: Trunk) -> SignedPayload:
    """Move a trunk; a second time moves the rear one back."""
    message = vcsec.UnsignedMessage(closureMoveRequest=_TRUNKS[which])
    return vehicle_security(message, repeatable=False)


def window_control(command: WindowCommand) -> SignedPayload:
    """Open all windows a little, or close them."""
    return infotainment(car_server.VehicleAction(vehicleControlWindowAction=_WINDOWS[command]))


def flash_lights() -> SignedPayload:
    """Flash the lights once; the car must be parked."""
    action = car_server.VehicleControlFlashLightsAction()
    return infotainment(car_server.VehicleAction(vehicleControlFlashLightsAction=action), repeatable=False)


def honk_horn() -> SignedPayload:
    """Honk once; the car must be parked."""
    action = car_server.VehicleControlHonkHornAction()
    return infotainment(car_server.VehicleAction(vehicleControlHonkHornAction=action), repeatable=False)
