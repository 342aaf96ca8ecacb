"""Verifies Schnorr signatures over P-256 with SHA-256, as telemetry configurations carry them.

Only public values take part, so nothing here needs to run in constant time. Source:
teslamotors/vehicle-command, internal/schnorr; RFC 8235.
"""

import hashlib

from tesla_sandbox.cars.security.keychain import InvalidPublicKeyError, check_public_key

_PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_A = _PRIME - 3
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_GENERATOR = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_SCALAR_BYTES = 32

Point = tuple[int, int] | None
"""Affine coordinates; None is the point at infinity."""


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature over the message was made with the key of this uncompressed point."""
    try:
        check_public_key(public_key)
    except InvalidPublicKeyError:
        return False
    if len(signature) != 3 * _SCALAR_BYTES:
        return False
    nonce_x, nonce_y, response = (
        int.from_bytes(signature[start : start + _SCALAR_BYTES]) for start in range(0, len(signature), _SCALAR_BYTES)
    )
    challenge = _challenge(b"\x04" + signature[: 2 * _SCALAR_BYTES], public_key, message)
    claimed = _add(_multiply(response, _GENERATOR), _multiply(challenge, _decoded(public_key)))
    return claimed == (nonce_x, nonce_y)


def _challenge(nonce_point: bytes, public_key: bytes, message: bytes) -> int:
    digest = hashlib.sha256()
    for part in (_encoded(_GENERATOR), nonce_point, public_key, message):
        digest.update(len(part).to_bytes(4) + part)
    return int.from_bytes(digest.digest())


def _encoded(point: tuple[int, int]) -> bytes:
    return b"\x04" + b"".join(coordinate.to_bytes(_SCALAR_BYTES) for coordinate in point)


def _decoded(public_key: bytes) -> tuple[int, int]:
    middle = 1 + _SCALAR_BYTES
    return int.from_bytes(public_key[1:middle]), int.from_bytes(public_key[middle:])


def _multiply(scalar: int, point: Point) -> Point:
    total: Point = None
    scalar %= _ORDER
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _add(first: Point, second: Point) -> Point:
    if first is None or second is None:
        return first or second
    (x1, y1), (x2, y2) = first, second
    if x1 == x2 and (y1 + y2) % _PRIME == 0:
        return None
    rise, run = (3 * x1 * x1 + _A, 2 * y1) if first == second else (y2 - y1, x2 - x1)
    slope = rise * pow(run, -1, _PRIME)
    x3 = (slope * slope - x1 - x2) % _PRIME
    return x3, (slope * (x1 - x3) - y1) % _PRIME
