"""A token endpoint that misbehaves, against the code exchange and the renewal."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from wattbus.v1.reason_pb2 import Reason

from tests.vendors.tesla.conftest import oauth_of, settings_for
from tests.vendors.tesla.tiny_server import TinyServer, tiny_server
from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import Grant
from wattbus_server.vendors.tesla.http import BoundedTransport, new_transport
from wattbus_server.vendors.tesla.oauth import TeslaOAuth

REDIRECT = "http://127.0.0.1:9/callback"
KEY = RSAKey.generate_key(2048, {"kid": "k1"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "k1"})


class Issuer:
    """What the token endpoint answers, and which keys it publishes."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: Response | None = None
        self.access: dict[str, object] = {}
        self.identity: dict[str, object] = {}
        self.key = KEY
        self.published = KEY
        self.body: dict[str, object] = {}

    async def __call__(self, asked: Request) -> Response:
        if asked.url.path.endswith("openid-configuration"):
            return JSONResponse({"issuer": f"{self.url}/nts", "jwks_uri": f"{self.url}/keys"})
        if asked.url.path == "/keys":
            return JSONResponse(dict(KeySet([self.published]).as_dict(private=False)))
        return self.answer or JSONResponse(self.tokens())

    def tokens(self) -> dict[str, object]:
        access = {
            "iss": f"{self.url}/nts",
            "azp": "test-app",
            "sub": "account-1",
            "scp": ["openid", "vehicle_device_data"],
            "exp": int(time.time()) + 3600,
            **self.access,
        }
        identity = {
            "iss": f"{self.url}/nts",
            "aud": "test-app",
            "sub": "account-1",
            "exp": int(time.time()) + 3600,
            "nonce": "nonce-1",
            **self.identity,
        }
        return {
            "access_token": self.signed(access),
            "refresh_token": "EU_1",
            "id_token": self.signed(identity),
            "expires_in": 600,
            "token_type": "Bearer",
            **self.body,
        }

    def signed(self, claims: dict[str, object]) -> str:
        present = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "k1"}, present, self.key)


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[BoundedTransport]:
    made = new_transport()
    yield made
    await made.aclose()


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[tuple[Issuer, TinyServer]]:
    made = Issuer()
    async with tiny_server(made) as server:
        made.url = server.url
        yield made, server


@pytest.fixture
def strict(issuer: tuple[Issuer, TinyServer], transport: BoundedTransport) -> TeslaOAuth:
    return oauth_of(settings_for(issuer[1].url, {"na": "http://127.0.0.1:9", "eu": "http://127.0.0.1:8"}), transport)


async def exchanged(oauth: TeslaOAuth) -> Grant:
    return await oauth.exchange_code("code", REDIRECT, "nonce-1")


async def test_the_exchange_sends_what_tesla_documents(strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer]) -> None:
    grant = await exchanged(strict)
    assert (grant.subject, grant.refresh_token, grant.region_hint) == ("account-1", "EU_1", "")
    sent = parse_qs(issuer[1].seen[-1].body.decode())
    assert sent == {
        "grant_type": ["authorization_code"],
        "client_id": ["test-app"],
        "client_secret": ["test-app-secret"],
        "code": ["code"],
        "audience": ["http://127.0.0.1:9"],
        "redirect_uri": [REDIRECT],
    }
    await strict.renew(grant)
    sent = parse_qs(issuer[1].seen[-1].body.decode())
    assert sent == {"grant_type": ["refresh_token"], "client_id": ["test-app"], "refresh_token": ["EU_1"]}


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": "https://evil.example"}, "issuer"),
        ({"aud": "another-app"}, "aud"),
        ({"sub": "account-2"}, "sub"),
        ({"exp": 1_700_000_000}, "expired"),
        ({"exp": None}, "exp"),
    ],
)
async def test_an_identity_token_with_a_wrong_claim_is_refused(
    strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer], claims: dict[str, object], words: str
) -> None:
    issuer[0].identity = claims
    with pytest.raises(Problem, match=words):
        await exchanged(strict)


@pytest.mark.parametrize("nonce", ["other", None, 5])
async def test_an_identity_token_with_a_wrong_nonce_is_refused(
    strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer], nonce: object
) -> None:
    issuer[0].identity = {"nonce": nonce}
    with pytest.raises(Problem) as caught:
        await exchanged(strict)
    assert caught.value.reason == Reason.REASON_LINK_SESSION_EXPIRED


async def test_a_missing_identity_token_is_refused(strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer]) -> None:
    issuer[0].body = {"id_token": None}
    with pytest.raises(Problem):
        await exchanged(strict)


async def test_a_forged_signature_is_refused(strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer]) -> None:
    issuer[0].key = OTHER_KEY
    with pytest.raises(Problem, match="signature"):
        await exchanged(strict)


async def test_an_unsigned_token_is_refused(strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer]) -> None:
    issuer[0].body = {"access_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."}
    with pytest.raises(Problem, match="signature"):
        await exchanged(strict)


async def test_new_keys_of_the_vendor_are_read_when_needed(
    strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer]
) -> None:
    await exchanged(strict)
    issuer[0].key = issuer[0].published = OTHER_KEY
    assert (await exchanged(strict)).subject == "account-1"


