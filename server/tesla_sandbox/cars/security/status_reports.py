"""What the vehicle security controller tells about the car and its keys."""

from tesla_protocol.command.universal_message_pb2 import MessageFault_E
from tesla_protocol.command.vcsec_pb2 import (
    ClosureState_E,
    ClosureStatuses,
    FromVCSECMessage,
    InformationRequest,
    InformationRequestType,
    KeyIdentifier,
    KeyMetadata,
    PublicKey,
    UserPresence_E,
    VehicleLockState_E,
    VehicleSleepStatus_E,
    VehicleStatus,
    WhitelistEntryInfo,
    WhitelistInfo,
)

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.security.faults import ProtocolFault
from tesla_sandbox.cars.security.keychain import Key


def report(car: Car, request: InformationRequest) -> FromVCSECMessage:
    """The answer to an information request.

    Raises:
        ProtocolFault: INVALID_COMMAND for reports that the sandbox does not know, BAD_PARAMETER
            for a key that is not on the car.
    """
    kind = request.informationRequestType
    if kind == InformationRequestType.INFORMATION_REQUEST_TYPE_GET_STATUS:
        return FromVCSECMessage(vehicleStatus=_status(car))
    if kind == InformationRequestType.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO:
        return FromVCSECMessage(whitelistInfo=_key_list(car))
    if kind == InformationRequestType.INFORMATION_REQUEST_TYPE_GET_WHITELIST_ENTRY_INFO:
        key = _requested_key(car, request)
        if key is None:
            raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER)
        return FromVCSECMessage(whitelistEntryInfo=_key_entry(key))
    raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_INVALID_COMMAND)


def _status(car: Car) -> VehicleStatus:
    body = car.body
    return VehicleStatus(
        closureStatuses=ClosureStatuses(
            frontDriverDoor=_closure("df" in body.open_doors),
            rearDriverDoor=_closure("dr" in body.open_doors),
            frontPassengerDoor=_closure("pf" in body.open_doors),
            rearPassengerDoor=_closure("pr" in body.open_doors),
            frontTrunk=_closure(body.front_trunk_open),
            rearTrunk=_closure(body.rear_trunk_open),
            chargePort=_closure(car.charging.port_open),
            tonneau=_closure(body.tonneau_open),
        ),
        vehicleLockState=VehicleLockState_E.VEHICLELOCKSTATE_LOCKED
        if body.locked
        else VehicleLockState_E.VEHICLELOCKSTATE_UNLOCKED,
        vehicleSleepStatus=VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_AWAKE,
        userPresence=UserPresence_E.VEHICLE_USER_PRESENCE_PRESENT
        if body.user_present
        else UserPresence_E.VEHICLE_USER_PRESENCE_NOT_PRESENT,
    )


def _closure(is_open: bool) -> "ClosureState_E":
    return ClosureState_E.CLOSURESTATE_OPEN if is_open else ClosureState_E.CLOSURESTATE_CLOSED


def _key_list(car: Car) -> WhitelistInfo:
    keys = sorted(car.keychain, key=lambda key: key.slot)
    return WhitelistInfo(
        numberOfEntries=len(car.keychain),
        whitelistEntries=[KeyIdentifier(publicKeySHA1=key.key_id) for key in keys],
        slotMask=sum(1 << key.slot for key in keys),
    )


def _requested_key(car: Car, request: InformationRequest) -> Key | None:
    match request.WhichOneof("key"):
        case "publicKey":
            return car.keychain.find(request.publicKey)
        case "keyId":
            wanted = request.keyId.publicKeySHA1
            return next((key for key in car.keychain if key.key_id == wanted), None)
        case _:
            return car.keychain.at_slot(request.slot)


def _key_entry(key: Key) -> WhitelistEntryInfo:
    return WhitelistEntryInfo(
        keyId=KeyIdentifier(publicKeySHA1=key.key_id),
        publicKey=PublicKey(PublicKeyRaw=key.public_key),
        metadataForKey=KeyMetadata(keyFormFactor=key.form_factor),
        slot=key.slot,
        keyRole=key.role,
    )
