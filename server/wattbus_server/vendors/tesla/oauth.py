"""Linking: the consent page, the code exchange and the renewal of grants.

Source: Tesla Fleet API documentation, authentication/third-party-tokens and authentication/overview.
"""

import asyncio
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import structlog
from authlib.integrations.base_client import OAuthError
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem
from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.contract import AuthorizationRequest, Grant
from wattbus_server.vendors.tesla.exchange import VENDOR_WORDS_LIMIT, Answer, plain_text
from wattbus_server.vendors.tesla.http import HEADERS, no_cookies, plain_words
from wattbus_server.vendors.tesla.refusals import retry_delay
from wattbus_server.vendors.tesla.region import Regions
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.scopes import OPENID, scopes_of
from wattbus_server.vendors.tesla.tokens import (
    KeysUnavailableError,
    NonceMismatchError,
    TokenRefusedError,
    VendorKeys,
    access_claims,
    check_identity,
)

with warnings.catch_warnings():
    # authlib announces that it will follow the successor of httpx; until then httpx works, and users need not read it.
    warnings.filterwarnings("ignore", message="The httpx module is deprecated")
    from authlib.integrations.httpx_client import AsyncOAuth2Client

Result = TypeVar("Result")

log = structlog.get_logger()

_RETRY = timedelta(seconds=10)
_NEEDS_KEY = frozenset({Access.ACCESS_CHARGE_VEHICLES, Access.ACCESS_COMMAND_VEHICLES})


@dataclass(frozen=True)
class _Refusal:
    reason: Reason.ValueType
    message: str
    setting: str = ""
    retry: timedelta | None = None


_TELLING_STATUSES = (423, 429)

# What reading a token answer raises when it is not what it should be.
_UNREADABLE = (ValueError, TypeError, ArithmeticError, RecursionError)

_R = Reason
_REFUSALS: Mapping[str, _Refusal] = {
    "invalid_auth_code": _Refusal(
        _R.REASON_LINK_SESSION_EXPIRED, "The code of the callback is used or expired; start again."
    ),
    "invalid_redirect_url": _Refusal(
        _R.REASON_VENDOR_APPLICATION_NOT_CONFIGURED,
        "The application at Tesla does not list this server's callback address.",
        setting="public_url",
    ),
    "unauthorized_client": _Refusal(
        _R.REASON_CLIENT_CREDENTIALS_REJECTED, "Tesla does not accept the application's client id and secret."
    ),
    "invalid_client": _Refusal(
        _R.REASON_CLIENT_CREDENTIALS_REJECTED, "Tesla does not accept the application's client id and secret."
    ),
    "invalid_scope": _Refusal(
        _R.REASON_VENDOR_APPLICATION_NOT_CONFIGURED,
        "The application at Tesla does not have a scope that was asked for.",
        setting="scopes of the application at developer.tesla.com",
    ),
    "login_required": _Refusal(
        _R.REASON_REAUTHORIZATION_REQUIRED, "The grant is expired, spent or revoked; the end user must link again."
    ),
    "invalid_grant": _Refusal(
        _R.REASON_REAUTHORIZATION_REQUIRED, "The grant is expired, spent or revoked; the end user must link again."
    ),
    "account_locked": _Refusal(_R.REASON_ACCOUNT_LOCKED, "Tesla locked the account."),
    "server_error": _Refusal(
        _R.REASON_VENDOR_UNAVAILABLE, "Tesla's token endpoint failed for the moment.", retry=_RETRY
    ),
    "temporarily_unavailable": _Refusal(
        _R.REASON_VENDOR_UNAVAILABLE, "Tesla's token endpoint failed for the moment.", retry=_RETRY
    ),
}
"""By the `error` of the token endpoint."""

_APPLICATION_REASONS = frozenset({_R.REASON_CLIENT_CREDENTIALS_REJECTED, _R.REASON_VENDOR_APPLICATION_NOT_CONFIGURED})
"""They block every connection, so that a blocker can be made without knowing one."""