@pytest.mark.parametrize(
    "claims", [{"azp": "another-app"}, {"sub": None}, {"sub": "x" * 500}, {"scp": "openid"}, {"scp": None}]
)
async def test_an_access_token_that_cannot_be_used_is_refused(
    strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer], claims: dict[str, object]
) -> None:
    issuer[0].access = claims
    with pytest.raises(Problem) as caught:
        await exchanged(strict)
    assert caught.value.reason == Reason.REASON_VENDOR_UNAVAILABLE


@pytest.mark.parametrize("expires_in", [None, -1, 0, 1e300, True])
async def test_without_a_usable_lifetime_the_tokens_own_end_counts(
    strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer], expires_in: object
) -> None:
    issuer[0].body = {"expires_in": expires_in}
    grant = await exchanged(strict)
    assert abs((grant.expire_time - datetime.now(UTC)).total_seconds() - 3600) < 60


@pytest.mark.parametrize(
    ("expires_in", "end"), [("soon", 4_000_000_000), ([1], 4_000_000_000), (None, None), (None, 1_700_000_000)]
)
async def test_a_token_without_a_usable_end_is_refused(
    strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer], expires_in: object, end: object
) -> None:
    issuer[0].body = {"expires_in": expires_in}
    issuer[0].access = {"exp": end}
    with pytest.raises(Problem) as caught:
        await exchanged(strict)
    assert caught.value.reason == Reason.REASON_VENDOR_UNAVAILABLE


@pytest.mark.parametrize(
    ("answer", "reason", "retried"),
    [
        (JSONResponse({"error": "invalid_auth_code"}, 400), "LINK_SESSION_EXPIRED", False),
        (JSONResponse({"error": "unauthorized_client"}, 400), "CLIENT_CREDENTIALS_REJECTED", False),
        (JSONResponse({"error": "unsupported_grant_type"}, 400), "VENDOR_ERROR_UNCLASSIFIED", False),
        (JSONResponse({"error": "server_error"}, 400), "VENDOR_UNAVAILABLE", True),
        (JSONResponse({"error": "login_required"}, 401), "REAUTHORIZATION_REQUIRED", False),
        (JSONResponse({"error": "invalid_scope"}, 403), "VENDOR_APPLICATION_NOT_CONFIGURED", False),
        (JSONResponse({"error": ["odd"]}, 400), "VENDOR_ERROR_UNCLASSIFIED", False),
        (PlainTextResponse("", 401), "REAUTHORIZATION_REQUIRED", False),
        (PlainTextResponse("", 423), "ACCOUNT_LOCKED", False),
        (JSONResponse({"error": "account_locked"}, 423), "ACCOUNT_LOCKED", False),
        (PlainTextResponse("Retry in 3 seconds", 429), "VENDOR_RATE_LIMITED", True),
        (JSONResponse({"error": "rate_limited"}, 429), "VENDOR_RATE_LIMITED", True),
        (JSONResponse({"message": "slow down"}, 429), "VENDOR_RATE_LIMITED", True),
        (PlainTextResponse("<html>", 502), "VENDOR_UNAVAILABLE", True),
        (PlainTextResponse("<html>", 200), "VENDOR_UNAVAILABLE", True),
        (PlainTextResponse("<html>", 403), "VENDOR_ERROR_UNCLASSIFIED", False),
        (JSONResponse([]), "VENDOR_UNAVAILABLE", True),
        (JSONResponse({}), "VENDOR_UNAVAILABLE", False),
        (JSONResponse({"access_token": 5}), "VENDOR_UNAVAILABLE", False),
        (PlainTextResponse('{"access_token": "' + "x" * 5_000_000 + '"}'), "VENDOR_UNAVAILABLE", True),
        (PlainTextResponse('{"a":' * 100_000), "VENDOR_UNAVAILABLE", True),
    ],
)
async def test_every_answer_of_the_token_endpoint_is_explained(
    strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer], answer: Response, reason: str, retried: bool
) -> None:
    issuer[0].answer = answer
    with pytest.raises(Problem) as caught:
        await exchanged(strict)
    assert caught.value.reason_name == reason
    assert (caught.value.retry_delay is not None) == retried


async def test_nothing_is_spent_while_the_keys_cannot_be_read(transport: BoundedTransport) -> None:
    async def broken(_: Request) -> Response:
        return PlainTextResponse("<html>", 503)

    async with tiny_server(broken) as server:
        oauth = oauth_of(settings_for(server.url, {"na": server.url}), transport)
        grant = Grant("a", "r", datetime.now(UTC), frozenset(), "s")
        with pytest.raises(Problem) as caught:
            await oauth.renew(grant)
    assert caught.value.reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert caught.value.retry_delay is not None
    assert all(not request.path.endswith("/token") for request in server.seen)


async def test_no_secret_stands_in_a_problem(strict: TeslaOAuth, issuer: tuple[Issuer, TinyServer]) -> None:
    issuer[0].answer = PlainTextResponse("oops", 500)
    grant = Grant("access-secret", "refresh-secret", datetime.now(UTC), frozenset(), "s")
    with pytest.raises(Problem) as caught:
        await strict.renew(grant)
    shown = f"{caught.value!r} {caught.value} {caught.value.metadata} {caught.value.__cause__!r}"
    assert "secret" not in shown
