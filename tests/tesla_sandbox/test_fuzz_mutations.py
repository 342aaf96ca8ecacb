"""Requests that are nearly right: documented calls with fields changed, well-signed messages with any content."""

import base64
import json
from collections.abc import Mapping

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tesla_protocol.command.car_server_pb2 import VehicleAction
from tesla_protocol.command.universal_message_pb2 import Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import UnsignedMessage

from tests.processes import PATIENCE_SECONDS
from tests.tesla_sandbox.conftest import FREE_SITE, OLD_VIN, PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.contract import CHARGING_COMMANDS, ENDPOINTS, OTHER_COMMANDS, PARTNER, Documented
from tests.tesla_sandbox.person import Person
from tests.tesla_sandbox.signed_requests import INFOTAINMENT, VCSEC, SignedClient, action
from tests.tesla_sandbox.test_fuzz import check, odd_values, words

COMMANDS = [
    Documented("POST", f"/api/1/vehicles/{OLD_VIN}/command/{name}", body=body)
    for name, body in {**CHARGING_COMMANDS, **OTHER_COMMANDS}.items()
]
BODIES = [entry for entry in (*ENDPOINTS, *COMMANDS) if entry.body]
QUERIES = [entry for entry in ENDPOINTS if entry.query]

extremes: st.SearchStrategy[object] = st.sampled_from(
    [0, -1, 1, 101, 2**31, 2**63, 1e308, -1e308, True, False, None, "", "\x00", [], {}]
)
changes = st.dictionaries(st.integers(0, 7), extremes | odd_values, min_size=1, max_size=3)
MANY = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))


