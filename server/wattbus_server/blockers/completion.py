"""Completion: lets every blocker have its texts, and every problem a blocker that says who must act."""

from dataclasses import replace
from datetime import UTC, datetime

from wattbus.v1.blocker_pb2 import Blocker, BlockerState

from wattbus_server.blockers import catalogue
from wattbus_server.problem import Problem

_KEYS_WITH_FIELDS = ("device", "connection", "vendorReason")


def completed(blocker: Blocker) -> Blocker:
    """Return an open version of a blocker, checked now, with a text for the end user and at least one remedy."""
    result = Blocker()
    result.CopyFrom(blocker)
    result.state = BlockerState.BLOCKER_STATE_OPEN
    result.check_time.FromDatetime(datetime.now(UTC))
    row = catalogue.entry(result.reason)
    result.end_user_message = result.end_user_message or row.end_user_message
    if not result.remedies:
        result.remedies.add(actor=row.actor, place=row.place, steps=[row.step])
    for remedy in result.remedies:
        remedy.verification = remedy.verification or row.verification
    return result


def explained(problem: Problem) -> Problem:
    """Return a problem whose blockers say who must act, where and how that is noticed.

    Blockers that it brings and that were recorded are whole already. If it brings none, one that concerns this call
    only says what is generally true of its reason.
    """
    brought = problem.blockers or (general_blocker(problem),)
    return replace(
        problem, blockers=[blocker if blocker.end_user_message else completed(blocker) for blocker in brought]
    )


def general_blocker(problem: Problem) -> Blocker:
    """Return a blocker without a name that says of a problem what is generally true of its reason."""
    known = problem.metadata
    own_keys = [key for key in catalogue.entry(problem.reason).metadata_keys if key not in _KEYS_WITH_FIELDS]
    return Blocker(
        reason=problem.reason,
        device=known.get("device", ""),
        connection=known.get("connection", ""),
        message=problem.message,
        evidence=problem.vendor_reason,
        metadata={key: known[key] for key in own_keys if key in known},
    )
