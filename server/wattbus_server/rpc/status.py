"""Problems as `google.rpc.Status`: the only place where an error becomes a gRPC status.

Everything in a status travels in one HTTP/2 header. Above 8 KiB clients replace the error at random, so the details are
kept below 4 KiB: first the facts that programs branch on, then as many blockers as fit.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from wattbus.v1.blocker_pb2 import Blocker, Blockers
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.completion import explained
from wattbus_server.problem import Problem

ERROR_DOMAIN = "wattbus"
DETAILS_TRAILER = "grpc-status-details-bin"
PUSHBACK_TRAILER = "grpc-retry-pushback-ms"

MAXIMUM_DETAILS_BYTES = 4096
MAXIMUM_MESSAGE_BYTES = 400
MAXIMUM_VIOLATIONS = 20
MAXIMUM_TEXT_BYTES = 200
MAXIMUM_METADATA_BYTES = 300
MAXIMUM_LINKS = 4
_CUT_MARK = "…"

# Callers who were refused at the same moment would come back at the same moment. The vendor's own wait is never cut.
SPREAD = 0.2
SMALLEST_SPREAD = timedelta(seconds=1)
# Client libraries retry UNAVAILABLE within milliseconds. Waits beyond 5 s and their spread tell them not to.
LONGEST_PUSHBACK = timedelta(seconds=6)


def status_of(problem: Problem, request_id: str) -> status_pb2.Status:
    """Render a problem. The result's details stay below `MAXIMUM_DETAILS_BYTES`."""
    entry = catalogue.entry(problem.reason)
    problem = explained(problem)
    status = status_pb2.Status(code=entry.code.value[0], message=_cut(problem.message, MAXIMUM_MESSAGE_BYTES))
    for detail in _facts(problem, request_id):
        _append(status, detail)
    for detail in _conveniences(problem):
        if status.ByteSize() + detail.ByteSize() + 100 <= MAXIMUM_DETAILS_BYTES // 2:
            _append(status, detail)
    room = MAXIMUM_DETAILS_BYTES - status.ByteSize() - 100
    _append(status, fit_blockers(problem.blockers, room))
    return status


def trailers_of(status: status_pb2.Status) -> tuple[tuple[str, str | bytes], ...]:
    """Return the trailing metadata that carries the status, and the same retry advice for client libraries."""
    details: tuple[str, str | bytes] = (DETAILS_TRAILER, status.SerializeToString())
    delay = _told_delay(status)
    if status.code != grpc.StatusCode.UNAVAILABLE.value[0] or delay is None:
        return (details,)
    pushback = int(delay / timedelta(milliseconds=1)) if delay <= LONGEST_PUSHBACK else -1
    return (details, (PUSHBACK_TRAILER, str(pushback)))


def code_of(problem: Problem) -> grpc.StatusCode:
    """Return the gRPC code of a problem's reason."""
    return catalogue.entry(problem.reason).code


def retry_delay_of(problem: Problem) -> timedelta | None:
    """Return when trying again makes sense: what the problem says, else what is usual for its reason."""
    entry = catalogue.entry(problem.reason)
    if not entry.retriable:
        return None
    return problem.retry_delay if problem.retry_delay is not None else entry.retry_delay


def spread(delay: timedelta) -> timedelta:
    """Return a delay with jitter: never less, at most a fifth or a second more."""
    return delay + random.uniform(0, 1) * max(delay * SPREAD, SMALLEST_SPREAD)  # noqa: S311 - spreads load, guards nothing


def fit_blockers(blockers: Sequence[Blocker], room: int) -> Blockers:
    """Return as many blockers as fit into `room` bytes, the first ones whole as long as they can be.

    What does not fit is told with its best remedy only, then in short form, then only counted, from the last one up.
    """
    fitted = Blockers(blockers=blockers)
    for form in (_with_best_remedy, _short_form):
        for position in reversed(range(len(blockers))):
            if _fits(fitted, room):
                return fitted
            fitted.blockers[position].CopyFrom(form(blockers[position]))
    while fitted.blockers and not _fits(fitted, room):
        del fitted.blockers[-1]
        fitted.omitted_count += 1
    return fitted


def _fits(fitted: Blockers, room: int) -> bool:
    return fitted.ByteSize() <= room


def _with_best_remedy(blocker: Blocker) -> Blocker:
    """Keep everything that a person needs to remove the blocker in the best way."""
    result = Blocker()
    result.CopyFrom(blocker)
    del result.remedies[1:]
    for field in ("evidence", "metadata", "granted_scopes"):
        result.ClearField(field)
    return result


def _short_form(blocker: Blocker) -> Blocker:
    """Keep what identifies the blocker and the way out; ListBlockers has the rest."""
    short = Blocker(
        name=blocker.name,
        reason=blocker.reason,
        device=blocker.device,
        connection=blocker.connection,
        message=_cut(blocker.message, MAXIMUM_TEXT_BYTES),
    )
    for remedy in blocker.remedies[:1]:
        short.remedies.add(actor=remedy.actor, place=remedy.place, link=remedy.link)
    return short