class TeslaOAuth:
    """The application's side of Tesla's authorisation. Every coroutine raises `Problem`."""

    def __init__(self, settings: TeslaSettings, transport: httpx.AsyncBaseTransport, remedies: TeslaRemedies) -> None:
        self._settings = settings
        self._transport = transport
        self._remedies = remedies
        self._regions = Regions(settings)
        self._timeout = settings.request_timeout.total_seconds()
        self._keys = VendorKeys(
            settings,
            httpx.AsyncClient(transport=transport, headers=HEADERS, cookies=no_cookies(), timeout=self._timeout),
        )

    def authorization_url(self, request: AuthorizationRequest) -> str:
        """Return the consent page for this request.

        Tesla reuses an earlier, narrower consent without `prompt_missing_scopes`.
        """
        optional = {"locale": request.locale} if request.locale else {}
        if request.access & _NEEDS_KEY:
            optional["show_keypair_step"] = "true"
        url, _ = self._client("none").create_authorization_url(
            self._settings.authorize_url,
            state=request.state,
            nonce=request.nonce,
            redirect_uri=request.redirect_uri,
            scope=" ".join(scopes_of(request.access)),
            prompt_missing_scopes="true",
            **optional,
        )
        return str(url)

    async def exchange_code(self, code: str, redirect_uri: str, nonce: str) -> Grant:
        """Turn the code of the callback into a grant."""
        answer = await self._ask(
            lambda client: client.fetch_token(
                self._settings.token_url,
                grant_type="authorization_code",
                code=code,
                redirect_uri=redirect_uri,
                audience=self._regions.base_url(self._regions.known("")),
            ),
            "client_secret_post",
        )
        return await self._trusted(self._grant(answer, fallback_refresh_token="", nonce=nonce))

    async def renew(self, grant: Grant) -> Grant:
        """Spend the refresh token. Tesla's parameter list for this has no client secret."""
        if not grant.refresh_token:
            raise Problem(
                Reason.REASON_REAUTHORIZATION_REQUIRED, "The end user did not allow access that outlives the sign-in."
            )
        answer = await self._ask(
            lambda client: client.refresh_token(self._settings.token_url, refresh_token=grant.refresh_token), "none"
        )
        return await self._trusted(self._grant(answer, fallback_refresh_token=grant.refresh_token, nonce=None))

    async def check_application(self) -> None:
        """Prove client id and secret by a token of the application itself, which is thrown away. Spends no grant.

        Raises:
            Problem: CLIENT_CREDENTIALS_REJECTED, or what else keeps the application from tokens.
        """
        await self._ask(
            lambda client: client.fetch_token(
                self._settings.token_url,
                grant_type="client_credentials",
                scope=OPENID,
                audience=self._regions.base_url(self._regions.known("")),
            ),
            "client_secret_post",
        )

    def _client(self, authentication: str) -> AsyncOAuth2Client:
        """Make a client for one exchange: it keeps the token that it fetched, so it must not be shared.

        It is never closed, because that would close the transport, which is shared.
        """
        if not self._settings.client_id:
            raise self._problem(
                _Refusal(
                    Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED,
                    "No application at Tesla is configured.",
                    setting="tesla.client_id",
                )
            )
        client = AsyncOAuth2Client(
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret.get_secret_value(),
            token_endpoint_auth_method=authentication,
            transport=self._transport,
            headers=HEADERS,
            cookies=no_cookies(),
            timeout=self._timeout,
            follow_redirects=False,
        )
        for answer in ("access_token_response", "refresh_token_response"):
            client.register_compliance_hook(answer, _raise_for_telling_status)
        return client

    async def _ask(
        self, ask: Callable[[AsyncOAuth2Client], Awaitable[Mapping[str, Any]]], authentication: str
    ) -> Mapping[str, Any]:
        client = self._client(authentication)
        # Before the code or the refresh token is spent: an answer that cannot be verified would be lost with it.
        await self._trusted(self._keys.ready())
        try:
            async with asyncio.timeout(self._timeout):
                return await ask(client)
        except OAuthError as error:
            raise self._refused(error) from None
        except httpx.HTTPStatusError as error:
            raise self._failed(error.response) from None
        except (TimeoutError, httpx.HTTPError, *_UNREADABLE) as error:
            # The text of the error may hold what was sent; its kind is enough.
            log.info("tesla_token_unanswered", error=type(error).__name__)
            why = "it cannot be read" if isinstance(error, _UNREADABLE) else plain_words(error)
            message = f"Tesla's token endpoint gave no usable answer: {why}."
            raise self._problem(_Refusal(Reason.REASON_VENDOR_UNAVAILABLE, message, retry=_RETRY)) from None

    async def _grant(self, answer: Mapping[str, Any], *, fallback_refresh_token: str, nonce: str | None) -> Grant:
        """Read a token answer; with a nonce the identity token is checked too."""
        access_token = plain_text(answer.get("access_token"))
        if not access_token:
            raise TokenRefusedError("the answer has no access token")
        verified = await self._keys.verified(access_token)
        claims = access_claims(verified, self._settings.client_id, self._settings.api_urls)
        identity = plain_text(answer.get("id_token"))
        if nonce is not None and (identity or OPENID in claims.scopes):
            verified = await self._keys.verified(identity)
            check_identity(verified, self._settings.client_id, claims.subject, nonce)
        return Grant(
            access_token=access_token,
            refresh_token=plain_text(answer.get("refresh_token")) or fallback_refresh_token,
            expire_time=_expire_time(answer.get("expires_in"), claims.expires_at),
            scopes=claims.scopes,
            subject=claims.subject,
            region_hint=claims.region_hint,
        )

    async def _trusted(self, work: Awaitable[Result]) -> Result:
        """Turn what `tokens` raises into problems."""
        try:
            return await work
        except NonceMismatchError as error:
            raise self._problem(_Refusal(Reason.REASON_LINK_SESSION_EXPIRED, f"Start again: {error}.")) from error
        except TokenRefusedError as error:
            raise self._problem(
                _Refusal(Reason.REASON_VENDOR_UNAVAILABLE, f"Tesla's token is refused: {error}.")
            ) from error
        except KeysUnavailableError as error:
            message = f"Tesla's keys cannot be read, so no token can be verified: {error}."
            raise self._problem(_Refusal(Reason.REASON_VENDOR_UNAVAILABLE, message, retry=_RETRY)) from error

    def _refused(self, error: OAuthError) -> Problem:
        name, description = plain_text(error.error), plain_text(error.description)
        words = ": ".join(part for part in (name, description) if part)[:VENDOR_WORDS_LIMIT]
        unknown = _Refusal(
            Reason.REASON_VENDOR_ERROR_UNCLASSIFIED, "Tesla's token endpoint refused for an unknown reason."
        )
        return self._problem(_REFUSALS.get(name, unknown), words)

    def _failed(self, response: httpx.Response) -> Problem:
        answer = Answer(response.status_code, response.text, {k.lower(): v for k, v in response.headers.items()})
        match response.status_code:
            case 423:
                refusal = _REFUSALS["account_locked"]
            case 429:
                wait = retry_delay(answer) or _RETRY
                refusal = _Refusal(
                    Reason.REASON_VENDOR_RATE_LIMITED, "Tesla's rate limit for tokens is reached.", retry=wait
                )
            case 401:
                refusal = _REFUSALS["login_required"]
            case status if status >= 500:
                refusal = _REFUSALS["server_error"]
            case _:
                refusal = _Refusal(
                    Reason.REASON_VENDOR_ERROR_UNCLASSIFIED, "Tesla's token endpoint refused for an unknown reason."
                )
        return self._problem(refusal, answer.words)

    def _problem(self, refusal: _Refusal, words: str = "") -> Problem:
        blockers: tuple[Blocker, ...] = ()
        if refusal.reason in _APPLICATION_REASONS:
            blockers = (
                self._remedies.blocker(
                    refusal.reason, evidence=words, message=refusal.message, setting=refusal.setting
                ),
            )
        metadata = {"setting": refusal.setting} if refusal.setting else {}
        if refusal.reason == Reason.REASON_VENDOR_ERROR_UNCLASSIFIED:
            metadata["vendorReason"] = words
        return Problem(
            refusal.reason,
            refusal.message,
            blockers=blockers,
            metadata=metadata,
            retry_delay=refusal.retry,
            vendor_reason=words,
        )


def _raise_for_telling_status(response: httpx.Response) -> httpx.Response:
    """Let a status that says it all count before the words: Tesla's limits answer with JSON that is no OAuth error."""
    if response.status_code in _TELLING_STATUSES:
        response.raise_for_status()
    return response


def _expire_time(expires_in: object, expires_at: float) -> datetime:
    """Prefer the stated lifetime, which does not depend on the clocks agreeing.

    Raises:
        TokenRefusedError: If neither says when the token ends.
    """
    if isinstance(expires_in, int | float) and not isinstance(expires_in, bool) and 0 < expires_in < 1e9:
        return datetime.now(UTC) + timedelta(seconds=expires_in)
    if time.time() < expires_at < 1e11:
        return datetime.fromtimestamp(expires_at, UTC)
    raise TokenRefusedError("nobody says when the access token ends")
