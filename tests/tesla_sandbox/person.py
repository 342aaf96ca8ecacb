"""A person with a browser and an application with an HTTP client, both talking to a sandbox."""

import json
from base64 import urlsafe_b64decode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.processes import Sandbox

Json = dict[str, Any]

CLIENT_ID = "test-app"
CLIENT_SECRET = "test-app-secret"
REDIRECT_URI = "http://127.0.0.1:9/callback"
DOMAIN = "app.example.com"
ALL_SCOPES = (
    "openid offline_access user_data vehicle_device_data vehicle_location vehicle_cmds "
    "vehicle_charging_cmds energy_device_data energy_cmds"
)
EMAIL = "robin@example.com"


def authorization_parameters(scope: str = ALL_SCOPES, **more: str) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": scope,
        "state": "state-1",
        "nonce": "nonce-1",
        **more,
    }


def result_of(answer: httpx.Response) -> dict[str, str]:
    """The query that a redirect carries back to the application."""
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(REDIRECT_URI)
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def claims_of(token: str) -> Json:
    payload = token.split(".")[1]
    claims: Json = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


class Person:
    """Consents and fetches; every call of the Fleet API carries the current access token."""

    def __init__(self, sandbox: Sandbox, client: httpx.AsyncClient, region: str = "eu") -> None:
        self.sandbox = sandbox
        self.http = client
        self.region = region
        self.tokens: Json = {}

    async def consent(
        self, scope: str = ALL_SCOPES, *, granted: str | None = None, email: str = EMAIL, **more: str
    ) -> dict[str, str]:
        """Press Allow with these boxes ticked; returns what comes back to the application."""
        form: dict[str, Any] = {
            **authorization_parameters(scope, **more),
            "email": email,
            "decision": "allow",
            "granted": (scope if granted is None else granted).split(),
        }
        return result_of(await self.http.post(self.url("/oauth2/v3/authorize"), data=form))

    async def token(self, **fields: str) -> httpx.Response:
        return await self.http.post(self.url("/oauth2/v3/token"), data={"client_id": CLIENT_ID, **fields})

    async def exchange(self, code: str, **fields: str) -> httpx.Response:
        return await self.token(
            **{
                "grant_type": "authorization_code",
                "client_secret": CLIENT_SECRET,
                "code": code,
                "redirect_uri": REDIRECT_URI,
                "audience": self.sandbox.fleet_api(self.region),
                **fields,
            }
        )

    async def refresh(self, refresh_token: str | None = None) -> httpx.Response:
        return await self.token(grant_type="refresh_token", refresh_token=refresh_token or self.tokens["refresh_token"])

    async def link(self, scope: str = ALL_SCOPES, **more: Any) -> Json:
        """Consent, exchange the code and keep the tokens."""
        result = await self.consent(scope, prompt_missing_scopes="true", **more)
        answered = await self.exchange(result["code"])
        assert answered.status_code == 200, answered.text
        self.tokens = answered.json()
        return self.tokens

    async def partner_token(self, scope: str = "openid vehicle_specs") -> str:
        answered = await self.token(grant_type="client_credentials", client_secret=CLIENT_SECRET, scope=scope)
        return str(answered.json()["access_token"])

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        return await self.call("POST", path, json={} if body is None else body, **options)

    async def call(
        self, method: str, path: str, *, token: str | None = None, region: str | None = None, **options: Any
    ) -> httpx.Response:
        bearer = token if token is not None else self.tokens["access_token"]
        headers = {"authorization": f"Bearer {bearer}", **options.pop("headers", {})}
        url = self.sandbox.fleet_api(region or self.region) + path
        return await self.http.request(method, url, headers=headers, **options)

    def url(self, path: str) -> str:
        return self.sandbox.base_url + path
