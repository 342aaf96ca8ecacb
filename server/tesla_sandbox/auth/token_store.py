"""Tokens and authorisation codes that the sandbox has issued, and which of them still count."""

from dataclasses import dataclass
from random import Random

from tesla_sandbox.clock import Clock

ACCESS_TOKEN_SECONDS = 8 * 3600
REFRESH_TOKEN_SECONDS = 90 * 86_400
REFRESH_GRACE_SECONDS = 24 * 3600
CODE_SECONDS = 120


@dataclass(slots=True)
class AccessToken:
    """An issued access token; `user_id` is None for a partner token."""

    token: str
    client_id: str
    user_id: str | None
    scopes: frozenset[str]
    audience: tuple[str, ...]
    issued_at: float
    expires_at: float
    revoked: bool = False


class TokenStore:
    """Remembers issued tokens until they expire."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._access: dict[str, AccessToken] = {}

    def access(self, token: str) -> AccessToken | None:
        """The access token with this text, also if it has expired or was revoked."""
        return self._access.get(token)