def _facts(problem: Problem, request_id: str) -> Iterator[Message]:
    """Yield what programs branch on; always sent."""
    yield error_details_pb2.ErrorInfo(
        reason=problem.reason_name,
        domain=ERROR_DOMAIN,
        metadata={key: _cut(value, MAXIMUM_METADATA_BYTES) for key, value in _metadata(problem).items()},
    )
    if problem.field_violations:
        yield _bad_request(problem)
    if code_of(problem) is grpc.StatusCode.RESOURCE_EXHAUSTED:
        yield _quota_failure(problem)
    if problem.reason in (Reason.REASON_RESOURCE_NOT_FOUND, Reason.REASON_REQUEST_ID_REUSED):
        yield _resource_info(problem)
    delay = retry_delay_of(problem)
    if delay is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(spread(delay))
        yield retry
    yield error_details_pb2.RequestInfo(request_id=request_id)
    text = next((blocker.end_user_message for blocker in problem.blockers if blocker.end_user_message), "")
    yield error_details_pb2.LocalizedMessage(
        locale="en-US", message=_cut(text or catalogue.entry(problem.reason).end_user_message, MAXIMUM_TEXT_BYTES)
    )


def _conveniences(problem: Problem) -> Iterator[Message]:
    """Yield what repeats the blockers in the standard types; sent if there is room."""
    if code_of(problem) is grpc.StatusCode.FAILED_PRECONDITION:
        yield _precondition_failure(problem)
    links = [(remedy.place, remedy.link) for blocker in problem.blockers for remedy in blocker.remedies if remedy.link]
    if links:
        help_links = error_details_pb2.Help()
        for place, link in dict.fromkeys(links[:MAXIMUM_LINKS]):
            help_links.links.add(description=_cut(place, MAXIMUM_TEXT_BYTES), url=link)
        yield help_links


def _metadata(problem: Problem) -> dict[str, str]:
    vendor_words = {"vendorReason": problem.vendor_reason} if problem.vendor_reason else {}
    return {**vendor_words, **problem.metadata}


def _bad_request(problem: Problem) -> error_details_pb2.BadRequest:
    bad_request = error_details_pb2.BadRequest()
    for violation in problem.field_violations[:MAXIMUM_VIOLATIONS]:
        bad_request.field_violations.add(
            field=_cut(violation.field, MAXIMUM_TEXT_BYTES),
            description=_cut(violation.description, MAXIMUM_TEXT_BYTES),
            reason=problem.reason_name,
        )
        if bad_request.ByteSize() > MAXIMUM_DETAILS_BYTES // 2:
            break
    left_out = len(problem.field_violations) - len(bad_request.field_violations)
    if left_out:
        bad_request.field_violations.add(field="*", description=f"{left_out} more violations are not listed")
    return bad_request


def _quota_failure(problem: Problem) -> error_details_pb2.QuotaFailure:
    quota = error_details_pb2.QuotaFailure()
    subject = problem.metadata.get("device") or problem.metadata.get("connection") or problem.reason_name
    quota.violations.add(subject=subject, description=_cut(problem.message, MAXIMUM_TEXT_BYTES))
    return quota


def _resource_info(problem: Problem) -> error_details_pb2.ResourceInfo:
    return error_details_pb2.ResourceInfo(
        resource_type=problem.metadata.get("resourceType", "command"),
        resource_name=problem.metadata.get("resourceName", problem.metadata.get("requestId", "")),
        description=_cut(problem.message, MAXIMUM_TEXT_BYTES),
    )


def _precondition_failure(problem: Problem) -> error_details_pb2.PreconditionFailure:
    failure = error_details_pb2.PreconditionFailure()
    for blocker in problem.blockers[:MAXIMUM_VIOLATIONS]:
        failure.violations.add(
            type=Reason.Name(blocker.reason).removeprefix("REASON_"),
            subject=_subject(blocker),
            description=_cut(blocker.message, MAXIMUM_TEXT_BYTES),
        )
    return failure


def _subject(blocker: Blocker) -> str:
    """Name what must change: a resource, else the setting, domain or region of the operator's vendor application."""
    facts = blocker.metadata
    if resource := blocker.device or blocker.connection or facts.get("command"):
        return resource
    own = (f"{key} {facts[key]}" for key in ("setting", "domain", "region") if key in facts)
    return _cut(next(own, "vendor application"), MAXIMUM_TEXT_BYTES)


def _told_delay(status: status_pb2.Status) -> timedelta | None:
    retry = error_details_pb2.RetryInfo()
    return next((retry.retry_delay.ToTimedelta() for detail in status.details if detail.Unpack(retry)), None)


def _append(status: status_pb2.Status, detail: Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def _cut(text: str, limit: int) -> str:
    """Cut a text to so many bytes of UTF-8: headers are counted in bytes, and a character can have four."""
    encoded = text.encode()
    return (
        text
        if len(encoded) <= limit
        else encoded[: limit - len(_CUT_MARK.encode())].decode(errors="ignore") + _CUT_MARK
    )
