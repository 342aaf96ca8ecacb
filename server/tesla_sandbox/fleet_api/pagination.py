"""Pages of long lists, numbered from 1."""

from tesla_sandbox.fleet_api.answers import invalid_field
from tesla_sandbox.fleet_api.call import FleetCall


def page_number(call: FleetCall, name: str, default: int) -> int:
    """A positive whole number of the query; 400 for anything else."""
    text = call.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) > 0):
        raise invalid_field(name, "must be a positive whole number")
    return int(text)


def pagination(count: int, page: int, size: int) -> dict[str, int | None]:
    """What an answer says about its page of a list with `count` entries."""
    pages = max(-(-count // size), 1)
    return {
        "previous": page - 1 if page > 1 else None,
        "next": page + 1 if page < pages else None,
        "current": page,
        "per_page": size,
        "count": count,
        "pages": pages,
    }
