"""Reads the signed token that carries a telemetry configuration to cars.

A JSON web token with algorithm `Tesla.SS256`, whose issuer is the signer's public key. Source:
teslamotors/vehicle-command, pkg/sign and internal/authentication.
"""

import base64
import binascii
import json
from typing import Any

from tesla_sandbox.cars.security.schnorr import verify

ALGORITHM = "Tesla.SS256"
AUDIENCE = "com.tesla.fleet.TelemetryClient"


class InvalidTokenError(ValueError):
    """Raised for a token that is malformed, not for telemetry, or badly signed; says why."""


def read_token(token: str) -> tuple[bytes, dict[str, Any]]:
    """The signer's public key, and the claims without issuer and audience.

    Raises:
        InvalidTokenError: If the token does not hold.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise InvalidTokenError("the token is no compact JWS")
    header, claims = _json(parts[0]), _json(parts[1])
    if header.get("alg") != ALGORITHM:
        raise InvalidTokenError(f"the token's algorithm is not {ALGORITHM}")
    if claims.get("aud") != AUDIENCE:
        raise InvalidTokenError(f"the token's audience is not {AUDIENCE}")
    public_key = _issuer(claims.get("iss"))
    signed = f"{parts[0]}.{parts[1]}".encode()
    if not verify(public_key, signed, _decoded(parts[2])):
        raise InvalidTokenError("the token's signature does not hold")
    return public_key, {name: claims[name] for name in claims if name not in {"iss", "aud"}}


def _issuer(value: object) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidTokenError("the token's issuer is no public key") from error


def _json(part: str) -> dict[str, Any]:
    try:
        parsed = json.loads(_decoded(part))
    except (ValueError, RecursionError) as error:
        raise InvalidTokenError("the token is not made of JSON objects") from error
    if not isinstance(parsed, dict):
        raise InvalidTokenError("the token is not made of JSON objects")
    return parsed


def _decoded(part: str) -> bytes:
    try:
        padded = part + "=" * (-len(part) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidTokenError("the token is not base64url") from error
