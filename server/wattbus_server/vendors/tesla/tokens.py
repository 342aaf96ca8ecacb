"""Reads Tesla's tokens: verifies signatures against the published keys and takes out what they tell.

Sources: Tesla Fleet API documentation, authentication/third-party-tokens; OpenID Connect Core, section 3.1.3.7.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError
from joserfc.jwk import KeySet

from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.tesla.exchange import UnreadableJsonError, parse_json, plain_text
from wattbus_server.vendors.tesla.http import plain_words

log = structlog.get_logger()

_ALGORITHMS = ["RS256"]
_CLOCK_LEEWAY_SECONDS = 300
_KEYS_LIFETIME_SECONDS = 3600.0
_SUBJECT_LIMIT = 128
_SCOPE_LIMIT = 64


class TokenRefusedError(Exception):
    """A token cannot be trusted. The text holds no part of it."""


class KeysUnavailableError(Exception):
    """The vendor's keys cannot be read at the moment."""


class NonceMismatchError(TokenRefusedError):
    """The identity token belongs to another authorisation request."""


@dataclass(frozen=True)
class AccessClaims:
    """What an access token tells."""

    subject: str
    scopes: frozenset[str]
    region_hint: str
    """Lower case, for example `eu`. May be wrong (teslamotors/vehicle-command issue #208)."""
    expires_at: float
    """Unix seconds. 0 if the token does not say."""


class VendorKeys:
    """The keys that sign Tesla's tokens, read from the OpenID metadata and kept for an hour."""

    def __init__(self, settings: TeslaSettings, client: httpx.AsyncClient) -> None:
        self._metadata_url = settings.metadata_url
        # Tokens were seen with the issuer of the authorisation host while the metadata of the token host names its own.
        authorize = urlsplit(settings.authorize_url)
        self._issuers = {f"{authorize.scheme}://{authorize.netloc}/oauth2/v3/nts"}
        self._timeout = settings.request_timeout.total_seconds()
        self._client = client
        self._keys: KeySet | None = None
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    async def ready(self) -> None:
        """Make sure that keys are at hand, before something is spent whose answer needs them.

        Raises:
            KeysUnavailableError: If they cannot be read.
        """
        async with self._reading:
            if self._keys is None or time.monotonic() - self._read_at > _KEYS_LIFETIME_SECONDS:
                await self._read()

    async def verified(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token with a valid signature of a known issuer.

        Raises:
            TokenRefusedError: If the signature or the issuer is wrong.
            KeysUnavailableError: If the keys cannot be read.
        """
        await self.ready()
        try:
            claims = self._claims(token)
        except (JoseError, ValueError):
            async with self._reading:
                await self._read()
            try:
                claims = self._claims(token)
            except (JoseError, ValueError) as error:
                raise TokenRefusedError(f"the signature cannot be verified ({type(error).__name__})") from None
        if claims.get("iss") not in self._issuers:
            raise TokenRefusedError("the issuer is not Tesla's")
        return claims

    def _claims(self, token: str) -> Mapping[str, Any]:
        if self._keys is None:
            raise KeysUnavailableError("no keys were read")
        return jwt.decode(token, self._keys, algorithms=_ALGORITHMS).claims

    async def _read(self) -> None:
        metadata = await self._object(self._metadata_url)
        keys_url = plain_text(metadata.get("jwks_uri"))
        if urlsplit(keys_url).scheme != urlsplit(self._metadata_url).scheme:
            raise KeysUnavailableError("the metadata names no usable place of the keys")
        keys = await self._object(keys_url)
        try:
            self._keys = KeySet.import_key_set(dict(keys))  # type: ignore[arg-type]  # its shape is checked by the import
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise KeysUnavailableError("the keys are unreadable") from error
        self._read_at = time.monotonic()
        if issuer := plain_text(metadata.get("issuer")):
            self._issuers.add(issuer)

    async def _object(self, url: str) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.get(url)
            body = parse_json(response.text)
        except UnreadableJsonError as error:
            raise KeysUnavailableError("they are not JSON") from error
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            log.info("tesla_keys_unanswered", error=repr(error.__cause__ or error)[:200])
            raise KeysUnavailableError(plain_words(error)) from error
        if response.status_code != 200 or not isinstance(body, dict):
            raise KeysUnavailableError(f"HTTP {response.status_code}")
        return body


def access_claims(claims: Mapping[str, Any], client_id: str, regions: Collection[str]) -> AccessClaims:
    """Take out of a verified access token what the server needs.

    Raises:
        TokenRefusedError: If it is another application's, or does not name the account and its scopes.
    """
    subject, scopes = plain_text(claims.get("sub")), claims.get("scp")
    if claims.get("azp", client_id) != client_id:
        raise TokenRefusedError("the access token belongs to another application")
    if not subject or len(subject) > _SUBJECT_LIMIT or not isinstance(scopes, list):
        raise TokenRefusedError("the access token does not name the account and its scopes")
    hint = plain_text(claims.get("ou_code")).lower()
    expires_at = claims.get("exp")
    return AccessClaims(
        subject=subject,
        scopes=frozenset(scope for scope in map(plain_text, scopes) if 0 < len(scope) <= _SCOPE_LIMIT),
        region_hint=hint if hint in regions else "",
        expires_at=float(expires_at) if isinstance(expires_at, int | float) else 0.0,
    )


def check_identity(claims: Mapping[str, Any], client_id: str, subject: str, nonce: str) -> None:
    """Check a verified identity token against the authorisation request and the access token.

    Raises:
        NonceMismatchError: If the nonce is not the one of the request.
        TokenRefusedError: If it is expired, another application's or another account's.
    """
    registry = jwt.JWTClaimsRegistry(
        leeway=_CLOCK_LEEWAY_SECONDS,
        aud={"essential": True, "value": client_id},
        sub={"essential": True, "value": subject},
        exp={"essential": True},
    )
    # `iat` is left out: it adds nothing to `exp`, and refusing a clock that runs a little behind would help nobody.
    checked = {name: claims[name] for name in ("aud", "sub", "exp") if name in claims}
    try:
        registry.validate(checked)
    except ExpiredTokenError:
        raise TokenRefusedError("the identity token is expired") from None
    except InvalidClaimError as error:
        raise TokenRefusedError(f"the identity token has a wrong claim ({error.description})") from None
    except JoseError as error:
        raise TokenRefusedError(f"the identity token lacks a claim ({error.description})") from None
    if nonce and claims.get("nonce") != nonce:
        raise NonceMismatchError("the identity token belongs to another authorisation request")
