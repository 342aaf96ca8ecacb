import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.processes import Sandbox
from tests.tesla_sandbox.conftest import FREE_SITE, PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.person import (
    ALL_SCOPES,
    CLIENT_ID,
    CLIENT_SECRET,
    DOMAIN,
    EMAIL,
    Person,
    authorization_parameters,
    claims_of,
    result_of,
)

AUTHORIZE = "/oauth2/v3/authorize"
CONSENT = "/user/revoke/consent"


async def test_a_browser_signs_in_ticks_scopes_and_returns_with_a_code(stranger: Person) -> None:
    query = authorization_parameters(show_keypair_step="true")
    first = await stranger.http.get(stranger.url(AUTHORIZE), params=query)
    assert "Sign in to continue" in first.text

    signed_in = await stranger.http.post(stranger.url(AUTHORIZE), data={**query, "email": EMAIL, "decision": "sign_in"})
    consent = await stranger.http.get(stranger.url(signed_in.headers["location"]))
    assert "Energy Product Settings" in consent.text
    assert "virtual key" in consent.text
    assert 'value="offline_access"' not in consent.text

    allowed = await stranger.http.post(
        stranger.url(AUTHORIZE),
        data={**query, "decision": "allow", "granted": ["vehicle_device_data", "energy_device_data"]},
    )
    result = result_of(allowed)
    assert result["state"] == "state-1"
    tokens = (await stranger.exchange(result["code"])).json()
    assert claims_of(tokens["access_token"])["scp"] == [
        "openid",
        "offline_access",
        "vehicle_device_data",
        "energy_device_data",
    ]


async def test_cancel_returns_access_denied_with_state(stranger: Person) -> None:
    cancelled = await stranger.http.post(
        stranger.url(AUTHORIZE), data={**authorization_parameters(), "decision": "cancel"}
    )
    assert result_of(cancelled) == {
        "error": "access_denied",
        "error_description": "User cancelled",
        "state": "state-1",
    }


async def test_select_all_and_none_redraw_the_page(stranger: Person) -> None:
    form = {**authorization_parameters(), "email": EMAIL}
    none = await stranger.http.post(stranger.url(AUTHORIZE), data={**form, "decision": "select_none"})
    every = await stranger.http.post(stranger.url(AUTHORIZE), data={**form, "decision": "select_all"})
    assert none.text.count(" checked") == 0
    assert every.text.count(" checked") == len(ALL_SCOPES.split()) - 2


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "nobody"},
        {"redirect_uri": "http://127.0.0.1:9/callback/"},
        {"redirect_uri": "https://evil.example"},
    ],
)
async def test_wrong_client_or_redirect_never_redirects(stranger: Person, change: dict[str, str]) -> None:
    values = {**authorization_parameters(), **change}
    shown = await stranger.http.get(stranger.url(AUTHORIZE), params=values)
    decided = await stranger.http.post(stranger.url(AUTHORIZE), data={**values, "decision": "cancel"})
    for answered in (shown, decided):
        assert answered.status_code == 400
        assert "We cannot continue" in answered.text


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid telepathy"}, "invalid_scope"),
        ({"scope": "vehicle_specs"}, "invalid_scope"),
        ({"state": ""}, "invalid_request"),
    ],
)
async def test_a_bad_request_goes_back_with_an_error(stranger: Person, change: dict[str, str], error: str) -> None:
    answered = await stranger.http.get(stranger.url(AUTHORIZE), params={**authorization_parameters(), **change})
    assert result_of(answered)["error"] == error


async def test_require_requested_scopes_refuses_a_partial_consent(stranger: Person) -> None:
    form = {**authorization_parameters(require_requested_scopes="true"), "email": EMAIL, "decision": "allow"}
    partial = await stranger.http.post(stranger.url(AUTHORIZE), data={**form, "granted": "energy_cmds"})
    assert partial.status_code == 400
    assert "needs every item" in partial.text
    whole = await stranger.http.post(stranger.url(AUTHORIZE), data={**form, "granted": ALL_SCOPES.split()})
    assert "code" in result_of(whole)


