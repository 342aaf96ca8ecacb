"""A client of the signed command protocol, made by hand so that it shares no code with the car."""

import hashlib
import hmac
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tesla_protocol.command.car_server_pb2 import Action, Response, VehicleAction
from tesla_protocol.command.signatures_pb2 import SessionInfo
from tesla_protocol.command.universal_message_pb2 import Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import FromVCSECMessage, UnsignedMessage

VCSEC, INFOTAINMENT = Domain.DOMAIN_VEHICLE_SECURITY, Domain.DOMAIN_INFOTAINMENT
ENCRYPT = 2


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def item(tag: int, value: bytes) -> bytes:
    return bytes((tag, len(value))) + value


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass
class SignedClient:
    """One key that talks to one domain of one car."""

    key: ec.EllipticCurvePrivateKey
    vin: str
    domain: Domain = INFOTAINMENT
    shared: bytes = b""
    info: SessionInfo = field(default_factory=SessionInfo)
    counter: int = 0
    flags: int = 0
    sent: int = 0

    def on(self, domain: Domain) -> "SignedClient":
        return replace(self, domain=domain, shared=b"", info=SessionInfo(), counter=0)

    def handshake(self) -> RoutableMessage:
        message = self._envelope()
        message.session_info_request.public_key = point(self.key)
        return message

    def learn(self, request: RoutableMessage, answer: RoutableMessage) -> SessionInfo:
        """Take over session information after checking the tag that vouches for it."""
        self.info = SessionInfo.FromString(answer.session_info)
        vehicle = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.info.publicKey)
        self.shared = hashlib.sha1(self.key.exchange(ec.ECDH(), vehicle)).digest()[:16]
        metadata = item(0, b"\x06") + item(2, self.vin.encode()) + item(6, request.uuid) + b"\xff"
        expected = self._mac(b"session info", metadata + answer.session_info)
        assert answer.signature_data.session_info_tag.tag == expected
        self.counter = self.info.counter
        return self.info

    def sign(
        self,
        payload: bytes,
        *,
        counter: int | None = None,
        lifetime: int = 10,
        epoch: bytes | None = None,
        vin: str | None = None,
    ) -> RoutableMessage:
        if counter is None:
            self.counter += 1
            counter = self.counter
        message = self._envelope()
        message.flags = self.flags
        message.protobuf_message_as_bytes = payload
        message.signature_data.signer_identity.public_key = point(self.key)
        proof = message.signature_data.HMAC_Personalized_data
        proof.epoch = self.info.epoch if epoch is None else epoch
        proof.counter = counter
        proof.expires_at = self.info.clock_time + lifetime
        metadata = (
            item(0, b"\x08")
            + item(1, bytes((self.domain,)))
            + item(2, (vin or self.vin).encode())
            + item(3, proof.epoch)
            + item(4, number(proof.expires_at))
            + item(5, number(proof.counter))
            + (item(7, number(self.flags)) if self.flags else b"")
            + b"\xff"
        )
        proof.tag = self._mac(b"authenticated command", metadata + payload)
        return message

    def decrypt(self, request: RoutableMessage, answer: RoutableMessage) -> bytes:
        sealed = answer.signature_data.AES_GCM_Response_data
        digest = b"\x08" + request.signature_data.HMAC_Personalized_data.tag
        if self.domain == VCSEC:
            digest = digest[:17]
        metadata = (
            item(0, b"\x09")
            + item(1, bytes((self.domain,)))
            + item(2, self.vin.encode())
            + item(5, number(sealed.counter))
            + item(7, number(answer.flags))
            + item(8, digest)
            + item(9, number(answer.signedMessageStatus.signed_message_fault))
            + b"\xff"
        )
        ciphertext = answer.protobuf_message_as_bytes + sealed.tag
        return AESGCM(self.shared).decrypt(sealed.nonce, ciphertext, hashlib.sha256(metadata).digest())

    def _envelope(self) -> RoutableMessage:
        self.sent += 1
        message = RoutableMessage()
        message.to_destination.domain = self.domain
        message.from_destination.routing_address = bytes(range(16))
        message.uuid = hashlib.sha256(number(self.sent)).digest()[:16]
        return message

    def _mac(self, purpose: bytes, content: bytes) -> bytes:
        key = hmac.new(self.shared, purpose, hashlib.sha256).digest()
        return hmac.new(key, content, hashlib.sha256).digest()


def action(vehicle_action: VehicleAction) -> bytes:
    """A serialised infotainment action."""
    return Action(vehicleAction=vehicle_action).SerializeToString()


def rke(name: str) -> bytes:
    """A serialised remote keyless entry action, such as `LOCK`."""
    return UnsignedMessage(RKEAction=f"RKE_ACTION_{name}").SerializeToString()


def infotainment_result(content: bytes) -> tuple[bool, str]:
    """Whether the action was carried out, and the reason if not."""
    status = Response.FromString(content).actionStatus
    return status.result == 0, status.result_reason.plain_text


def security_error(content: bytes) -> int:
    """The generic error of the security controller; 0 for success."""
    return FromVCSECMessage.FromString(content).nominalError.genericError
