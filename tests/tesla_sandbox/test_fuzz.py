"""Whatever a client sends, it gets Tesla's kind of answer: no 500, no traceback, and the sandbox keeps serving."""

import json
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tesla_sandbox.app import FLEET_API_TABLES
from tests.processes import PATIENCE_SECONDS
from tests.tesla_sandbox.conftest import FREE_SITE, OLD_VIN, PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.person import Person, authorization_parameters

ENDPOINTS = [(endpoint.method, endpoint.path) for table in FLEET_API_TABLES for endpoint in table]
FIELDS = [
    "backup_reserve_percent",
    "default_real_mode",
    "enabled",
    "customer_preferred_export_rule",
    "tou_settings",
    "vins",
    "token",
    "config",
    "routable_message",
    "percent",
    "charging_amps",
    "on",
    "domain",
    "driver_temp",
    "passenger_temp",
    "password",
    "time",
    "days_of_week",
    "lat",
    "lon",
]

words = st.text(max_size=12)
odd_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
bodies = st.dictionaries(st.sampled_from(FIELDS) | words, odd_values, max_size=6)
segments = st.sampled_from([PAIRED_VIN, UNPAIRED_VIN, OLD_VIN, str(FREE_SITE), "door_lock", "set_temps", "1"]) | words
queries = st.dictionaries(
    st.sampled_from(["endpoints", "page", "page_size", "kind", "start_date", "end_date", "period", "domain"]),
    st.sampled_from(["energy", "charge_state", "2026-06-21T00:00:00Z", "day", "0", "-1", "9" * 30]) | words,
    max_size=4,
)
MANY = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
FEW = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def http() -> httpx.Client:
    return httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False)


def filled(path: str, values: list[str]) -> str:
    for value in values:
        before, opened, rest = path.partition("{")
        if not opened:
            break
        path = before + (quote(value, safe="") or "x") + rest.partition("}")[2]
    return path


@MANY
@given(
    endpoint=st.sampled_from(ENDPOINTS),
    values=st.lists(segments, min_size=2, max_size=2),
    query=queries,
    body=bodies | odd_values,
)
def test_fleet_api(
    person: Person,
    http: httpx.Client,
    endpoint: tuple[str, str],
    values: list[str],
    query: dict[str, str],
    body: object,
) -> None:
    method, template = endpoint
    answered = http.request(
        method,
        person.sandbox.fleet_api("eu") + filled(template, values),
        params=query,
        content=json.dumps(body),
        headers={
            "authorization": f"Bearer {person.tokens['access_token']}",
            "content-type": "application/json",
        },
    )
    check(answered)
    if answered.content and answered.status_code != 429:
        answered.json()


@FEW
@given(content=st.binary(max_size=200), path=st.sampled_from(["signed_command", "wake_up", "command/door_lock"]))
def test_raw_bodies(person: Person, http: httpx.Client, content: bytes, path: str) -> None:
    answered = http.post(
        f"{person.sandbox.fleet_api('eu')}/api/1/vehicles/{PAIRED_VIN}/{path}",
        content=content,
        headers={
            "authorization": f"Bearer {person.tokens['access_token']}",
            "content-type": "application/json",
        },
    )
    check(answered)


@FEW
@given(
    path=st.sampled_from(
        ["/oauth2/v3/authorize", "/oauth2/v3/token", "/user/revoke/consent", "/_ak/app.example.com", "/_ak/x"]
    ),
    values=st.dictionaries(
        st.sampled_from([*authorization_parameters(), "grant_type", "code", "email", "decision", "vin", "granted"])
        | words,
        st.sampled_from([*authorization_parameters().values(), "authorization_code", "allow", "pair", "sign_in"])
        | words,
    ),
)
def test_account_pages(person: Person, http: httpx.Client, path: str, values: dict[str, str]) -> None:
    check(http.get(person.sandbox.base_url + path, params=values))
    check(http.post(person.sandbox.base_url + path, data=values))


@FEW
@given(
    method=st.sampled_from(["GET", "PATCH", "PUT", "POST", "DELETE"]),
    path=st.sampled_from(
        [
            "/clock",
            f"/cars/{UNPAIRED_VIN}",
            f"/homes/{FREE_SITE}",
            "/faults",
            "/rate_limits",
            "/grants/robin@example.com/test-app",
        ]
    ),
    body=st.dictionaries(
        st.sampled_from(["state", "battery_level", "tariff", "storm", "name", "count", "scopes", "outage", "key"])
        | words,
        odd_values,
        max_size=4,
    ),
)
def test_control_api(person: Person, http: httpx.Client, method: str, path: str, body: object) -> None:
    check(http.request(method, f"{person.sandbox.base_url}/sandbox/v1{path}", json=body))


def check(answered: httpx.Response) -> None:
    assert answered.status_code < 500 or answered.status_code == 540, (answered.request.url, answered.text)
    assert "Traceback" not in answered.text
