import json

import httpx
import pytest

from tests.processes import Sandbox
from tests.tesla_sandbox.conftest import FREE_SITE, PAIRED_VIN
from tests.tesla_sandbox.person import CLIENT_ID, CLIENT_SECRET, DOMAIN, EMAIL, Person

LIVE = f"/api/1/energy_sites/{FREE_SITE}/live_status"
RESERVE = f"/api/1/energy_sites/{FREE_SITE}/backup"


def unauthorized(error: str, answered: httpx.Response) -> dict[str, object]:
    """The body of a 401 as it was seen in reality."""
    return {"response": None, "error": error, "error_description": "", "txid": answered.headers["x-txid"]}


async def test_status_needs_no_authorisation(sandbox: Sandbox, browser: httpx.AsyncClient) -> None:
    answered = await browser.get(f"{sandbox.fleet_api('eu')}/status")
    assert (answered.status_code, answered.text) == (200, "ok")


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "Bearer nonsense", "Bearer a.b.c"])
async def test_without_a_usable_token_it_is_401(person: Person, header: str) -> None:
    answered = await person.http.get(person.sandbox.fleet_api("eu") + LIVE, headers={"authorization": header})
    assert answered.status_code == 401
    assert answered.headers["x-txid"]


async def test_a_tampered_token_is_401(person: Person) -> None:
    head, payload, signature = person.tokens["access_token"].split(".")
    answered = await person.get(LIVE, token=f"{head}.{payload}x.{signature}")
    assert (answered.status_code, answered.json()) == (401, unauthorized("invalid bearer token", answered))


async def test_an_expired_token_is_401_with_its_own_words(person: Person) -> None:
    await person.sandbox.control.step(28_800)
    answered = await person.get(LIVE)
    assert (answered.status_code, answered.json()) == (401, unauthorized("token expired (401)", answered))


async def test_the_wrong_region_is_421_with_the_right_base_url(person: Person) -> None:
    eu = person.sandbox.fleet_api("eu")
    answered = await person.get(LIVE, region="na")
    assert answered.status_code == 421
    assert answered.headers["alt-svc"] == f"h2={eu}"
    body = answered.json()
    assert body["error"].startswith(f"user out of region, use base URL: {eu}, see https://developer.tesla.com/")
    assert body["response"] is None
    assert body["txid"] == answered.headers["x-txid"]


async def test_region_is_answered_everywhere_and_without_user_data(person: Person) -> None:
    await person.link("openid offline_access energy_device_data")
    for region in ("na", "eu"):
        answered = await person.get("/api/1/users/region", region=region)
        assert answered.json() == {"response": {"region": "eu", "fleet_api_base_url": person.sandbox.fleet_api("eu")}}
    me = await person.get("/api/1/users/me")
    assert (me.status_code, me.json()["error"]) == (403, "Unauthorized missing scopes user_data")


async def test_the_picture_of_a_person_is_there(person: Person) -> None:
    me = (await person.get("/api/1/users/me")).json()["response"]
    picture = await person.http.get(me["profile_image_url"])
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")


async def test_specs_cost_a_tenth_of_a_dollar(person: Person) -> None:
    partner = await person.partner_token()
    assert (await person.get(f"/api/1/vehicles/{PAIRED_VIN}/specs", token=partner)).status_code == 200
    (application,) = (await person.sandbox.control.get("/applications"))["applications"]
    assert application["billing"]["units"] == {"specs": 1}
    assert application["billing"]["cost_usd"] == 0.1


async def test_an_unregistered_application_is_412_until_it_registers(person: Person) -> None:
    await person.sandbox.control.patch(f"/applications/{CLIENT_ID}", {"registered_regions": []})
    refused = await person.get(LIVE)
    assert refused.status_code == 412
    assert set(refused.json()) == {"error"}
    assert refused.json()["error"].startswith(f"Account {CLIENT_ID} must be registered in the current region")

    partner = await person.partner_token()
    for path in ("fleet_telemetry_errors", "fleet_telemetry_error_vins"):
        assert (await person.get(f"/api/1/partner_accounts/{path}", token=partner)).json() == refused.json()
    registered = await person.post("/api/1/partner_accounts", {"domain": DOMAIN}, token=partner)
    assert registered.status_code == 200
    public_key = registered.json()["response"]["public_key"]
    assert len(public_key) == 130
    assert public_key.startswith("04")
    assert (await person.get(LIVE)).status_code == 200
    shown = await person.get(f"/api/1/partner_accounts/public_key?domain={DOMAIN}", token=partner)
    assert shown.json()["response"] == {"public_key": public_key}


