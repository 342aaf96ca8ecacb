"""Problems as statuses: complete, and never too large for an HTTP/2 header."""

from datetime import timedelta

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.blocker_pb2 import Actor, Blocker, Blockers, Remedy
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import FieldViolation, Problem, field_invalid, not_found
from wattbus_server.rpc.status import (
    MAXIMUM_DETAILS_BYTES,
    PUSHBACK_TRAILER,
    code_of,
    spread,
    status_of,
    trailers_of,
)


def details_of(status: status_pb2.Status) -> dict[str, Message]:
    found: dict[str, Message] = {}
    for packed in status.details:
        for kind in (
            error_details_pb2.ErrorInfo,
            error_details_pb2.PreconditionFailure,
            error_details_pb2.BadRequest,
            error_details_pb2.QuotaFailure,
            error_details_pb2.RetryInfo,
            error_details_pb2.Help,
            error_details_pb2.LocalizedMessage,
            error_details_pb2.RequestInfo,
            error_details_pb2.ResourceInfo,
            Blockers,
        ):
            message = kind()
            if packed.Unpack(message):
                assert kind.DESCRIPTOR.full_name not in found, "each detail type at most once"
                found[kind.DESCRIPTOR.full_name] = message
    assert len(found) == len(status.details)
    return found


def unpaired(device: str = "devices/abc") -> Blocker:
    blocker = Blocker(
        name="blockers/one",
        reason=Reason.REASON_VIRTUAL_KEY_NOT_PAIRED,
        device=device,
        message="The virtual key of wattbus.example.com is not on the vehicle.",
        end_user_message="Please add the app's key to your car.",
    )
    blocker.remedies.add(
        actor=Actor.ACTOR_END_USER,
        place="Tesla app on the owner's phone",
        steps=["Open the link.", "Confirm."],
        link="https://tesla.com/_ak/wattbus.example.com?vin=LRW3E7EK5PC000101",
    )
    return blocker


