"""Requests to a vehicle subsystem, and how an answer is tied to its request.

Source: teslamotors/vehicle-command protocol.md, "Message encoding" and "Response handling".
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from google.protobuf.message import DecodeError
from tesla_protocol.command import universal_message_pb2 as universal

from wattbus_server.vendors.tesla.signing.authentication import (
    AuthenticationError,
    CommandClaims,
    EncryptedAnswer,
    command_tag,
    request_hash,
)
from wattbus_server.vendors.tesla.signing.domains import Domain
from wattbus_server.vendors.tesla.signing.errors import InvalidAnswer
from wattbus_server.vendors.tesla.signing.faults import BUSY

FLAG_ENCRYPT_RESPONSE = 1 << universal.FLAG_ENCRYPT_RESPONSE
"""Asks for an encrypted answer; firmware before 2024.38 ignores it."""

_IDENTIFIER_LENGTH = 16

_WIRE_DOMAINS: Mapping[Domain, "universal.Domain"] = MappingProxyType(
    {
        Domain.VEHICLE_SECURITY: universal.DOMAIN_VEHICLE_SECURITY,
        Domain.INFOTAINMENT: universal.DOMAIN_INFOTAINMENT,
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """A message that was made for one subsystem of one vehicle.

    Attributes:
        uuid: 16 unpredictable bytes; the challenge of session info in the answer.
        routing_address: 16 random bytes, never used twice; the answer is sent to it.
        message: the encoded `RoutableMessage`.
    """

    vin: str
    domain: Domain
    uuid: bytes
    routing_address: bytes
    message: bytes

    @property
    def carries_command(self) -> bool:
        """Whether the vehicle may act on the message."""
        return False


@dataclass(frozen=True, slots=True)
class CommandRequest(Request):
    """A signed command; it can open the encrypted answer to itself."""

    shared_key: bytes
    hash: bytes
    _seen_counters: set[int] = field(default_factory=set)

    @property
    def carries_command(self) -> bool:
        """Whether the vehicle may act on the message."""
        return True

    def open(self, encrypted: EncryptedAnswer) -> bytes:
        """Decrypt an answer to this request; every answer counter is accepted once.

        Raises:
            AuthenticationError: the answer does not verify, or was seen before.
        """
        plaintext = encrypted.decrypt(self.shared_key)
        if encrypted.counter in self._seen_counters:
            raise AuthenticationError("the encrypted answer was received before")
        self._seen_counters.add(encrypted.counter)
        return plaintext


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that belongs to its request; an encrypted payload is verified and opened.

    Attributes:
        fault: `MessageFault_E` number, 0 if there is none.
        failed: the vehicle flagged an error, with or without a fault.
        payload: the application's answer, None if there is none.
        session_info: encoded `SessionInfo`, still to be verified, or None.
        session_info_tag: empty if there is none.
    """

    fault: int
    failed: bool
    payload: bytes | None
    session_info: bytes | None
    session_info_tag: bytes


def _address(domain: Domain) -> universal.RoutableMessage:
    message = universal.RoutableMessage(uuid=secrets.token_bytes(_IDENTIFIER_LENGTH))
    message.to_destination.domain = _WIRE_DOMAINS[domain]
    message.from_destination.routing_address = secrets.token_bytes(_IDENTIFIER_LENGTH)
    return message


def handshake_request(vin: str, domain: Domain, public_point: bytes) -> Request:
    """Ask a subsystem for its session info; it executes nothing."""
    message = _address(domain)
    message.session_info_request.public_key = public_point
    return Request(
        vin=vin,
        domain=domain,
        uuid=message.uuid,
        routing_address=message.from_destination.routing_address,
        message=message.SerializeToString(),
    )


def command_request(claims: CommandClaims, payload: bytes, *, shared_key: bytes, public_point: bytes) -> CommandRequest:
    """Sign a payload with HMAC_PERSONALIZED, the one kind that the Fleet API relays."""
    message = _address(claims.domain)
    message.flags = claims.flags
    message.protobuf_message_as_bytes = payload
    tag = command_tag(shared_key, claims, payload)
    message.signature_data.signer_identity.public_key = public_point
    signature = message.signature_data.HMAC_Personalized_data
    signature.epoch = claims.epoch
    signature.counter = claims.counter
    signature.expires_at = claims.expires_at
    signature.tag = tag
    return CommandRequest(
        vin=claims.vin,
        domain=claims.domain,
        uuid=message.uuid,
        routing_address=message.from_destination.routing_address,
        message=message.SerializeToString(),
        shared_key=shared_key,
        hash=request_hash(claims.domain, tag),
    )


def carries_command(message: bytes) -> bool:
    """Tell a transport whether a message can make the vehicle act (a handshake cannot).

    A transport that loses the answer needs this to say truthfully what may have happened. Bytes
    that are no message count as a command.
    """
    try:
        decoded = universal.RoutableMessage.FromString(message)
    except DecodeError:
        return True
    return not decoded.HasField("session_info_request")


def read_answer(request: Request, encoded: bytes) -> Answer:
    """Decode an answer, check that it belongs to the request, and decrypt it.

    Raises:
        InvalidAnswer: malformed, for another request, or with a cipher that does not verify.
    """
    try:
        message = universal.RoutableMessage.FromString(encoded)
        _check_correlation(request, message)
        return _open(request, message)
    except (DecodeError, AuthenticationError) as error:
        raise InvalidAnswer(
            f"vehicle answer is not usable: {error}", may_have_executed=request.carries_command
        ) from error


def _check_correlation(request: Request, message: universal.RoutableMessage) -> None:
    """Tie an answer to its request as Tesla's dispatcher does; VCSEC may leave the uuid out."""
    if int(message.from_destination.domain) != request.domain:
        raise AuthenticationError("it comes from another subsystem")
    if message.to_destination.routing_address != request.routing_address:
        raise AuthenticationError("it is addressed to another request")
    without_uuid = request.domain is Domain.VEHICLE_SECURITY and not message.request_uuid
    if not without_uuid and message.request_uuid != request.uuid:
        raise AuthenticationError("it carries the uuid of another request")


def _open(request: Request, message: universal.RoutableMessage) -> Answer:
    kind = message.WhichOneof("payload")
    payload = message.protobuf_message_as_bytes if kind == "protobuf_message_as_bytes" else None
    status = message.signedMessageStatus
    fault = int(status.signed_message_fault)
    if message.signature_data.HasField("AES_GCM_Response_data"):
        if not isinstance(request, CommandRequest):
            raise AuthenticationError("an answer to a handshake cannot be encrypted")
        signature = message.signature_data.AES_GCM_Response_data
        payload = request.open(
            EncryptedAnswer(
                domain=request.domain,
                vin=request.vin,
                counter=signature.counter,
                flags=message.flags,
                fault=fault,
                request_hash=request.hash,
                nonce=signature.nonce,
                ciphertext=message.protobuf_message_as_bytes,
                tag=signature.tag,
            )
        )
    if not fault and status.operation_status == universal.OPERATIONSTATUS_WAIT:
        fault = BUSY
    return Answer(
        fault=fault,
        failed=bool(fault) or status.operation_status == universal.OPERATIONSTATUS_ERROR,
        payload=payload,
        session_info=message.session_info if kind == "session_info" else None,
        session_info_tag=message.signature_data.session_info_tag.tag,
    )