async def test_a_narrow_consent_is_reused_silently_unless_missing_scopes_are_prompted(
    stranger: Person,
) -> None:
    await stranger.link("openid offline_access energy_device_data")
    await stranger.http.post(
        stranger.url(AUTHORIZE), data={**authorization_parameters(), "email": EMAIL, "decision": "sign_in"}
    )
    silent = await stranger.http.get(stranger.url(AUTHORIZE), params=authorization_parameters())
    tokens = (await stranger.exchange(result_of(silent)["code"])).json()
    assert "energy_cmds" not in claims_of(tokens["access_token"])["scp"]

    asked = await stranger.http.get(
        stranger.url(AUTHORIZE), params=authorization_parameters(prompt_missing_scopes="true")
    )
    assert asked.status_code == 200
    assert "Allow" in asked.text


async def test_access_token_verifies_against_the_published_keys(person: Person) -> None:
    metadata_path = "/oauth2/v3/thirdparty/.well-known/openid-configuration"
    metadata = (await person.http.get(person.url(metadata_path))).json()
    keys = KeySet.import_key_set((await person.http.get(metadata["jwks_uri"])).json())
    access = jwt.decode(person.tokens["access_token"], keys, algorithms=["RS256"]).claims
    identity = jwt.decode(person.tokens["id_token"], keys, algorithms=["RS256"]).claims
    assert access["iss"] == identity["iss"] == metadata["issuer"]
    assert access["azp"] == identity["aud"] == CLIENT_ID
    assert access["sub"] == identity["sub"]
    assert access["aud"][:2] == [person.sandbox.fleet_api("na"), person.sandbox.fleet_api("eu")]
    assert access["exp"] - access["iat"] == person.tokens["expires_in"] == 28_800
    assert (access["ou_code"], access["locale"], access["amr"]) == ("EU", "en-US", ["pwd"])
    assert identity["nonce"] == "nonce-1"
    assert set(person.tokens) == {"access_token", "refresh_token", "id_token", "expires_in", "token_type"}


