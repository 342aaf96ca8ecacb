"""Reads the public keys of applications."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def read_public_key(pem: str) -> EllipticCurvePublicKey:
    """A P-256 public key from PEM text.

    Raises:
        ValueError: If it is anything else.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except UnsupportedAlgorithm as unsupported:
        raise ValueError("the key's algorithm is not supported") from unsupported
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("the public key must be on curve prime256v1")
    return key
