import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import ConnectivityStatus

from tests.vendors.tesla.account import ALL_SCOPES, MemoryAccount
from tests.vendors.tesla.conftest import tesla_settings
from tests.vendors.tesla.samples import battery, body, vehicle
from wattbus_server.problem import Execution, Problem
from wattbus_server.vendors.tesla.advice import LASTING
from wattbus_server.vendors.tesla.exchange import Answer, Call
from wattbus_server.vendors.tesla.refusal_rules import RULES
from wattbus_server.vendors.tesla.refusals import Refusals, nominal_failure, retry_delay
from wattbus_server.vendors.tesla.remedies import TeslaRemedies

REFUSALS = Refusals(TeslaRemedies(tesla_settings({"na": "https://fleet-api.example.com"})))
MINUTE = timedelta(seconds=60)


@dataclass(frozen=True)
class Expected:
    reason: str
    execution: Execution = Execution.REFUSED
    retry: timedelta | None = None
    lasts: bool = False


EXPECTED = {
    "proxy_invalid_command": Expected("NOT_EXPOSED_BY_VENDOR"),
    "token_expired": Expected("REAUTHORIZATION_REQUIRED", lasts=True),
    "invalid_bearer_token": Expected("REAUTHORIZATION_REQUIRED", lasts=True),
    "missing_scopes": Expected("SCOPE_MISSING", lasts=True),
    "missing_scopes_location": Expected("SCOPE_MISSING", lasts=True),
    "command_protocol_required": Expected("VENDOR_APPLICATION_NOT_CONFIGURED", lasts=True),
    "billing_limit_exceeded": Expected("VENDOR_BILLING_LIMIT_EXCEEDED", lasts=True),
    "vehicle_unavailable": Expected("VEHICLE_ASLEEP", retry=MINUTE),
    "vehicle_unavailable_legacy": Expected("VEHICLE_ASLEEP", retry=MINUTE),
    "timeout_short": Expected("DEVICE_OFFLINE", retry=MINUTE),
    "partner_not_registered": Expected("APPLICATION_NOT_REGISTERED_IN_REGION", lasts=True),
    "out_of_region": Expected("ACCOUNT_IN_OTHER_REGION", lasts=True),
    "rate_limited_text": Expected("VENDOR_RATE_LIMITED", retry=timedelta(seconds=37)),
    "energy_upstream_internal_error": Expected("VENDOR_UNAVAILABLE", Execution.UNKNOWN, timedelta(seconds=30)),
    "proxy_key_not_paired": Expected("VIRTUAL_KEY_NOT_PAIRED", lasts=True),
    "proxy_vehicle_asleep": Expected("VEHICLE_ASLEEP", retry=MINUTE),
    "proxy_timeout": Expected("COMMAND_PATH_UNAVAILABLE", Execution.UNKNOWN, MINUTE),
    "proxy_bad_vin": Expected("RESOURCE_NOT_FOUND"),
}
# The token endpoint's errors are explained in oauth.py, and these are no errors at all.
ELSEWHERE = {
    "auth_unauthorized_client",
    "auth_login_required",
    "command_nominal_failure_rest",
    "command_nominal_failure_proxy",
    "command_ok",
}
SAMPLES: dict[str, dict[str, Any]] = {entry["case"]: entry for entry in body("error_bodies")}


def answer(status: int, content: object = "", **headers: str) -> Answer:
    text = content if isinstance(content, str) else json.dumps(content)
    return Answer(status, text, {name.replace("_", "-"): value for name, value in headers.items()}, "na")


def sample(case: str) -> Answer:
    entry = SAMPLES[case]
    text = entry.get("body_text") or json.dumps(entry["body"])
    return Answer(entry["status"], text, {k.lower(): v for k, v in entry.get("headers", {}).items()}, "na")


COMMAND = Call("POST", "/api/1/vehicles/X/command/door_lock", changes_something=True, device=vehicle())
READ = Call("GET", "/api/1/vehicles/X/vehicle_data", device=vehicle())
SITE_WRITE = Call("POST", "/api/1/energy_sites/1/backup", changes_something=True, device=battery())


def explain(what: Answer, call: Call = COMMAND, scopes: frozenset[str] = ALL_SCOPES) -> Problem:
    return REFUSALS.problem(call, what, MemoryAccount(scopes=scopes))


