"""The application's private key, and the key that it shares with a vehicle subsystem."""

import hashlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

PUBLIC_POINT_LENGTH = 65
"""Bytes of an uncompressed P-256 point: 0x04, X, Y."""

SHARED_KEY_LENGTH = 16
"""Bytes of K, which is used for AES-128-GCM and as the root of every HMAC key."""


class InvalidKeyError(ValueError):
    """A key that the protocol cannot use; the message says why and never quotes the key."""


class ClientKey:
    """A P-256 private key whose public half is paired with vehicles as a virtual key."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        """Wrap a private key.

        Raises:
            InvalidKeyError: the key is not on the curve NIST P-256.
        """
        if not isinstance(private_key.curve, ec.SECP256R1):
            raise InvalidKeyError(
                f"the private key is on the curve {private_key.curve.name}; "
                "Tesla vehicles accept only NIST P-256 (prime256v1)"
            )
        self._private_key = private_key
        self._public_point = private_key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> "ClientKey":
        """Load a key from PEM text, as `openssl ecparam -name prime256v1 -genkey` writes it.

        Args:
            pem: PKCS#8 or SEC1 ("EC PRIVATE KEY") text.
            password: of an encrypted PEM, otherwise None.

        Raises:
            InvalidKeyError: not a readable PEM private key, not elliptic, or not on P-256.
        """
        try:
            private_key = serialization.load_pem_private_key(pem, password)
        except (ValueError, TypeError) as error:
            raise InvalidKeyError(f"the private key cannot be read as PEM: {error}") from error
        if not isinstance(private_key, ec.EllipticCurvePrivateKey):
            raise InvalidKeyError(
                f"the private key is of the kind {type(private_key).__name__}; "
                "Tesla vehicles accept only elliptic-curve keys on NIST P-256"
            )
        return cls(private_key)

    @property
    def public_point(self) -> bytes:
        """The public key as an uncompressed point, 65 bytes."""
        return self._public_point

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public point in hex: names the key in storage and logs."""
        return hashlib.sha256(self._public_point).hexdigest()

    def shared_key(self, vehicle_point: bytes) -> bytes:
        """Agree on K with a vehicle subsystem: the first 16 bytes of SHA-1 of the ECDH X.

        Args:
            vehicle_point: the subsystem's public key as an uncompressed point.

        Raises:
            InvalidKeyError: the bytes are not a point on P-256.
        """
        if len(vehicle_point) != PUBLIC_POINT_LENGTH:
            raise InvalidKeyError("the vehicle's public key is not an uncompressed P-256 point")
        try:
            peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), vehicle_point)
        except ValueError as error:
            raise InvalidKeyError("the vehicle's public key is not a point on P-256") from error
        shared_x = self._private_key.exchange(ec.ECDH(), peer)
        # The protocol fixes SHA-1. It only shortens a secret, so collisions do not matter here.
        return hashlib.sha1(shared_x, usedforsecurity=False).digest()[:SHARED_KEY_LENGTH]

    def __repr__(self) -> str:
        return f"ClientKey({self.fingerprint[:16]})"
