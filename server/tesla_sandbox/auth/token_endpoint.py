"""The token endpoint: code exchange, refresh, partner tokens.

Source: Tesla Fleet API documentation, authentication/third-party-tokens and partner-tokens.
"""

import hmac
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tesla_sandbox.auth.forms import UnreadableFormError, read_form, texts
from tesla_sandbox.auth.token_issue import TokenAnswer, partner_token, user_tokens
from tesla_sandbox.fleet_api.answers import ApiRefusal, json_answer, rate_limited
from tesla_sandbox.fleet_api.rate_limits import RateClass
from tesla_sandbox.request_log import LOG_KEY
from tesla_sandbox.world import Application, World

PATH = "/oauth2/v3/token"
Fields = Mapping[str, str]


class TokenEndpoint:
    """`POST /oauth2/v3/token`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._grants: dict[str, Callable[[Application, Fields], TokenAnswer]] = {
            "authorization_code": self._exchange_code,
            "refresh_token": self._refresh,
            "client_credentials": self._partner,
        }

    def routes(self) -> list[Route]:
        """The endpoint's route."""
        return [Route(PATH, self.serve, methods=["POST"])]

    async def serve(self, request: Request) -> Response:
        """Answer a token request."""
        try:
            fields = texts(await read_form(request))
        except UnreadableFormError as unreadable:
            return oauth_error(400, "invalid_request", str(unreadable)).response()
        try:
            answer = self._answer(fields, request.scope[LOG_KEY])
        except ApiRefusal as refused:
            return refused.response()
        response = json_answer(answer)
        response.headers["cache-control"] = "no-store"
        return response

    def _answer(self, fields: Fields, log: dict[str, str | None]) -> TokenAnswer:
        if not fields:
            raise oauth_error(400, "invalid_request", "the body must be a form")
        grant = self._grants.get(fields.get("grant_type", ""))
        if grant is None:
            raise oauth_error(400, "unsupported_grant_type", "grant_type is not supported")
        application = self._world.applications.get(fields.get("client_id", ""))
        if application is None:
            raise self._unauthorized_client()
        log["client_id"] = application.client_id
        if self._world.faults.take("token_server_error", application.client_id):
            raise oauth_error(400, "server_error", "try again")
        self._check_rate(application)
        return grant(application, fields)

    def _exchange_code(self, application: Application, fields: Fields) -> TokenAnswer:
        self._check_secret(application, fields)
        code = self._world.tokens.take_code(fields.get("code", ""))
        if code is None or code.client_id != application.client_id:
            raise oauth_error(400, "invalid_auth_code", "The authorization code is not valid")
        if fields.get("redirect_uri") != code.redirect_uri:
            raise oauth_error(400, "invalid_redirect_url", "The redirect_uri does not match")
        chain = self._world.tokens.start_chain(application.client_id, code.user_id, code.scopes, code.auth_time)
        return user_tokens(self._world, chain, nonce=code.nonce)

    def _refresh(self, application: Application, fields: Fields) -> TokenAnswer:
        if "client_secret" in fields:
            self._check_secret(application, fields)
        used = fields.get("refresh_token", "")
        chain = self._world.tokens.chain_of_refresh_token(used)
        if chain is None or chain.client_id != application.client_id:
            raise login_required()
        if self._world.grant(chain.user_id, chain.client_id) is None:
            raise login_required()
        answer = user_tokens(self._world, chain, used=used)
        if self._world.faults.take("token_race", application.client_id):
            raise ApiRefusal(503, "upstream connect error")
        return answer

    def _partner(self, application: Application, fields: Fields) -> TokenAnswer:
        self._check_secret(application, fields)
        if "auth_code" in fields:
            raise oauth_error(400, "invalid_auth_code", "No business has consented")
        asked = frozenset(fields.get("scope", "").split()) or application.scopes
        if not asked <= application.scopes:
            raise oauth_error(403, "invalid_scope", "Scope is not granted to the application")
        return partner_token(self._world, application, asked)

    def _check_secret(self, application: Application, fields: Fields) -> None:
        given = fields.get("client_secret", "").encode()
        if not hmac.compare_digest(given, application.client_secret.encode()):
            raise self._unauthorized_client()

    def _check_rate(self, application: Application) -> None:
        seconds = self._world.rate_limits.retry_after(application.client_id, "", RateClass.AUTH)
        if seconds is not None:
            raise rate_limited(self._world.rate_limits.limits[RateClass.AUTH] or 0, seconds)

    def _unauthorized_client(self) -> ApiRefusal:
        reference = self._world.hex_id(32)
        return oauth_error(
            400,
            "unauthorized_client",
            "We don't recognize this client_id and client_secret combination",
            error_uri=f"{self._world.base_url}/error/reference/{reference}",
        )


def oauth_error(status: int, error: str, description: str, **more: str) -> ApiRefusal:
    """An error answer of the token endpoint."""
    return ApiRefusal(status, {"error": error, "error_description": description, **more})


def login_required() -> ApiRefusal:
    """401: the refresh token is spent, expired or revoked; only the person can help."""
    return oauth_error(401, "login_required", "Login required")
