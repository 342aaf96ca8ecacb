"""Moments in queries: RFC 3339 with an offset."""

from datetime import datetime

from tesla_sandbox.fleet_api.answers import invalid_field
from tesla_sandbox.fleet_api.call import FleetCall


def query_moment(call: FleetCall, name: str) -> float | None:
    """A moment of the query in unix seconds; None if it is not there, 400 if it is unreadable."""
    if name not in call.query:
        return None
    # A "+" of an offset that was not URL-encoded arrives as a space.
    text = call.query[name].replace(" ", "+")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise invalid_field(name, "must have an offset")
        return moment.timestamp()
    except (ValueError, OverflowError) as unreadable:
        raise invalid_field(name, "must be an RFC 3339 date and time") from unreadable
