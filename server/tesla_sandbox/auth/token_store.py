"""Tokens and authorisation codes that the sandbox has issued, and which of them still count.

Source: Tesla Fleet API documentation, authentication/third-party-tokens: a refresh token is spent
by its use; the most recently used one stays usable for 24 hours, so that a lost answer can be asked
for again; each lives for three months; a new refresh token ends the former one and its access tokens.
"""

from dataclasses import dataclass, field
from random import Random

from tesla_sandbox.clock import Clock

ACCESS_TOKEN_SECONDS = 8 * 3600
REFRESH_TOKEN_SECONDS = 90 * 86_400
REFRESH_GRACE_SECONDS = 24 * 3600
CODE_SECONDS = 120
PURGE_EVERY = 1_000


@dataclass(slots=True)
class AuthorizationCode:
    """A single-use code from the consent page."""

    code: str
    client_id: str
    user_id: str
    redirect_uri: str
    scopes: frozenset[str]
    nonce: str | None
    auth_time: float
    expires_at: float


@dataclass(slots=True)
class AccessToken:
    """An issued access token; `user_id` is None for a partner token."""

    token: str
    client_id: str
    user_id: str | None
    scopes: frozenset[str]
    expires_at: float
    revoked: bool = False


@dataclass(slots=True)
class RefreshToken:
    """An issued refresh token; `spent_at` is its first use. Times in unix seconds."""

    token: str
    issued_at: float
    spent_at: float | None = None

    def usable(self, now: float) -> bool:
        """Whether it is alive and either unused or within the grace."""
        in_time = self.spent_at is None or now < self.spent_at + REFRESH_GRACE_SECONDS
        return in_time and now < self.issued_at + REFRESH_TOKEN_SECONDS


@dataclass(slots=True)
class RefreshChain:
    """The refresh tokens that one consent led to, of which one is current at a time.

    Attributes:
        scopes: What was granted at the consent; later access tokens never carry more.
        current: The token that has not been used yet; None before the first.
        last_used: The token used most recently, usable again during the grace.
    """

    client_id: str
    user_id: str
    scopes: frozenset[str]
    auth_time: float
    current: RefreshToken | None = None
    last_used: RefreshToken | None = None
    access_tokens: list[AccessToken] = field(default_factory=list)

    def find(self, token: str) -> RefreshToken | None:
        """The current or last used token with this text."""
        return next((known for known in (self.current, self.last_used) if known and known.token == token), None)


class TokenStore:
    """Remembers issued codes and tokens."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._codes: dict[str, AuthorizationCode] = {}
        self._access: dict[str, AccessToken] = {}
        self._chains: dict[tuple[str, str], RefreshChain] = {}
        self._chain_of_token: dict[str, RefreshChain] = {}
        self._issued = 0

    def add_code(self, code: AuthorizationCode) -> None:
        """Remember a fresh authorisation code."""
        self._codes[code.code] = code

    def take_code(self, text: str) -> AuthorizationCode | None:
        """The code with this text, once, and only before it expires."""
        code = self._codes.pop(text, None)
        if code is None or code.expires_at <= self._clock.time():
            return None
        return code

    def access(self, token: str) -> AccessToken | None:
        """The access token with this text, also if it has expired or was revoked."""
        return self._access.get(token)

    def add_access(self, token: AccessToken, chain: RefreshChain | None = None) -> None:
        """Remember an access token, and whose chain it came from."""
        self._access[token.token] = token
        if chain is not None:
            chain.access_tokens.append(token)
        self._issued += 1
        if self._issued % PURGE_EVERY == 0:
            self._purge()

    def start_chain(self, client_id: str, user_id: str, scopes: frozenset[str], auth_time: float) -> RefreshChain:
        """A new chain for this person and application; it ends the former one."""
        self.end_chain(client_id, user_id)
        chain = RefreshChain(client_id, user_id, scopes, auth_time)
        self._chains[client_id, user_id] = chain
        return chain

    def end_chain(self, client_id: str, user_id: str) -> None:
        """Make every token between this person and application useless."""
        chain = self._chains.pop((client_id, user_id), None)
        if chain is None:
            return
        self._forget_refresh_tokens(chain)
        _revoke_access_tokens(chain)

    def revoke_access_tokens(self, client_id: str, user_id: str) -> None:
        """Make the access tokens useless before they expire; refresh tokens stay good."""
        chain = self._chains.get((client_id, user_id))
        if chain is not None:
            _revoke_access_tokens(chain)

    def chain_of_refresh_token(self, token: str) -> RefreshChain | None:
        """The chain in which this refresh token may be used now: current, or within the grace."""
        chain = self._chain_of_token.get(token)
        known = chain.find(token) if chain is not None else None
        return chain if known is not None and known.usable(self._clock.time()) else None

    def rotate(self, chain: RefreshChain, used: str | None, region: str) -> str:
        """Issue the chain's next refresh token, ending the former ones and their access tokens.

        A repeated use does not prolong the grace, which began with the first.

        Args:
            chain: The chain to continue.
            used: The refresh token that was presented; None for the first of a chain.
            region: Region key, which Tesla puts in front of the token.
        """
        now = self._clock.time()
        _revoke_access_tokens(chain)
        self._forget_refresh_tokens(chain)
        chain.last_used = chain.find(used) if used is not None else None
        if chain.last_used is not None and chain.last_used.spent_at is None:
            chain.last_used.spent_at = now
        chain.current = RefreshToken(f"{region.upper()}_{self._random.getrandbits(512):0128x}", now)
        for known in (chain.current, chain.last_used):
            if known is not None:
                self._chain_of_token[known.token] = chain
        return chain.current.token

    def _forget_refresh_tokens(self, chain: RefreshChain) -> None:
        for known in (chain.current, chain.last_used):
            if known is not None:
                self._chain_of_token.pop(known.token, None)

    def _purge(self) -> None:
        now = self._clock.time()
        self._access = {text: token for text, token in self._access.items() if token.expires_at > now}
        self._codes = {text: code for text, code in self._codes.items() if code.expires_at > now}


def _revoke_access_tokens(chain: RefreshChain) -> None:
    for token in chain.access_tokens:
        token.revoked = True
    chain.access_tokens.clear()