def test_every_sample_is_expected_somewhere() -> None:
    assert SAMPLES.keys() == EXPECTED.keys() | ELSEWHERE


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_every_error_body_is_explained(case: str) -> None:
    expected, problem = EXPECTED[case], explain(sample(case))
    assert problem.reason_name == expected.reason
    assert problem.execution == expected.execution
    assert problem.retry_delay == expected.retry
    (blocker,) = problem.blockers
    assert blocker.reason == problem.reason
    assert blocker.message
    assert blocker.evidence
    assert all(remedy.actor and remedy.place and remedy.steps and remedy.verification for remedy in blocker.remedies)
    assert blocker.remedies
    assert (blocker.reason in LASTING) == expected.lasts
    assert problem.metadata["httpStatus"] == str(SAMPLES[case]["status"])
    assert problem.vendor_reason


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_a_refused_read_never_changed_anything(case: str) -> None:
    assert explain(sample(case), READ).execution == Execution.NOT_SENT


def test_a_missing_scope_names_required_granted_and_missing_ones() -> None:
    problem = explain(sample("missing_scopes"), scopes=frozenset({"openid", "vehicle_device_data"}))
    (blocker,) = problem.blockers
    assert blocker.reason == Reason.REASON_SCOPE_MISSING
    assert list(blocker.required_scopes) == ["vehicle_cmds"]
    assert list(blocker.granted_scopes) == ["openid", "vehicle_device_data"]
    assert list(blocker.missing_scopes) == ["vehicle_cmds"]
    assert problem.metadata["missingScopes"] == "vehicle_cmds"
    assert problem.metadata["requiredScopes"] == "vehicle_cmds"
    assert problem.metadata["grantedScopes"] == "openid vehicle_device_data"


def test_the_scope_that_tesla_names_is_the_missing_one() -> None:
    problem = explain(sample("missing_scopes_location"), READ, frozenset({"vehicle_device_data"}))
    assert list(problem.blockers[0].missing_scopes) == ["vehicle_location"]
    assert "vehicle_location" in problem.blockers[0].required_scopes
    assert problem.metadata["vendorRequest"] == "0123456789abcdef0123456789abcdef"
    assert "txid 0123456789abcdef0123456789abcdef" in problem.blockers[0].evidence


def test_no_scope_is_blamed_without_evidence() -> None:
    problem = explain(sample("missing_scopes"))
    assert list(problem.blockers[0].missing_scopes) == []
    assert "missingScopes" not in problem.metadata
    other = explain(answer(403, {"error": "Forbidden"}), scopes=frozenset())
    assert other.reason == Reason.REASON_VENDOR_ERROR_UNCLASSIFIED
    assert [blocker.reason for blocker in other.blockers] == [Reason.REASON_VENDOR_ERROR_UNCLASSIFIED]
    assert not other.blockers[0].missing_scopes


def test_the_narrowest_of_alternative_scopes_is_asked_for() -> None:
    call = Call("POST", "/api/1/vehicles/X/command/charge_start", changes_something=True, device=vehicle())
    problem = explain(sample("missing_scopes"), call, frozenset({"vehicle_device_data"}))
    assert list(problem.blockers[0].missing_scopes) == ["vehicle_charging_cmds"]


def test_a_missing_scope_blocks_only_the_named_actions() -> None:
    call = Call(
        "POST",
        "/api/1/vehicles/X/signed_command",
        changes_something=True,
        device=vehicle(),
        scopes=(("vehicle_cmds",),),
        blocked_actions=(ActionKind.ACTION_KIND_LOCK,),
    )
    problem = explain(sample("missing_scopes"), call, frozenset({"vehicle_device_data"}))
    assert list(problem.blockers[0].blocked_actions) == [ActionKind.ACTION_KIND_LOCK]
    assert list(problem.blockers[0].missing_scopes) == ["vehicle_cmds"]


def test_what_a_refusal_blocks_is_no_more_than_what_was_asked() -> None:
    call = replace(COMMAND, blocked_actions=(ActionKind.ACTION_KIND_LOCK,))
    for case in ("missing_scopes", "proxy_key_not_paired", "vehicle_unavailable", "command_protocol_required"):
        assert list(explain(sample(case), call).blockers[0].blocked_actions) == [ActionKind.ACTION_KIND_LOCK]
    for case in ("token_expired", "billing_limit_exceeded", "partner_not_registered"):
        assert not explain(sample(case), call).blockers[0].blocked_actions, "no call gets through"


