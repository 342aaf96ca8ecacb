"""Secrets that callers show: how they are made and how they are stored."""

import hashlib
import re
import secrets

_PREFIX = "wbk_"
_PATTERN = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")


def new_secret() -> str:
    """Return a fresh API key of 256 random bits. The prefix lets secret scanners find leaked keys."""
    return _PREFIX + secrets.token_urlsafe(32)


def is_well_formed(secret: str) -> bool:
    """Say whether a text can be an API key at all."""
    return _PATTERN.fullmatch(secret) is not None


def hash_secret(secret: str) -> bytes:
    """Return what is stored of a secret. A slow hash would add nothing to 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()