def test_a_blocked_command_says_what_blocks_who_acts_and_where() -> None:
    problem = Problem(
        Reason.REASON_VIRTUAL_KEY_NOT_PAIRED,
        "The virtual key is not paired.",
        blockers=[unpaired()],
        metadata={"device": "devices/abc"},
    )
    status = status_of(problem, "request-1")
    details = details_of(status)
    info = details["google.rpc.ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("VIRTUAL_KEY_NOT_PAIRED", "wattbus")
    assert info.metadata["device"] == "devices/abc"
    blockers = details["wattbus.v1.Blockers"]
    assert isinstance(blockers, Blockers)
    assert blockers.blockers[0].remedies[0].actor == Actor.ACTOR_END_USER
    links = details["google.rpc.Help"]
    assert isinstance(links, error_details_pb2.Help)
    assert links.links[0].url.startswith("https://tesla.com/_ak/")
    text = details["google.rpc.LocalizedMessage"]
    assert isinstance(text, error_details_pb2.LocalizedMessage)
    assert text.message == "Please add the app's key to your car."
    request = details["google.rpc.RequestInfo"]
    assert isinstance(request, error_details_pb2.RequestInfo)
    assert request.request_id == "request-1"
    assert "google.rpc.PreconditionFailure" in details


def test_wrong_fields_are_listed() -> None:
    status = status_of(field_invalid(FieldViolation("page_size", "must not be negative")), "r")
    bad_request = details_of(status)["google.rpc.BadRequest"]
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    assert bad_request.field_violations[0].field == "page_size"
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_a_missing_resource_is_named() -> None:
    info = details_of(status_of(not_found("device", "devices/x"), "r"))["google.rpc.ResourceInfo"]
    assert isinstance(info, error_details_pb2.ResourceInfo)
    assert (info.resource_type, info.resource_name) == ("device", "devices/x")


def test_a_rate_limit_says_when_to_try_again_and_what_ran_out() -> None:
    problem = Problem(
        Reason.REASON_VENDOR_RATE_LIMITED,
        "Too many calls.",
        retry_delay=timedelta(seconds=37),
        metadata={"device": "devices/abc"},
    )
    details = details_of(status_of(problem, "r"))
    retry = details["google.rpc.RetryInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert 37 <= retry.retry_delay.ToTimedelta().total_seconds() <= 37 * 1.2
    quota = details["google.rpc.QuotaFailure"]
    assert isinstance(quota, error_details_pb2.QuotaFailure)
    assert quota.violations[0].subject == "devices/abc"


def test_client_libraries_are_told_not_to_hammer_while_the_wait_is_long() -> None:
    short = status_of(Problem(Reason.REASON_SERVER_DRAINING, "m", retry_delay=timedelta(seconds=1)), "r")
    long = status_of(Problem(Reason.REASON_DEVICE_OFFLINE, "m", retry_delay=timedelta(minutes=5)), "r")
    assert 1000 <= int(dict(trailers_of(short))[PUSHBACK_TRAILER]) <= 2000
    assert dict(trailers_of(long))[PUSHBACK_TRAILER] == "-1"


def test_the_library_is_told_the_same_wait_as_the_caller() -> None:
    status = status_of(Problem(Reason.REASON_SERVER_DRAINING, "m"), "r")
    retry = details_of(status)["google.rpc.RetryInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    told = int(dict(trailers_of(status))[PUSHBACK_TRAILER])
    assert told == int(retry.retry_delay.ToTimedelta() / timedelta(milliseconds=1))


def test_callers_who_were_refused_together_do_not_come_back_together() -> None:
    draining = Problem(Reason.REASON_SERVER_DRAINING, "m")
    waits = {dict(trailers_of(status_of(draining, "r")))[PUSHBACK_TRAILER] for _ in range(50)}
    assert len(waits) > 1


@given(st.timedeltas(timedelta(0), timedelta(days=1)))
def test_a_wait_is_spread_upwards_only_so_that_the_vendors_own_is_never_undercut(asked: timedelta) -> None:
    told = spread(asked)
    assert asked <= told <= asked + max(asked * 0.2, timedelta(seconds=1))


def test_blockers_that_do_not_fit_are_counted() -> None:
    many = [unpaired(f"devices/{index}") for index in range(50)]
    status = status_of(Problem(Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, "m", blockers=many), "r")
    blockers = details_of(status)["wattbus.v1.Blockers"]
    assert isinstance(blockers, Blockers)
    assert 0 < len(blockers.blockers) < 50
    assert len(blockers.blockers) + blockers.omitted_count == 50


def test_of_blockers_that_do_not_fit_whole_each_keeps_its_best_way_out() -> None:
    few = [unpaired(f"devices/{index}") for index in range(5)]
    for blocker in few:
        blocker.evidence = "words " * 60
        blocker.remedies.add(actor=Actor.ACTOR_OPERATOR, place="elsewhere", steps=["Do it differently. " * 8])
    status = status_of(Problem(Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, "m", blockers=few), "r")
    told = details_of(status)["wattbus.v1.Blockers"]
    assert isinstance(told, Blockers)
    assert (len(told.blockers), told.omitted_count) == (5, 0)
    assert [len(blocker.remedies) for blocker in told.blockers] == sorted(
        [len(blocker.remedies) for blocker in told.blockers], reverse=True
    )
    assert len(told.blockers[-1].remedies) == 1
    for blocker in told.blockers:
        best = blocker.remedies[0]
        assert (best.actor, best.place, list(best.steps)) == (
            Actor.ACTOR_END_USER,
            "Tesla app on the owner's phone",
            ["Open the link.", "Confirm."],
        )


@pytest.mark.parametrize("reason", Reason.values()[1:], ids=Reason.Name)
def test_who_must_act_is_stated_for_every_reason(reason: Reason.ValueType) -> None:
    problem = Problem(reason, "It is so.", metadata={"device": "devices/abc"})
    told = details_of(status_of(problem, "r"))["wattbus.v1.Blockers"]
    assert isinstance(told, Blockers)
    (blocker,) = told.blockers
    assert (blocker.reason, blocker.device, blocker.name) == (reason, "devices/abc", "")
    (remedy,) = blocker.remedies
    assert remedy.actor
    assert remedy.place
    assert list(remedy.steps)
    assert remedy.verification


@pytest.mark.parametrize(
    ("blocker", "subject"),
    [
        (Blocker(device="devices/abc", connection="connections/def"), "devices/abc"),
        (Blocker(connection="connections/def"), "connections/def"),
        (Blocker(metadata={"setting": "tesla.client_id"}), "setting tesla.client_id"),
        (Blocker(), "vendor application"),
    ],
)
def test_a_failed_precondition_names_what_must_change(blocker: Blocker, subject: str) -> None:
    reason = blocker.reason = Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED
    failure = details_of(status_of(Problem(reason, "m", blockers=[blocker]), "r"))["google.rpc.PreconditionFailure"]
    assert isinstance(failure, error_details_pb2.PreconditionFailure)
    assert [violation.subject for violation in failure.violations] == [subject]


texts = st.text(max_size=2000)
blockers_of_any_size = st.builds(
    lambda reason, message, links, evidence: Blocker(
        reason=reason,
        message=message,
        evidence=evidence,
        remedies=[Remedy(place=message, link=link, steps=[message]) for link in links],
    ),
    st.sampled_from(Reason.values()),
    texts,
    st.lists(texts, max_size=5),
    texts,
)


@given(
    reason=st.sampled_from(Reason.values()[1:]),
    message=texts,
    metadata=st.dictionaries(st.sampled_from(["device", "vendorReason", "missingScopes", "command", "limit"]), texts),
    blockers=st.lists(blockers_of_any_size, max_size=8),
    violations=st.lists(st.builds(FieldViolation, texts, texts), max_size=40),
)
def test_no_problem_grows_beyond_the_limit(
    reason: Reason.ValueType,
    message: str,
    metadata: dict[str, str],
    blockers: list[Blocker],
    violations: list[FieldViolation],
) -> None:
    problem = Problem(reason, message, blockers, metadata, violations, vendor_reason=message[:500])
    status = status_of(problem, "r" * 64)
    assert len(status.message.encode()) <= 512
    assert status.ByteSize() <= MAXIMUM_DETAILS_BYTES + 1024
    assert sum(detail.ByteSize() for detail in status.details) <= MAXIMUM_DETAILS_BYTES
    details_of(status)
    assert code_of(problem) is not grpc.StatusCode.OK