async def test_partner_endpoints_refuse_a_person_and_the_other_way_round(person: Person) -> None:
    wrong = await person.post("/api/1/partner_accounts", {"domain": DOMAIN})
    assert wrong.json() == {"response": None, "error": "Expected partner account", "error_description": ""}
    partner = await person.partner_token()
    assert (await person.get("/api/1/products", token=partner)).status_code == 403
    foreign = await person.post("/api/1/partner_accounts", {"domain": "other.example"}, token=partner)
    assert foreign.status_code == 422


async def test_the_billing_limit_stops_everything(person: Person) -> None:
    change = {"billing_limit_usd": 0, "billing_discount_usd": 0.002}
    await person.sandbox.control.patch(f"/applications/{CLIENT_ID}", change)
    vehicle_data = f"/api/1/vehicles/{PAIRED_VIN}/vehicle_data"
    assert (await person.get(vehicle_data)).status_code == 200
    for path in (vehicle_data, LIVE, "/api/1/products"):
        stopped = await person.get(path)
        assert stopped.status_code == 403
        assert stopped.json() == {"error": "account disabled: EXCEEDED_LIMIT"}
    await person.sandbox.control.patch(f"/applications/{CLIENT_ID}", {"billing_limit_usd": None})
    assert (await person.get(LIVE)).status_code == 200


async def test_the_bill_starts_again_each_month(person: Person) -> None:
    change = {"billing_limit_usd": 0, "billing_discount_usd": 0, "billing_units": {"data": 5}}
    billed = await person.sandbox.control.patch(f"/applications/{CLIENT_ID}", change)
    assert billed["billing"]["exceeded"] is True
    assert billed["billing"]["cost_usd"] == 0.01
    await person.sandbox.control.step(31 * 86_400)
    applications = (await person.sandbox.control.get("/applications"))["applications"]
    assert applications[0]["billing"]["units"] == {}


async def test_only_answers_below_500_are_billed(person: Person) -> None:
    vehicle_data = f"/api/1/vehicles/{PAIRED_VIN}/vehicle_data"
    await person.sandbox.control.inject_fault("service_unavailable", target=PAIRED_VIN)
    await person.get(vehicle_data)
    await person.sandbox.control.inject_fault("phantom_sleep", target=PAIRED_VIN)
    await person.get(vehicle_data)
    logged = await person.sandbox.control.requests("/vehicle_data")
    assert [(entry["status"], entry["price"]) for entry in logged] == [(503, "free"), (408, "data")]


async def test_a_device_has_a_limit_per_minute_that_names_the_wait(person: Person) -> None:
    await person.sandbox.control.patch("/rate_limits", {"data": 2})
    assert (await person.get(LIVE)).status_code == 200
    await person.sandbox.control.step(20)
    ok = await person.get(LIVE)
    assert "ratelimit-limit" not in ok.headers
    refused = await person.get(LIVE)
    assert refused.status_code == 429
    assert refused.text == "Retry in 40 seconds\n"
    assert (refused.headers["retry-after"], refused.headers["ratelimit-reset"]) == ("40", "40")
    assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]) == ("2", "0")
    await person.sandbox.control.step(40)
    assert (await person.get(LIVE)).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind", "status", "error"),
    [
        (b"", "application/json", 406, "not_a_JSON_request"),
        (b"  ", "application/json", 406, "not_a_JSON_request"),
        (b"{}", "text/plain", 406, "not_a_JSON_request"),
        (b"{", "application/json", 400, "invalid_request"),
        (b"[]", "application/json", 400, "invalid_request"),
        (b"null", "application/json", 400, "invalid_request"),
        (b'{"backup_reserve_percent": NaN}', "application/json", 400, "invalid_request"),
        (b'{"backup_reserve_percent": 1e400}', "application/json", 400, "invalid_request"),
        (b"\xff\xfe", "application/json", 400, "invalid_request"),
        (b"[" * 100_000, "application/json", 400, "invalid_request"),
        (b'{"backup_reserve_percent": ' + b"9" * 5_000 + b"}", "application/json", 400, "invalid_request"),
        (b'{"a": "' + b"x" * 300_000 + b'"}', "application/json", 413, "payload too large"),
    ],
)
async def test_unfit_bodies_get_tesla_s_kind_of_answer(
    person: Person, content: bytes, kind: str, status: int, error: str
) -> None:
    answered = await person.call("POST", RESERVE, content=content, headers={"content-type": kind})
    assert (answered.status_code, answered.json()["error"]) == (status, error)


async def test_unknown_paths_and_methods(person: Person) -> None:
    missing = await person.get("/api/1/teapots")
    assert (missing.status_code, missing.json()["response"]) == (404, None)
    wrong = await person.call("DELETE", LIVE)
    assert (wrong.status_code, wrong.json()["error"]) == (405, "invalid_method")
    logged = [entry["txid"] for entry in await person.sandbox.control.requests()][-2:]
    assert logged == [missing.headers["x-txid"], wrong.headers["x-txid"]]


