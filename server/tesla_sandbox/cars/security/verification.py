"""Checks a signed message the way a car does before it looks at the command."""

import hmac
from dataclasses import dataclass

from tesla_protocol.command.signatures_pb2 import (
    HMAC_Personalized_Signature_Data,
    SignatureType,
    Tag,
)
from tesla_protocol.command.universal_message_pb2 import Domain, MessageFault_E, RoutableMessage

from tesla_sandbox.cars.security.faults import ProtocolFault
from tesla_sandbox.cars.security.keychain import Key, Keychain
from tesla_sandbox.cars.security.metadata import serialize
from tesla_sandbox.cars.security.sessions import DomainComputer, Session

LONGEST_TIME_TO_LIVE = 300
"""Seconds ahead that an expiry may be. The protocol names no figure; clients use 5 to 60 s."""

LONGEST_EPOCH = 2**30
"""Seconds that an epoch can last; no expiry may be later."""

_TRUNCATED_HASH_BYTES = 17


@dataclass(frozen=True, slots=True)
class VerifiedMessage:
    """A message whose signature holds.

    Attributes:
        request_hash: Ties an encrypted answer to this request.
    """

    key: Key
    session: Session
    payload: bytes
    request_hash: bytes


def verify(computer: DomainComputer, keychain: Keychain, message: RoutableMessage, now: float) -> VerifiedMessage:
    """Check signer, epoch, expiry, tag and counter, and spend the counter.

    Raises:
        ProtocolFault: With the number that the car would answer.
    """
    signature = message.signature_data
    if not signature.HasField("HMAC_Personalized_data"):
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER)
    key = _signer(keychain, message)
    session = computer.session(key.public_key)
    proof = signature.HMAC_Personalized_data
    _check_time(computer, session, proof, now)
    expected = session.command_tag(_metadata(computer, message, proof), message.protobuf_message_as_bytes)
    if not hmac.compare_digest(expected, proof.tag):
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_INVALID_SIGNATURE, session)
    if not session.counter.accept(proof.counter):
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_INVALID_TOKEN_OR_COUNTER, session)
    return VerifiedMessage(
        key=key,
        session=session,
        payload=message.protobuf_message_as_bytes,
        request_hash=request_hash(computer.domain, proof.tag),
    )


def request_hash(domain: "Domain", tag: bytes) -> bytes:
    """What an encrypted answer to a request with this tag is bound to."""
    whole = bytes((SignatureType.SIGNATURE_TYPE_HMAC_PERSONALIZED,)) + tag
    return whole[:_TRUNCATED_HASH_BYTES] if domain == Domain.DOMAIN_VEHICLE_SECURITY else whole


def _signer(keychain: Keychain, message: RoutableMessage) -> Key:
    identity = message.signature_data.signer_identity
    if identity.HasField("handle"):
        key = keychain.at_slot(identity.handle - 1)
        unknown = MessageFault_E.MESSAGEFAULT_ERROR_INVALID_KEY_HANDLE
    else:
        key = keychain.find(identity.public_key)
        unknown = MessageFault_E.MESSAGEFAULT_ERROR_UNKNOWN_KEY_ID
    if key is None:
        raise ProtocolFault(unknown)
    if key.disabled:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_INACTIVE_KEY)
    return key


def _check_time(
    computer: DomainComputer,
    session: Session,
    proof: HMAC_Personalized_Signature_Data,
    now: float,
) -> None:
    if proof.epoch != computer.epoch:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_INCORRECT_EPOCH, session)
    clock_time = computer.clock_time(now)
    if proof.expires_at > LONGEST_EPOCH:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER, session)
    if proof.expires_at < clock_time:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_TIME_EXPIRED, session)
    if proof.expires_at - clock_time > LONGEST_TIME_TO_LIVE:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_TIME_TO_LIVE_TOO_LONG, session)


def _metadata(computer: DomainComputer, message: RoutableMessage, proof: HMAC_Personalized_Signature_Data) -> bytes:
    items: dict[Tag, bytes | int] = {
        Tag.TAG_SIGNATURE_TYPE: bytes((SignatureType.SIGNATURE_TYPE_HMAC_PERSONALIZED,)),
        Tag.TAG_DOMAIN: bytes((computer.domain,)),
        Tag.TAG_PERSONALIZATION: computer.vin.encode(),
        Tag.TAG_EPOCH: proof.epoch,
        Tag.TAG_EXPIRES_AT: proof.expires_at,
        Tag.TAG_COUNTER: proof.counter,
    }
    if message.flags:
        items[Tag.TAG_FLAGS] = message.flags
    return serialize(items)