def changed(documented: Mapping[str, object], change: Mapping[int, object]) -> dict[str, object]:
    """Some fields, counted off, have another value; a list in its place takes the field away."""
    result = dict(documented)
    for number, value in change.items():
        name = list(documented)[number % len(documented)]
        inner = documented[name]
        if isinstance(inner, Mapping) and inner and number > 3:
            result[name] = changed(inner, {number // 2: value})
        elif value == []:
            result.pop(name, None)
        else:
            result[name] = value
    return result


class Callers:
    """The tokens of everybody whom the endpoints need, and one HTTP client."""

    def __init__(self, person: Person, tokens: Mapping[str, str]) -> None:
        self._person = person
        self._tokens = tokens
        self._http = httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False)

    def send(self, entry: Documented, query: Mapping[str, object], body: object = None) -> httpx.Response:
        owner = PARTNER if entry.token == PARTNER else "na" if OLD_VIN in entry.path else "eu"
        headers = {"authorization": f"Bearer {self._tokens[owner]}", "content-type": "application/json"}
        url = self._person.sandbox.fleet_api("na" if owner == "na" else "eu") + entry.path
        texts = {name: str(value) for name, value in query.items()}
        return self._http.request(entry.method, url, params=texts, headers=headers, content=json.dumps(body))

    def press(self, path: str, values: Mapping[str, str]) -> httpx.Response:
        return self._http.post(self._person.url(path), data=dict(values))

    def load(self, content: str) -> httpx.Response:
        return self._http.put(self._person.url("/sandbox/v1/scenario"), content=content.encode())


@pytest.fixture
async def callers(person: Person) -> Callers:
    partner = await person.partner_token()
    eu = person.tokens["access_token"]
    person.region = "na"
    na = (await person.link(email="alex@example.com"))["access_token"]
    return Callers(person, {PARTNER: partner, "eu": eu, "na": na})


@MANY
@given(entry=st.sampled_from(BODIES), change=changes)
def test_bodies_with_changed_fields(callers: Callers, entry: Documented, change: Mapping[int, object]) -> None:
    assert entry.body is not None
    answered = callers.send(entry, entry.query, changed(entry.body, change))
    check(answered)
    assert answered.json()


@MANY
@given(entry=st.sampled_from(QUERIES), change=changes)
def test_queries_with_changed_values(callers: Callers, entry: Documented, change: Mapping[int, object]) -> None:
    answered = callers.send(entry, changed(entry.query, change), entry.body)
    check(answered)
    assert answered.json()


@settings(MANY, max_examples=300)
@given(
    vin=st.sampled_from([PAIRED_VIN, UNPAIRED_VIN]),
    domain=st.sampled_from([VCSEC, INFOTAINMENT, Domain.DOMAIN_BROADCAST, Domain.ValueType(9)]),
    content=st.binary(max_size=80),
    stage=st.sampled_from(["message", "handshake", "body", "base64"]),
)
def test_signed_commands_that_nobody_signed(
    callers: Callers, vin: str, domain: Domain, content: bytes, stage: str
) -> None:
    message = RoutableMessage()
    message.to_destination.domain = domain
    if stage == "handshake":
        message.session_info_request.public_key = content
    else:
        message.protobuf_message_as_bytes = content
        message.signature_data.signer_identity.public_key = content
        message.signature_data.HMAC_Personalized_data.epoch = content[:16]
    raw = content if stage == "body" else message.SerializeToString()
    text = content.decode("latin-1") if stage == "base64" else base64.b64encode(raw).decode()
    entry = Documented("POST", f"/api/1/vehicles/{vin}/signed_command")
    check(callers.send(entry, {}, {"routable_message": text}))


VEHICLE_ACTIONS = [field.name for field in VehicleAction.DESCRIPTOR.oneofs_by_name["vehicle_action_msg"].fields]
SECURITY_MESSAGES = [field.name for field in UnsignedMessage.DESCRIPTOR.oneofs_by_name["sub_message"].fields]


@settings(MANY, max_examples=300)
@given(kind=st.sampled_from([*VEHICLE_ACTIONS, *SECURITY_MESSAGES]), inside=st.binary(max_size=12))
def test_well_signed_messages_with_any_content(
    callers: Callers, application_key: ec.EllipticCurvePrivateKey, kind: str, inside: bytes
) -> None:
    container = VehicleAction if kind in VEHICLE_ACTIONS else UnsignedMessage
    number = container.DESCRIPTOR.fields_by_name[kind].number
    raw = _field(number, inside)
    payload = _field(2, raw) if container is VehicleAction else raw
    client = SignedClient(application_key, PAIRED_VIN, INFOTAINMENT if container is VehicleAction else VCSEC)
    handshake = client.handshake()
    client.learn(handshake, _exchange(callers, handshake))
    answer = _exchange(callers, client.sign(payload))
    assert answer.HasField("signedMessageStatus") or answer.HasField("protobuf_message_as_bytes")


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a message, by hand: the content need not be a message."""
    key, prefix = number << 3 | 2, b""
    while key > 127:
        prefix, key = prefix + bytes((key & 127 | 128,)), key >> 7
    return prefix + bytes((key, len(content))) + content


def _exchange(callers: Callers, message: RoutableMessage) -> RoutableMessage:
    body = {"routable_message": base64.b64encode(message.SerializeToString()).decode()}
    answered = callers.send(Documented("POST", f"/api/1/vehicles/{PAIRED_VIN}/signed_command"), {}, body)
    check(answered)
    assert answered.status_code == 200, answered.text
    return RoutableMessage.FromString(base64.b64decode(answered.json()["response"]))


FORMS: Mapping[str, Mapping[str, str]] = {
    "/sandbox/clock": {"change": '{"step_seconds": 1}'},
    "/sandbox/car": {"vin": UNPAIRED_VIN, "change": '{"battery_level": 50}'},
    "/sandbox/home": {"site_id": str(FREE_SITE), "change": '{"state_of_charge": 50}'},
    "/sandbox/grant": {"email": "nobody@example.com", "client_id": "x", "granted": "openid", "decision": "save"},
    "/sandbox/fault": {"name": "stale_live_status", "target": "nothing", "count": "1"},
    "/sandbox/faults/clear": {"name": "stale_live_status"},
}


@settings(MANY, max_examples=200)
@given(path=st.sampled_from(sorted(FORMS)), change=changes, as_json=st.booleans())
def test_forms_of_the_live_page(callers: Callers, path: str, change: Mapping[int, object], as_json: bool) -> None:
    values = changed(FORMS[path], change)
    check(callers.press(path, {name: json.dumps(value) if as_json else str(value) for name, value in values.items()}))


@settings(MANY, max_examples=100)
@given(
    part=st.sampled_from(["clock", "applications", "users", "fleets", "grants", "script", "faults"]), value=odd_values
)
def test_unfit_scenarios(callers: Callers, part: str, value: object) -> None:
    check(callers.load(json.dumps({part: value})))


@settings(MANY, max_examples=100)
@given(text=words)
def test_scenarios_that_are_no_yaml(callers: Callers, text: str) -> None:
    check(callers.load("[" + text))


def test_the_mutations_reach_every_documented_body() -> None:
    assert len(BODIES) > 40
    assert changed({"a": 1, "b": {"c": 2}}, {0: [], 5: 9}) == {"b": {"c": 9}}
    assert action(VehicleAction(ping={})) == _field(
        2, _field(VehicleAction.DESCRIPTOR.fields_by_name["ping"].number, b"")
    )