@pytest.mark.parametrize("sent", [True, False])
def test_a_call_without_an_answer_names_device_and_connection_and_who_must_act(sent: bool) -> None:
    problem = REFUSALS.unanswered(COMMAND, MemoryAccount(), "the connection was cut", sent=sent)
    assert problem.reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert problem.metadata == {"device": vehicle().name, "connection": MemoryAccount().connection}
    assert problem.blockers[0].remedies[0].actor == Actor.ACTOR_VENDOR
    assert problem.execution == (Execution.UNKNOWN if sent else Execution.NOT_SENT)


def test_an_unreadable_success_names_the_call_for_teslas_support() -> None:
    problem = REFUSALS.unreadable(READ, answer(200, "<html>", x_txid="abc"), MemoryAccount(), "not JSON")
    assert problem.metadata["device"] == vehicle().name
    assert (problem.metadata["httpStatus"], problem.metadata["vendorRequest"]) == ("200", "abc")
    assert problem.vendor_reason == "<html>"
    cut = REFUSALS.unreadable(READ, answer(200, '{"latitude": 1'), MemoryAccount(), "not JSON")
    assert cut.vendor_reason == "", "a piece of data is nobody's words"


@pytest.mark.parametrize(
    "reason", [Reason.REASON_VENDOR_UNAVAILABLE, Reason.REASON_VENDOR_RATE_LIMITED, Reason.REASON_ACCOUNT_LOCKED]
)
def test_a_token_that_cannot_be_had_says_whose_and_who_must_act(reason: Reason.ValueType) -> None:
    met = Problem(reason, "No token.", retry_delay=MINUTE, metadata={"more": "facts"}, vendor_reason="words")
    problem = REFUSALS.of_account(met, MemoryAccount())
    assert problem.metadata == {"connection": MemoryAccount().connection, "more": "facts"}
    assert (problem.retry_delay, problem.vendor_reason) == (MINUTE, "words")
    assert problem.blockers[0].remedies
    assert REFUSALS.of_account(problem, MemoryAccount()) is problem


@pytest.mark.parametrize(
    ("status", "content", "call", "reason", "execution"),
    [
        (401, {"error": "mobile_access_disabled"}, COMMAND, "REMOTE_ACCESS_DISABLED", Execution.REFUSED),
        (402, "", COMMAND, "VENDOR_BILLING_LIMIT_EXCEEDED", Execution.REFUSED),
        (403, {"error": "unsupported vehicle"}, COMMAND, "NOT_SUPPORTED_BY_DEVICE", Execution.REFUSED),
        (404, {"error": "not_found"}, COMMAND, "RESOURCE_NOT_FOUND", Execution.REFUSED),
        (404, {"error": "not_found"}, SITE_WRITE, "DEVICE_OFFLINE", Execution.REFUSED),
        (404, "", Call("GET", "/api/1/products"), "VENDOR_ERROR_UNCLASSIFIED", Execution.NOT_SENT),
        (405, {"error": "invalid_method"}, COMMAND, "VENDOR_ERROR_UNCLASSIFIED", Execution.REFUSED),
        (405, {"error": "vehicle is currently in service"}, COMMAND, "VEHICLE_IN_SERVICE", Execution.REFUSED),
        (405, {"error": "in_service"}, COMMAND, "VEHICLE_IN_SERVICE", Execution.REFUSED),
        (405, {"error": "in_service"}, SITE_WRITE, "VENDOR_ERROR_UNCLASSIFIED", Execution.REFUSED),
        (405, "", COMMAND, "VENDOR_ERROR_UNCLASSIFIED", Execution.REFUSED),
        (405, {"error": "not while driving"}, COMMAND, "VENDOR_ERROR_UNCLASSIFIED", Execution.REFUSED),
        (406, {"error": "not_a_JSON_request"}, COMMAND, "VENDOR_ERROR_UNCLASSIFIED", Execution.REFUSED),
        (412, {"error": "unsupported"}, COMMAND, "NOT_SUPPORTED_BY_DEVICE", Execution.REFUSED),
        (422, {"error": "invalid_resource"}, COMMAND, "NOT_SUPPORTED_BY_DEVICE", Execution.REFUSED),
        (422, {"error": "invalid_resource"}, SITE_WRITE, "VENDOR_ERROR_UNCLASSIFIED", Execution.REFUSED),
        (423, "", COMMAND, "ACCOUNT_LOCKED", Execution.REFUSED),
        (424, "", COMMAND, "VENDOR_UNAVAILABLE", Execution.UNKNOWN),
        (429, "", COMMAND, "VENDOR_RATE_LIMITED", Execution.REFUSED),
        (451, "", COMMAND, "VENDOR_ERROR_UNCLASSIFIED", Execution.REFUSED),
        (499, "", COMMAND, "VENDOR_UNAVAILABLE", Execution.UNKNOWN),
        (500, "<html>oops</html>", COMMAND, "VENDOR_UNAVAILABLE", Execution.UNKNOWN),
        (500, {"error": "upstream internal error"}, SITE_WRITE, "DEVICE_OFFLINE", Execution.UNKNOWN),
        (502, "", COMMAND, "VENDOR_UNAVAILABLE", Execution.UNKNOWN),
        (503, "<html>oops</html>", COMMAND, "VENDOR_UNAVAILABLE", Execution.REFUSED),
        (504, "", SITE_WRITE, "VENDOR_UNAVAILABLE", Execution.UNKNOWN),
        (540, "", COMMAND, "VEHICLE_REFUSED", Execution.UNKNOWN),
        (302, "", COMMAND, "VENDOR_UNAVAILABLE", Execution.REFUSED),
        (418, {"error": "teapot"}, COMMAND, "VENDOR_ERROR_UNCLASSIFIED", Execution.REFUSED),
    ],
)
def test_every_status_of_the_conventions_is_explained(
    status: int, content: object, call: Call, reason: str, execution: Execution
) -> None:
    problem = explain(answer(status, content), call)
    assert (problem.reason_name, problem.execution) == (reason, execution)


