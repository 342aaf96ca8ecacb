"""The tags and the cipher of the protocol, over a shared key K.

Source: teslamotors/vehicle-command protocol.md, "Response authentication", "HMAC-SHA256
authentication" and "Response decryption".
"""

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wattbus_server.vendors.tesla.signing.domains import Domain
from wattbus_server.vendors.tesla.signing.metadata import SignatureType, Tag, encode_metadata, uint8, uint32

_VCSEC_REQUEST_HASH_LENGTH = 17
_NONCE_LENGTH = 12
_GCM_TAG_LENGTH = 16


class AuthenticationError(ValueError):
    """A message that the holder of the shared key did not make, or not for us."""


def _subkey(shared_key: bytes, label: bytes) -> bytes:
    return hmac.digest(shared_key, label, "sha256")


def session_info_tag(shared_key: bytes, vin: str, challenge: bytes, session_info: bytes) -> bytes:
    """Compute the tag that a vehicle puts on the session info that it sends.

    Args:
        shared_key: K, agreed with the public key inside the session info.
        vin: the vehicle.
        challenge: uuid of the request that is answered.
        session_info: the encoded `SessionInfo`.
    """
    metadata = encode_metadata(
        {
            Tag.SIGNATURE_TYPE: uint8(SignatureType.HMAC),
            Tag.PERSONALIZATION: vin.encode("ascii"),
            Tag.CHALLENGE: challenge,
        }
    )
    return hmac.digest(_subkey(shared_key, b"session info"), metadata + session_info, "sha256")


def verify_session_info(shared_key: bytes, vin: str, challenge: bytes, session_info: bytes, tag: bytes) -> None:
    """Check a session info tag in constant time.

    Raises:
        AuthenticationError: the tag was not made for this vehicle, request and content.
    """
    expected = session_info_tag(shared_key, vin, challenge, session_info)
    if not hmac.compare_digest(expected, tag):
        raise AuthenticationError("the session info tag does not verify")


@dataclass(frozen=True, slots=True)
class CommandClaims:
    """What a signed command is bound to, beside its payload."""

    domain: Domain
    vin: str
    epoch: bytes
    counter: int
    expires_at: int
    """Seconds on the subsystem's clock after which it refuses the command."""
    flags: int = 0

    def metadata(self, signature_type: SignatureType = SignatureType.HMAC_PERSONALIZED) -> bytes:
        """Encode the claims; flags are left out when none is set."""
        items = {
            Tag.SIGNATURE_TYPE: uint8(signature_type),
            Tag.DOMAIN: uint8(self.domain),
            Tag.PERSONALIZATION: self.vin.encode("ascii"),
            Tag.EPOCH: self.epoch,
            Tag.EXPIRES_AT: uint32(self.expires_at),
            Tag.COUNTER: uint32(self.counter),
        }
        if self.flags:
            items[Tag.FLAGS] = uint32(self.flags)
        return encode_metadata(items)


def command_tag(shared_key: bytes, claims: CommandClaims, payload: bytes) -> bytes:
    """Compute the HMAC_PERSONALIZED tag of a command, the only kind that the Fleet API relays."""
    key = _subkey(shared_key, b"authenticated command")
    return hmac.digest(key, claims.metadata() + payload, "sha256")


def request_hash(domain: Domain, tag: bytes) -> bytes:
    """Name a request for the check of its encrypted answer; VCSEC keeps only 17 bytes."""
    full = uint8(SignatureType.HMAC_PERSONALIZED) + tag
    return full[:_VCSEC_REQUEST_HASH_LENGTH] if domain is Domain.VEHICLE_SECURITY else full


@dataclass(frozen=True, slots=True)
class EncryptedAnswer:
    """An encrypted answer and everything that its cipher is bound to."""

    domain: Domain
    vin: str
    counter: int
    flags: int
    fault: int
    request_hash: bytes
    nonce: bytes
    ciphertext: bytes
    tag: bytes

    def associated_data(self) -> bytes:
        """Hash the metadata; here the flags always take part, also when none is set."""
        metadata = encode_metadata(
            {
                Tag.SIGNATURE_TYPE: uint8(SignatureType.AES_GCM_RESPONSE),
                Tag.DOMAIN: uint8(self.domain),
                Tag.PERSONALIZATION: self.vin.encode("ascii"),
                Tag.COUNTER: uint32(self.counter),
                Tag.FLAGS: uint32(self.flags),
                Tag.REQUEST_HASH: self.request_hash,
                Tag.FAULT: uint32(self.fault),
            }
        )
        return hashlib.sha256(metadata).digest()

    def decrypt(self, shared_key: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            AuthenticationError: wrong key, another request's answer, or altered bytes.
        """
        if len(self.nonce) != _NONCE_LENGTH or len(self.tag) != _GCM_TAG_LENGTH:
            raise AuthenticationError("the encrypted answer has a nonce or tag of a wrong length")
        try:
            return AESGCM(shared_key).decrypt(self.nonce, self.ciphertext + self.tag, self.associated_data())
        except InvalidTag as error:
            raise AuthenticationError("the encrypted answer does not verify") from error
