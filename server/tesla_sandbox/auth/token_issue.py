"""Makes the tokens: RS256 access tokens with Tesla's claims, id tokens, refresh tokens."""

from joserfc import jwt

from tesla_sandbox.auth.signing_key import KEY_ID
from tesla_sandbox.auth.token_store import ACCESS_TOKEN_SECONDS, AccessToken, RefreshChain
from tesla_sandbox.scopes import Scope, ordered
from tesla_sandbox.world import REGIONS, Application, User, World

TokenAnswer = dict[str, object]


def issuer(world: World) -> str:
    """The `iss` of every token."""
    return f"{world.base_url}/oauth2/v3/nts"


def user_tokens(world: World, chain: RefreshChain, *, used: str | None = None, nonce: str | None = None) -> TokenAnswer:
    """The token answer for a person: access token, and the next refresh token where allowed.

    The access token carries what the person still grants, and never more than the chain's consent.
    """
    user = world.users[chain.user_id]
    grant = world.grant(user.user_id, chain.client_id)
    granted = grant.scopes if grant is not None else frozenset()
    scopes = frozenset(ordered(chain.scopes & granted))
    refresh_token = None
    if Scope.OFFLINE_ACCESS in scopes:
        refresh_token = world.tokens.rotate(chain, used, user.region)
    now = int(world.clock.time())
    claims = {
        **_claims(world, chain.client_id, scopes),
        "sub": user.user_id,
        "amr": ["pwd"],
        "ou_code": user.region.upper(),
        "locale": user.locale,
        "auth_time": int(chain.auth_time),
    }
    token = _signed(world, claims)
    world.tokens.add_access(
        AccessToken(token, chain.client_id, user.user_id, scopes, now + ACCESS_TOKEN_SECONDS), chain
    )
    answer: TokenAnswer = {"access_token": token}
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token
    if Scope.OPENID in scopes:
        answer["id_token"] = _id_token(world, chain, user, nonce)
    return {**answer, "expires_in": ACCESS_TOKEN_SECONDS, "token_type": "Bearer"}


def partner_token(world: World, application: Application, scopes: frozenset[str]) -> TokenAnswer:
    """The token answer for the application itself."""
    now = int(world.clock.time())
    claims = {
        **_claims(world, application.client_id, scopes),
        "sub": application.client_id,
        "gty": "client-credentials",
    }
    token = _signed(world, claims)
    world.tokens.add_access(AccessToken(token, application.client_id, None, scopes, now + ACCESS_TOKEN_SECONDS))
    return {"access_token": token, "expires_in": ACCESS_TOKEN_SECONDS, "token_type": "Bearer"}


def _claims(world: World, client_id: str, scopes: frozenset[str]) -> dict[str, object]:
    now = int(world.clock.time())
    return {
        "iss": issuer(world),
        "azp": client_id,
        "aud": [world.region_url(region) for region in REGIONS] + [f"{world.base_url}/oauth2/v3/userinfo"],
        "scp": ordered(scopes),
        "iat": now,
        "exp": now + ACCESS_TOKEN_SECONDS,
        "jti": world.hex_id(32),
    }


def _id_token(world: World, chain: RefreshChain, user: User, nonce: str | None) -> str:
    now = int(world.clock.time())
    claims: dict[str, object] = {
        "iss": issuer(world),
        "aud": chain.client_id,
        "sub": user.user_id,
        "iat": now,
        "exp": now + ACCESS_TOKEN_SECONDS,
        "auth_time": int(chain.auth_time),
        "locale": user.locale,
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return _signed(world, claims)


def _signed(world: World, claims: dict[str, object]) -> str:
    header = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
    return jwt.encode(header, claims, world.signing_key)