async def test_a_body_beyond_every_bound_gets_tesla_s_kind_of_answer(person: Person) -> None:
    kind = {"content-type": "application/json"}
    answered = await person.call("POST", RESERVE, content=b" " * 3_000_000, headers=kind)
    assert (answered.status_code, answered.json()) == (413, {"error": "payload too large"})
    assert answered.headers["x-txid"]
    form = await person.http.post(person.url("/oauth2/v3/token"), content=b" " * 3_000_000)
    assert form.status_code in (400, 413)


async def test_every_request_is_logged_with_what_it_was(person: Person) -> None:
    await person.sandbox.control.delete("/requests")
    answered = await person.get(f"/api/1/vehicles/{PAIRED_VIN}/vehicle_data?endpoints=charge_state")
    (entry,) = await person.sandbox.control.requests()
    assert entry["path"] == f"/eu/api/1/vehicles/{PAIRED_VIN}/vehicle_data"
    assert entry["query"] == "endpoints=charge_state"
    assert (entry["method"], entry["status"], entry["price"]) == ("GET", 200, "data")
    assert (entry["device"], entry["client_id"]) == (PAIRED_VIN, CLIENT_ID)
    assert entry["txid"] == answered.headers["x-txid"]
    assert CLIENT_SECRET not in json.dumps(entry)


async def test_the_control_api_refuses_foreign_origins_and_bad_bodies(
    sandbox: Sandbox, browser: httpx.AsyncClient
) -> None:
    url = f"{sandbox.base_url}/sandbox/v1"
    foreign = await browser.get(f"{url}/clock", headers={"origin": "https://evil.example"})
    rebound = await browser.get(f"{url}/clock", headers={"host": "evil.example:80"})
    assert (foreign.status_code, rebound.status_code) == (403, 403)
    unknown = await browser.patch(f"{url}/clock", json={"spede": 2})
    assert unknown.status_code == 400
    assert "spede" in unknown.json()["error"]
    for body in ({"speed": 0}, {"step_seconds": -1}, {"speed": "fast"}):
        assert (await browser.patch(f"{url}/clock", json=body)).status_code == 400
    assert (await browser.post(f"{url}/faults", json={"name": "gremlin"})).status_code == 400
    assert (await browser.put(f"{url}/scenario", content=b"users: [{mail: x}]")).status_code == 400
    assert (await browser.patch(f"{url}/homes/1", json={})).status_code == 404
    assert (await browser.put(f"{url}/grants/{EMAIL}/nobody", json={"scopes": []})).status_code == 404


@pytest.mark.parametrize(
    ("name", "parameters", "problem"),
    [
        ("slow_answer", {"secnds": 5}, "slow_answer has no parameter 'secnds'; it has: seconds (a number from 0 to"),
        ("slow_answer", {"seconds": "abc"}, "slow_answer: seconds must be a number from 0 to"),
        ("slow_answer", {"seconds": -1}, "slow_answer: seconds must be a number from 0 to"),
        ("slow_answer", {"seconds": True}, "slow_answer: seconds must be a number from 0 to"),
        ("lost_answer", {"seconds": 5}, "lost_answer has no parameter 'seconds'; it has none"),
        ("vehicle_fault", {"fault": 99}, "vehicle_fault: fault must be one of 1 or BUSY, 2 or TIMEOUT,"),
        ("vehicle_fault", {"fault": 0}, "vehicle_fault: fault must be one of"),
        ("vehicle_fault", {"fault": "GREMLIN"}, "vehicle_fault: fault must be one of"),
        ("telemetry_gap", {"delivered": 1}, "telemetry_gap: delivered must be true or false"),
        ("telemetry_error", {"name": ""}, "telemetry_error: name must be a text of 1 to 200 characters"),
    ],
)
async def test_an_unfit_fault_is_refused_by_name(
    sandbox: Sandbox, browser: httpx.AsyncClient, name: str, parameters: dict[str, object], problem: str
) -> None:
    faults = f"{sandbox.base_url}/sandbox/v1/faults"
    refused = await browser.post(faults, json={"name": name, "parameters": parameters})
    assert refused.status_code == 400
    assert refused.json()["error"].startswith(problem)
    assert (await sandbox.control.get("/faults"))["armed"] == []


async def test_an_armed_fault_shows_all_its_parameters(sandbox: Sandbox) -> None:
    armed = await sandbox.control.post("/faults", {"name": "vehicle_fault", "parameters": {"fault": "unknown_key_id"}})
    assert armed["parameters"] == {"fault": 3}
    gap = await sandbox.control.post("/faults", {"name": "telemetry_gap", "parameters": {"delivered": True}})
    assert gap["parameters"] == {"seconds": 60.0, "delivered": True}
    known = await sandbox.control.get("/faults")
    assert set(known["parameters"]["telemetry_gap"]) == {"seconds", "delivered"}
