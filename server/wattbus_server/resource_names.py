"""Resource identifiers: derived ones, which are the same whenever the same thing is met again, and random ones."""

import base64
import hashlib
import secrets

_BYTES = 13


def derived_id(*parts: str) -> str:
    """Return 21 lower-case letters and digits that depend on all parts and on nothing else.

    They carry 104 bits, so two different things do not meet by accident.
    """
    digest = hashlib.sha256(b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts))
    return _spell(digest.digest()[:_BYTES])


def random_id() -> str:
    """Return 21 lower-case letters and digits that nobody can guess."""
    return _spell(secrets.token_bytes(_BYTES))


def _spell(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()
