"""Answers routable messages as a car does: handshake, verification, execution, encryption."""

from tesla_protocol.command.signatures_pb2 import (
    AES_GCM_Response_Signature_Data,
    HMAC_Signature_Data,
    Session_Info_Status,
    SignatureData,
    SignatureType,
    Tag,
)
from tesla_protocol.command.universal_message_pb2 import (
    Domain,
    Flags,
    MessageFault_E,
    MessageStatus,
    OperationStatus_E,
    RoutableMessage,
)

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.security.execution import execute
from tesla_sandbox.cars.security.faults import RESYNCHRONISING_FAULTS, ProtocolFault
from tesla_sandbox.cars.security.keychain import InvalidPublicKeyError
from tesla_sandbox.cars.security.metadata import serialize
from tesla_sandbox.cars.security.sessions import DOMAINS, DomainComputer, Session
from tesla_sandbox.cars.security.verification import VerifiedMessage, verify

ENCRYPT_RESPONSE = 1 << Flags.FLAG_ENCRYPT_RESPONSE
"""The request flag that asks for an encrypted answer."""

LONGEST_UUID_BYTES = 16

LARGEST_SECURITY_PAYLOAD = 1024
"""Bytes that the small security controller takes; the protocol names no figure."""


def respond(car: Car, request: RoutableMessage, forced: int | None = None) -> RoutableMessage:
    """The car's answer to a message; the car must be awake.

    Args:
        car: The car that the message reached.
        request: A handshake or a signed command.
        forced: A fault to answer whatever the message is; it is carried out only where that
            fault says so (RESPONSE_MTU_EXCEEDED).
    """
    car.advance()
    car.touch()
    domain = request.to_destination.domain
    answer = _envelope(request, domain)
    if request.to_destination.WhichOneof("sub_destination") != "domain" or domain not in DOMAINS:
        _set_fault(answer, MessageFault_E.MESSAGEFAULT_ERROR_INVALID_DOMAINS)
        return answer
    if len(request.uuid) > LONGEST_UUID_BYTES:
        _set_fault(answer, MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER)
        return answer
    computer = car.security.computer(domain)
    try:
        _refuse_if_forced(car, computer, request, forced)
        if request.WhichOneof("payload") == "session_info_request":
            _shake_hands(car, computer, request, answer)
        else:
            _obey(car, computer, request, answer)
    except ProtocolFault as fault:
        _set_fault(answer, fault.code)
        if fault.session is not None and fault.code in RESYNCHRONISING_FAULTS:
            _attach_session_info(car, computer, fault.session, request, answer)
    return answer


def _envelope(request: RoutableMessage, domain: "Domain") -> RoutableMessage:
    answer = RoutableMessage()
    answer.to_destination.CopyFrom(request.from_destination)
    answer.from_destination.CopyFrom(request.to_destination)
    if domain != Domain.DOMAIN_VEHICLE_SECURITY:
        answer.request_uuid = request.uuid
    return answer


def _refuse_if_forced(
    car: Car,
    computer: DomainComputer,
    request: RoutableMessage,
    forced: int | None,
) -> None:
    if forced is None:
        return
    if forced == MessageFault_E.MESSAGEFAULT_ERROR_RESPONSE_MTU_EXCEEDED:
        _obey(car, computer, request, RoutableMessage())
    key = car.keychain.find(request.signature_data.signer_identity.public_key)
    raise ProtocolFault(forced, computer.session(key.public_key) if key is not None else None)


def _shake_hands(car: Car, computer: DomainComputer, request: RoutableMessage, answer: RoutableMessage) -> None:
    public_key = request.session_info_request.public_key
    try:
        session = computer.session(public_key)
    except InvalidPublicKeyError as error:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER) from error
    key = car.keychain.find(public_key)
    if key is not None and key.disabled:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_INACTIVE_KEY)
    status = Session_Info_Status.SESSION_INFO_STATUS_OK
    if key is None:
        computer.forget(public_key)
        status = Session_Info_Status.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST
    _attach_session_info(car, computer, session, request, answer, status)


def _obey(car: Car, computer: DomainComputer, request: RoutableMessage, answer: RoutableMessage) -> None:
    _check_size(computer, request)
    if computer.domain == Domain.DOMAIN_INFOTAINMENT and car.updated_at < car.security.ready_at:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_INTERNAL)
    now = car.security.time(car.updated_at)
    verified = verify(computer, car.keychain, request, now)
    if not car.mobile_access:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_REMOTE_ACCESS_DISABLED)
    content = execute(car, computer.domain, verified.payload, verified.key)
    if request.flags & ENCRYPT_RESPONSE and car.encrypts_responses:
        _encrypt(car, computer, verified, content, answer)
    else:
        answer.protobuf_message_as_bytes = content


def _check_size(computer: DomainComputer, request: RoutableMessage) -> None:
    small = computer.domain == Domain.DOMAIN_VEHICLE_SECURITY
    if small and len(request.protobuf_message_as_bytes) > LARGEST_SECURITY_PAYLOAD:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_REQUEST_MTU_EXCEEDED)


def _encrypt(
    car: Car,
    computer: DomainComputer,
    verified: VerifiedMessage,
    content: bytes,
    answer: RoutableMessage,
) -> None:
    session = verified.session
    nonce = car.security.nonce(session, computer)
    counter = session.answers_encrypted
    metadata = serialize(
        {
            Tag.TAG_SIGNATURE_TYPE: bytes((SignatureType.SIGNATURE_TYPE_AES_GCM_RESPONSE,)),
            Tag.TAG_DOMAIN: bytes((computer.domain,)),
            Tag.TAG_PERSONALIZATION: computer.vin.encode(),
            Tag.TAG_COUNTER: counter,
            Tag.TAG_FLAGS: answer.flags,
            Tag.TAG_REQUEST_HASH: verified.request_hash,
            Tag.TAG_FAULT: MessageFault_E.MESSAGEFAULT_ERROR_NONE,
        }
    )
    answer.protobuf_message_as_bytes, tag = session.encrypt(nonce, content, metadata)
    sealed = AES_GCM_Response_Signature_Data(nonce=nonce, counter=counter, tag=tag)
    answer.signature_data.CopyFrom(SignatureData(AES_GCM_Response_data=sealed))


def _attach_session_info(
    car: Car,
    computer: DomainComputer,
    session: Session,
    request: RoutableMessage,
    answer: RoutableMessage,
    status: "Session_Info_Status" = Session_Info_Status.SESSION_INFO_STATUS_OK,
) -> None:
    key = car.keychain.find(session.public_key)
    now = car.security.time(car.updated_at)
    handle = key.slot + 1 if key is not None else 0
    answer.session_info, tag = computer.session_info(session, now, request.uuid, status, handle)
    answer.signature_data.CopyFrom(SignatureData(session_info_tag=HMAC_Signature_Data(tag=tag)))


def _set_fault(answer: RoutableMessage, code: int) -> None:
    busy = code == MessageFault_E.MESSAGEFAULT_ERROR_BUSY
    status = MessageStatus(
        operation_status=OperationStatus_E.OPERATIONSTATUS_WAIT if busy else OperationStatus_E.OPERATIONSTATUS_ERROR,
        signed_message_fault=MessageFault_E.Name(code),
    )
    answer.signedMessageStatus.CopyFrom(status)