def test_an_unclassified_refusal_keeps_tesla_s_words_within_bounds() -> None:
    problem = explain(answer(409, "strange " * 200))
    assert problem.reason == Reason.REASON_VENDOR_ERROR_UNCLASSIFIED
    assert problem.vendor_reason.startswith("strange strange")
    assert len(problem.vendor_reason) <= 500
    assert problem.metadata["vendorReason"] == problem.vendor_reason


def test_an_unregistered_application_is_told_with_its_region() -> None:
    problem = explain(sample("partner_not_registered"))
    assert problem.metadata["region"] == "na"


def test_the_billing_limit_blocks_every_connection() -> None:
    assert explain(sample("billing_limit_exceeded")).blockers[0].connection == ""


def test_an_unreachable_vehicle_is_news_of_its_connectivity() -> None:
    (seen,) = explain(sample("vehicle_unavailable")).observed
    assert seen.device == vehicle().name
    assert seen.connectivity.status == ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP
    assert explain(sample("missing_scopes")).observed == ()


@pytest.mark.parametrize(
    ("what", "seconds"),
    [
        (answer(429, "", retry_after="12"), 12),
        (answer(429, "", ratelimit_reset="9"), 9),
        (answer(429, "Retry in 44 seconds\n"), 44),
        (answer(429, "", retry_after="0"), 1),
        (answer(429, "", retry_after="999999999"), 86_400),
        (answer(429, "", retry_after="Wed, 01 Jan 2020 00:00:00 GMT"), 1),
    ],
)
def test_the_time_to_wait_is_read_from_the_answer(what: Answer, seconds: int) -> None:
    assert retry_delay(what) == timedelta(seconds=seconds)


@pytest.mark.parametrize("stated", ["soon", "-5", "1e9", "²", ""])
def test_an_unreadable_time_to_wait_falls_back_to_the_rate_window(stated: str) -> None:
    problem = explain(answer(429, "", retry_after=stated))
    assert problem.retry_delay == MINUTE


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("command_nominal_failure_rest", "not_charging"),
        ("command_nominal_failure_proxy", "is_charging"),
        ("command_ok", None),
    ],
)
def test_a_refusal_inside_of_a_success_is_found(case: str, reason: str | None) -> None:
    assert nominal_failure(SAMPLES[case]["body"]["response"]) == reason


def test_every_rule_can_be_reached() -> None:
    for index, rule in enumerate(RULES):
        for earlier in RULES[:index]:
            hidden = (
                set(rule.statuses) <= set(earlier.statuses)
                and earlier.words in rule.words
                and rule.about in earlier.about
            )
            assert not hidden, f"{rule} never applies after {earlier}"


@given(st.integers(100, 999), st.text(max_size=200), st.sampled_from([COMMAND, READ, SITE_WRITE]))
def test_any_answer_is_explained(status: int, text: str, call: Call) -> None:
    problem = REFUSALS.problem(call, Answer(status, text, {"retry-after": text}, "na"), MemoryAccount())
    assert problem.reason
    assert len(problem.vendor_reason) <= 500
