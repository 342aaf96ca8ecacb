"""OpenID metadata, the key set, and the userinfo endpoint."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tesla_sandbox.auth.signing_key import public_key_set
from tesla_sandbox.auth.token_issue import issuer
from tesla_sandbox.fleet_api.answers import ApiRefusal, json_answer
from tesla_sandbox.scopes import Scope
from tesla_sandbox.world import World

METADATA_PATH = "/oauth2/v3/thirdparty/.well-known/openid-configuration"
KEYS_PATH = "/oauth2/v3/discovery/thirdparty/keys"
USERINFO_PATH = "/oauth2/v3/userinfo"


class Discovery:
    """What a generic OpenID client reads before it talks to the token endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """The routes of metadata, keys and userinfo."""
        return [
            Route(METADATA_PATH, self.metadata),
            Route(KEYS_PATH, self.keys),
            Route(USERINFO_PATH, self.userinfo),
        ]

    async def metadata(self, _: Request) -> Response:
        """The OpenID provider metadata."""
        base = self._world.base_url
        return json_answer(
            {
                "issuer": issuer(self._world),
                "authorization_endpoint": f"{base}/oauth2/v3/authorize",
                "token_endpoint": f"{base}/oauth2/v3/token",
                "jwks_uri": f"{base}{KEYS_PATH}",
                "userinfo_endpoint": f"{base}{USERINFO_PATH}",
                "response_types_supported": ["code"],
                "grant_types_supported": [
                    "authorization_code",
                    "refresh_token",
                    "client_credentials",
                ],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "scopes_supported": [scope.value for scope in Scope],
            }
        )

    async def keys(self, _: Request) -> Response:
        """The public key of the token signer."""
        return json_answer(public_key_set(self._world.signing_key))

    async def userinfo(self, request: Request) -> Response:
        """Who the bearer of an access token is."""
        text = request.headers.get("authorization", "").removeprefix("Bearer ")
        token = self._world.tokens.access(text)
        usable = token is not None and not token.revoked
        if token is None or token.user_id is None or not usable:
            return ApiRefusal(401, None).response()
        if token.expires_at <= self._world.clock.time():
            return ApiRefusal(401, None).response()
        user = self._world.users[token.user_id]
        return json_answer({"sub": user.user_id, "locale": user.locale})
