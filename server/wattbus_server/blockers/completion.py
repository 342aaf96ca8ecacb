"""Completion: gives a blocker the texts that every blocker has, as the catalogue knows them."""

from datetime import UTC, datetime

from wattbus.v1.blocker_pb2 import Blocker, BlockerState

from wattbus_server.blockers import catalogue


def completed(blocker: Blocker) -> Blocker:
    """Return an open version of a blocker, checked now, with a text for the end user and at least one remedy."""
    result = Blocker()
    result.CopyFrom(blocker)
    result.state = BlockerState.BLOCKER_STATE_OPEN
    result.check_time.FromDatetime(datetime.now(UTC))
    row = catalogue.entry(result.reason)
    result.end_user_message = result.end_user_message or row.end_user_message
    if not result.remedies:
        result.remedies.add(actor=row.actor)
    for remedy in result.remedies:
        remedy.verification = remedy.verification or row.verification
    return result
