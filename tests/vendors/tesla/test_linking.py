"""Linking against a real sandbox process."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.reason_pb2 import Reason

from tests.processes import PATIENCE_SECONDS, Sandbox, sandbox_process
from tests.vendors.tesla.account import MemoryAccount
from tests.vendors.tesla.conftest import oauth_of, settings_for, tesla_settings
from wattbus_server.problem import Problem
from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.contract import AuthorizationRequest, Grant
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.discovery import discover
from wattbus_server.vendors.tesla.http import BoundedTransport, new_transport
from wattbus_server.vendors.tesla.oauth import TeslaOAuth
from wattbus_server.vendors.tesla.refusals import Refusals
from wattbus_server.vendors.tesla.remedies import TeslaRemedies

pytestmark = pytest.mark.asyncio(loop_scope="module")

REDIRECT = "http://127.0.0.1:9/callback"
EVERYTHING = frozenset(value for value in Access.values() if value)
SCENARIO = {
    "name": "Linking",
    "seed": 5,
    "applications": [
        {
            "client_id": "test-app",
            "client_secret": "test-app-secret",
            "domain": "app.example.com",
            "redirect_uris": [REDIRECT],
        }
    ],
    "users": [
        {
            "email": "robin@example.com",
            "region": "eu",
            "cars": [{"vin": "LRW3E7EK5PC000101"}],
            "homes": [{"site_id": 20260001, "name": "Canal House"}],
        }
    ],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def transport() -> AsyncIterator[BoundedTransport]:
    made = new_transport()
    yield made
    await made.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with sandbox_process(scenario=SCENARIO) as running:
        yield running


def sandbox_settings(sandbox: Sandbox, **more: object) -> TeslaSettings:
    return settings_for(sandbox.base_url, {region: sandbox.fleet_api(region) for region in ("na", "eu")}, **more)


@pytest.fixture
def oauth(sandbox: Sandbox, transport: BoundedTransport) -> TeslaOAuth:
    return oauth_of(sandbox_settings(sandbox), transport)


def request(access: frozenset[Access.ValueType] = EVERYTHING, nonce: str = "nonce-1") -> AuthorizationRequest:
    return AuthorizationRequest(access=access, state="state-1", nonce=nonce, redirect_uri=REDIRECT, locale="en-US")


async def consent(oauth: TeslaOAuth, asked: AuthorizationRequest, *, without: tuple[str, ...] = ()) -> str:
    """Press Allow on the consent page, with some boxes not ticked; the code of the callback."""
    url = oauth.authorization_url(asked)
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    granted = [scope for scope in query["scope"].split() if scope not in without]
    form: dict[str, Any] = {**query, "email": "robin@example.com", "decision": "allow", "granted": granted}
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as browser:
        answered = await browser.post(url.partition("?")[0], data=form)
    returned = parse_qs(urlsplit(answered.headers["location"]).query)
    assert returned["state"] == ["state-1"]
    return returned["code"][0]


async def linked(oauth: TeslaOAuth, *, without: tuple[str, ...] = ()) -> Grant:
    return await oauth.exchange_code(await consent(oauth, request(), without=without), REDIRECT, "nonce-1")


async def test_the_consent_page_gets_everything_it_needs(oauth: TeslaOAuth, sandbox: Sandbox) -> None:
    url = urlsplit(oauth.authorization_url(request()))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{sandbox.base_url}/oauth2/v3/authorize"
    assert query == {
        "response_type": "code",
        "client_id": "test-app",
        "redirect_uri": REDIRECT,
        "scope": "openid offline_access vehicle_device_data vehicle_location vehicle_charging_cmds vehicle_cmds"
        " energy_device_data energy_cmds",
        "state": "state-1",
        "nonce": "nonce-1",
        "prompt_missing_scopes": "true",
        "show_keypair_step": "true",
        "locale": "en-US",
    }


async def test_the_key_step_is_announced_only_for_vehicle_commands(oauth: TeslaOAuth) -> None:
    url = oauth.authorization_url(request(frozenset({Access.ACCESS_READ_VEHICLES, Access.ACCESS_COMMAND_ENERGY})))
    assert "show_keypair_step" not in url
    assert "vehicle_cmds" not in url


async def test_without_an_application_nothing_can_be_linked(transport: BoundedTransport) -> None:
    settings = tesla_settings({"na": "http://127.0.0.1:9"}, client_id="")
    with pytest.raises(Problem) as caught:
        oauth_of(settings, transport).authorization_url(request())
    assert caught.value.reason == Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED
    assert caught.value.metadata["setting"] == "tesla.client_id"


async def test_a_code_becomes_a_grant_and_the_grant_reads_devices(
    oauth: TeslaOAuth, sandbox: Sandbox, transport: BoundedTransport
) -> None:
    grant = await linked(oauth)
    assert {"openid", "offline_access", "energy_cmds", "vehicle_location"} <= grant.scopes
    assert grant.subject
    assert grant.region_hint == "eu"
    assert timedelta(hours=7) < grant.expire_time - datetime.now(UTC) <= timedelta(hours=8)
    assert grant.access_token not in repr(grant)
    settings = sandbox_settings(sandbox)
    api = FleetApi(settings, transport, Refusals(TeslaRemedies(settings)))
    account = MemoryAccount(grant.access_token, scopes=grant.scopes)
    found = await discover(api, account)
    assert account.region == "eu"
    assert {"vehicle/LRW3E7EK5PC000101", "site/20260001/battery"} <= {device.key for device in found}


async def test_partial_consent_is_read_from_the_token(oauth: TeslaOAuth) -> None:
    grant = await linked(oauth, without=("vehicle_cmds", "energy_cmds"))
    assert "energy_device_data" in grant.scopes
    assert not {"vehicle_cmds", "energy_cmds"} & grant.scopes


async def test_a_code_works_once(oauth: TeslaOAuth) -> None:
    code = await consent(oauth, request())
    await oauth.exchange_code(code, REDIRECT, "nonce-1")
    with pytest.raises(Problem) as caught:
        await oauth.exchange_code(code, REDIRECT, "nonce-1")
    assert caught.value.reason == Reason.REASON_LINK_SESSION_EXPIRED


async def test_another_requests_nonce_is_refused(oauth: TeslaOAuth) -> None:
    code = await consent(oauth, request(nonce="somebody else's"))
    with pytest.raises(Problem) as caught:
        await oauth.exchange_code(code, REDIRECT, "nonce-1")
    assert caught.value.reason == Reason.REASON_LINK_SESSION_EXPIRED


async def test_another_redirect_is_the_operators_matter(oauth: TeslaOAuth) -> None:
    code = await consent(oauth, request())
    with pytest.raises(Problem) as caught:
        await oauth.exchange_code(code, f"{REDIRECT}/other", "nonce-1")
    assert caught.value.reason == Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED
    assert caught.value.metadata["setting"] == "public_url"
    assert caught.value.blockers[0].remedies


async def test_a_wrong_secret_is_the_operators_matter(sandbox: Sandbox, transport: BoundedTransport) -> None:
    wrong = oauth_of(sandbox_settings(sandbox, client_secret=SecretStr("wrong")), transport)
    code = await consent(wrong, request())
    with pytest.raises(Problem) as caught:
        await wrong.exchange_code(code, REDIRECT, "nonce-1")
    assert caught.value.reason == Reason.REASON_CLIENT_CREDENTIALS_REJECTED
    assert "client_id and client_secret" in caught.value.vendor_reason
    assert caught.value.blockers[0].connection == ""


async def test_renewing_gives_new_tokens_and_sends_no_secret(sandbox: Sandbox, transport: BoundedTransport) -> None:
    grant = await linked(oauth_of(sandbox_settings(sandbox), transport))
    without_secret = oauth_of(sandbox_settings(sandbox, client_secret=SecretStr("wrong")), transport)
    renewed = await without_secret.renew(grant)
    assert renewed.access_token != grant.access_token
    assert renewed.refresh_token != grant.refresh_token
    assert (renewed.subject, renewed.scopes) == (grant.subject, grant.scopes)


async def test_a_spent_refresh_token_asks_for_a_new_link(oauth: TeslaOAuth) -> None:
    grant = await linked(oauth)
    second = await oauth.renew(grant)
    await oauth.renew(second)
    with pytest.raises(Problem) as caught:
        await oauth.renew(grant)
    assert caught.value.reason == Reason.REASON_REAUTHORIZATION_REQUIRED
    assert caught.value.vendor_reason == "login_required: Login required"
    assert caught.value.retry_delay is None


async def test_a_grant_without_refresh_token_cannot_be_renewed(oauth: TeslaOAuth) -> None:
    grant = replace(await linked(oauth), refresh_token="")
    with pytest.raises(Problem) as caught:
        await oauth.renew(grant)
    assert caught.value.reason == Reason.REASON_REAUTHORIZATION_REQUIRED


async def test_a_passing_failure_of_the_token_endpoint_may_be_retried(oauth: TeslaOAuth, sandbox: Sandbox) -> None:
    grant = await linked(oauth)
    await sandbox.control.inject_fault("token_server_error")
    with pytest.raises(Problem) as caught:
        await oauth.renew(grant)
    assert caught.value.reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert caught.value.retry_delay is not None
    assert (await oauth.renew(grant)).subject == grant.subject
