"""The canonical bytes of a message's metadata, which every tag is computed over.

Each item is `tag(1) length(1) value`; items stand in ascending order of their tags, and one byte
0xFF closes the list (teslamotors/vehicle-command protocol.md, "Metadata serialization").
"""

from collections.abc import Mapping
from enum import IntEnum

_MAX_VALUE_LENGTH = 255
_END = b"\xff"


class Tag(IntEnum):
    """What a metadata item says; the numbers are those of `Signatures.Tag`."""

    SIGNATURE_TYPE = 0
    DOMAIN = 1
    PERSONALIZATION = 2
    EPOCH = 3
    EXPIRES_AT = 4
    COUNTER = 5
    CHALLENGE = 6
    FLAGS = 7
    REQUEST_HASH = 8
    FAULT = 9


class SignatureType(IntEnum):
    """How a message is authenticated; the numbers are those of `Signatures.SignatureType`."""

    AES_GCM_PERSONALIZED = 5
    HMAC = 6
    HMAC_PERSONALIZED = 8
    AES_GCM_RESPONSE = 9


def uint8(number: int) -> bytes:
    """Encode a small number (signature type, domain) as a metadata value of one byte."""
    return number.to_bytes(1, "big")


def uint32(number: int) -> bytes:
    """Encode a number (counter, expiry, flags, fault) as a metadata value of four bytes.

    Raises:
        OverflowError: the number is negative or does not fit.
    """
    return number.to_bytes(4, "big")


def encode_metadata(items: Mapping[Tag, bytes]) -> bytes:
    """Encode items; different items always give different bytes.

    Raises:
        ValueError: a value is longer than 255 bytes.
    """
    encoded = bytearray()
    for tag in sorted(items):
        value = items[tag]
        if len(value) > _MAX_VALUE_LENGTH:
            raise ValueError(f"metadata {tag.name} has {len(value)} bytes, at most 255 are allowed")
        encoded += bytes((tag, len(value))) + value
    return bytes(encoded) + _END