async def test_a_code_is_good_once_and_for_two_minutes(stranger: Person) -> None:
    code = (await stranger.consent())["code"]
    assert (await stranger.exchange(code)).status_code == 200
    again = await stranger.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_auth_code")

    late = (await stranger.consent(prompt_missing_scopes="true"))["code"]
    await stranger.sandbox.control.step(121)
    expired = await stranger.exchange(late)
    assert (expired.status_code, expired.json()["error"]) == (400, "invalid_auth_code")


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"client_secret": "wrong"}, 400, "unauthorized_client"),
        ({"client_id": "nobody"}, 400, "unauthorized_client"),
        ({"redirect_uri": "http://127.0.0.1:9/other"}, 400, "invalid_redirect_url"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
async def test_code_exchange_errors(stranger: Person, fields: dict[str, str], status: int, error: str) -> None:
    code = (await stranger.consent())["code"]
    answered = await stranger.exchange(code, **fields)
    assert (answered.status_code, answered.json()["error"]) == (status, error)
    assert set(answered.json()) <= {"error", "error_description", "error_uri"}


async def test_refresh_spends_the_token_and_ends_older_access_tokens(person: Person) -> None:
    first = dict(person.tokens)
    second = (await person.refresh()).json()
    assert second["refresh_token"].startswith("EU_")
    assert second["refresh_token"] != first["refresh_token"]
    old = await person.get("/api/1/products", token=first["access_token"])
    assert (old.status_code, old.json()["error"]) == (401, "invalid bearer token")
    assert (await person.get("/api/1/products", token=second["access_token"])).status_code == 200


async def test_the_last_used_refresh_token_has_a_day_of_grace(person: Person) -> None:
    first = person.tokens["refresh_token"]
    lost = (await person.refresh(first)).json()["refresh_token"]
    repeated = await person.refresh(first)
    assert repeated.status_code == 200
    assert (await person.refresh(lost)).json() == {
        "error": "login_required",
        "error_description": "Login required",
    }
    await person.sandbox.control.step(24 * 3600 + 1)
    assert (await person.refresh(first)).status_code == 401
    assert (await person.refresh(repeated.json()["refresh_token"])).status_code == 200


async def test_repeating_a_refresh_does_not_prolong_its_grace(person: Person) -> None:
    first = person.tokens["refresh_token"]
    for hours in (0, 12, 11):
        await person.sandbox.control.step(hours * 3600)
        assert (await person.refresh(first)).status_code == 200
    await person.sandbox.control.step(3600)
    refused = await person.refresh(first)
    assert (refused.status_code, refused.json()["error"]) == (401, "login_required")


async def test_the_grace_ends_with_the_token_s_own_three_months(person: Person) -> None:
    first = person.tokens["refresh_token"]
    await person.sandbox.control.step(90 * 86_400 - 7200)
    assert (await person.refresh(first)).status_code == 200
    await person.sandbox.control.step(3600)
    latest = (await person.refresh(first)).json()["refresh_token"]
    await person.sandbox.control.step(3600)
    assert (await person.refresh(first)).status_code == 401
    assert (await person.refresh(latest)).status_code == 200


async def test_a_cycled_out_refresh_token_needs_a_new_login(person: Person) -> None:
    first = person.tokens["refresh_token"]
    second = (await person.refresh(first)).json()["refresh_token"]
    await person.refresh(second)
    refused = await person.refresh(first)
    assert (refused.status_code, refused.json()["error"]) == (401, "login_required")


async def test_a_refresh_token_expires_after_three_months(person: Person) -> None:
    await person.sandbox.control.step(90 * 86_400)
    assert (await person.refresh()).status_code == 401


async def test_the_access_token_expires_with_its_own_error(person: Person) -> None:
    await person.sandbox.control.step(28_800)
    expired = await person.get("/api/1/products")
    assert (expired.status_code, expired.json()["error"]) == (401, "token expired (401)")


async def test_a_new_grant_ends_the_former_one(person: Person) -> None:
    former = dict(person.tokens)
    await person.link()
    assert (await person.refresh(former["refresh_token"])).status_code == 401
    assert (await person.get("/api/1/products", token=former["access_token"])).status_code == 401
    assert (await person.get("/api/1/products")).status_code == 200


async def test_without_offline_access_there_is_no_refresh_token(stranger: Person) -> None:
    tokens = await stranger.link("vehicle_device_data")
    assert set(tokens) == {"access_token", "expires_in", "token_type"}


async def test_reduced_scopes_show_in_the_next_access_token(person: Person) -> None:
    form = {
        "revoke_client_id": CLIENT_ID,
        "email": EMAIL,
        "decision": "save",
        "granted": ["vehicle_device_data"],
        "back_url": "https://app.example.com/done",
    }
    saved = await person.http.post(person.url(CONSENT), data=form)
    page = await person.http.get(person.url(saved.headers["location"]))
    assert page.text.count(" checked") == 1
    assert 'href="https://app.example.com/done"' in page.text

    assert (await person.get(f"/api/1/energy_sites/{FREE_SITE}/live_status")).status_code == 200
    person.tokens = (await person.refresh()).json()
    refused = await person.get(f"/api/1/energy_sites/{FREE_SITE}/live_status")
    assert (refused.status_code, refused.json()["error"]) == (
        403,
        "Unauthorized missing scopes energy_device_data",
    )


async def test_added_scopes_need_a_new_authorization(stranger: Person) -> None:
    await stranger.link("openid offline_access vehicle_device_data")
    form = {
        "revoke_client_id": CLIENT_ID,
        "email": EMAIL,
        "decision": "save",
        "granted": ["vehicle_device_data", "energy_device_data"],
    }
    await stranger.http.post(stranger.url(CONSENT), data=form)
    refreshed = (await stranger.refresh()).json()
    assert "energy_device_data" not in claims_of(refreshed["access_token"])["scp"]
    await stranger.link()
    assert "energy_device_data" in claims_of(stranger.tokens["access_token"])["scp"]


async def test_revocation_ends_tokens_and_removes_the_key(person: Person) -> None:
    await person.http.post(
        person.url(CONSENT), data={"revoke_client_id": CLIENT_ID, "email": EMAIL, "decision": "revoke"}
    )
    refused = await person.refresh()
    assert (refused.status_code, refused.json()["error"]) == (401, "login_required")
    assert (await person.get("/api/1/products")).status_code == 401
    car = await person.sandbox.control.get(f"/cars/{PAIRED_VIN}")
    assert car["key"] == "unpaired"


async def test_a_back_url_that_is_no_web_address_is_not_linked(person: Person) -> None:
    page = await person.http.get(
        person.url(CONSENT), params={"revoke_client_id": CLIENT_ID, "back_url": "javascript:alert(1)"}
    )
    assert "javascript:" not in page.text.replace('value="javascript:alert(1)"', "")


async def test_partner_token_has_no_refresh_token_and_only_allowed_scopes(stranger: Person) -> None:
    answered = await stranger.token(
        grant_type="client_credentials", client_secret=CLIENT_SECRET, scope="openid vehicle_specs"
    )
    assert set(answered.json()) == {"access_token", "expires_in", "token_type"}
    refused = await stranger.token(
        grant_type="client_credentials", client_secret=CLIENT_SECRET, scope="vehicle_pricing_info"
    )
    assert (refused.status_code, refused.json()["error"]) == (403, "invalid_scope")


async def test_pairing_page_puts_the_key_on_a_reachable_car(person: Person) -> None:
    path = person.url(f"/_ak/{DOMAIN}")
    form = {"email": EMAIL, "vin": UNPAIRED_VIN, "decision": "pair"}
    asleep = await person.http.post(path, data=form)
    assert asleep.status_code == 409
    assert "asleep" in asleep.text
    await person.sandbox.control.patch(f"/cars/{UNPAIRED_VIN}", {"state": "online"})
    paired = await person.http.post(path, data=form)
    page = await person.http.get(person.url(paired.headers["location"]))
    assert "The key is on this vehicle." in page.text
    assert (await person.sandbox.control.get(f"/cars/{UNPAIRED_VIN}"))["key"] == "paired"


async def test_pairing_needs_consent_from_the_same_account(stranger: Person) -> None:
    refused = await stranger.http.post(
        stranger.url(f"/_ak/{DOMAIN}"), data={"email": EMAIL, "vin": PAIRED_VIN, "decision": "pair"}
    )
    assert refused.status_code == 409
    assert "has not granted" in refused.text
    unknown = await stranger.http.get(stranger.url("/_ak/other.example"))
    assert unknown.status_code == 404


async def test_the_token_endpoint_refuses_what_is_no_form(sandbox: Sandbox, browser: httpx.AsyncClient) -> None:
    url = f"{sandbox.base_url}/oauth2/v3/token"
    for content, kind in (
        (b"{}", "application/json"),
        (b"", "text/plain"),
        (b"\xff\xfe=%zz&", "application/x-www-form-urlencoded"),
    ):
        answered = await browser.post(url, content=content, headers={"content-type": kind})
        assert answered.status_code == 400
        assert answered.json()["error"] in {"invalid_request", "unsupported_grant_type"}
    large = await browser.post(url, data={"grant_type": "x" * 100_000})
    assert large.status_code in {400, 413}


async def test_a_lost_refresh_answer_can_be_repeated(person: Person) -> None:
    await person.sandbox.control.inject_fault("token_race", target=CLIENT_ID)
    assert (await person.refresh()).status_code == 503
    assert (await person.get("/api/1/products")).status_code == 401
    assert (await person.refresh()).status_code == 200


async def test_only_a_refresh_can_lose_its_answer(stranger: Person) -> None:
    await stranger.sandbox.control.inject_fault("token_race")
    assert await stranger.partner_token()
    await stranger.link()
    assert (await stranger.refresh("nonsense")).status_code == 401
    assert (await stranger.refresh()).status_code == 503
    assert (await stranger.refresh()).status_code == 200


async def test_an_access_token_can_be_refused_before_it_expires(person: Person) -> None:
    await person.sandbox.control.inject_fault("token_revoked_early", target=CLIENT_ID)
    for _ in range(2):
        assert (await person.get("/api/1/products")).status_code == 401
    person.tokens = (await person.refresh()).json()
    assert (await person.get("/api/1/products")).status_code == 200


async def test_the_token_server_can_fail_for_a_moment(person: Person) -> None:
    await person.sandbox.control.inject_fault("token_server_error", target=CLIENT_ID)
    failed = await person.refresh()
    assert (failed.status_code, failed.json()["error"]) == (400, "server_error")
    assert (await person.refresh()).status_code == 200


async def test_authentication_is_limited_per_second(person: Person) -> None:
    await person.sandbox.control.patch("/rate_limits", {"auth": 2})
    assert (await person.refresh("x")).status_code == 401
    assert (await person.refresh("x")).status_code == 401
    refused = await person.refresh("x")
    assert (refused.status_code, refused.text) == (429, "Retry in 1 seconds\n")
    assert (refused.headers["retry-after"], refused.headers["ratelimit-reset"]) == ("1", "1")
    assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]) == ("2", "0")
    await person.sandbox.control.step(1)
    assert (await person.refresh("x")).status_code == 401
