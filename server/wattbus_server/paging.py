"""Pages of lists: sizes, and tokens that say after which key the next page begins.

A token is bound to the other arguments of the list by a hash, and it authorises nothing: every query still asks for the
caller's tenant only.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import FieldViolation, Problem, field_invalid

DEFAULT_PAGE_SIZE = 50
MAXIMUM_PAGE_SIZE = 1000
_LONGEST_TOKEN = 1024
_DIGEST_BYTES = 12

Item = TypeVar("Item")


@dataclass(frozen=True)
class PageRequest:
    """Which page is wanted."""

    size: int
    """How many items, 1 to 1,000."""
    after: str
    """The key of the last item of the page before. Empty: the first page."""
    arguments_digest: bytes

    @classmethod
    def parse(cls, page_size: int, page_token: str, arguments: bytes) -> "PageRequest":
        """Read the two page fields of a request; `arguments` stands for all other ones, including the tenant.

        Raises:
            Problem: FIELD_INVALID for a negative size, PAGE_TOKEN_INVALID for a token that is unreadable or belongs to
                other arguments.
        """
        if page_size < 0:
            raise field_invalid(FieldViolation("page_size", "must not be negative"))
        digest = hashlib.sha256(arguments).digest()[:_DIGEST_BYTES]
        after = _read_token(page_token, digest) if page_token else ""
        return cls(min(page_size or DEFAULT_PAGE_SIZE, MAXIMUM_PAGE_SIZE), after, digest)

    def cut(self, found: Sequence[Item], key: Callable[[Item], str]) -> tuple[list[Item], str]:
        """Return one page and the token of the next one, which is empty on the last page.

        `found` begins after `after`, and holds at least one item more than `size` if there is another page.
        """
        page = list(found[: self.size])
        if len(found) <= self.size:
            return page, ""
        return page, base64.urlsafe_b64encode(self.arguments_digest + key(page[-1]).encode()).decode()


def time_key(time: datetime, name: str) -> str:
    """Return the key of an item in a list that is ordered by time, and by name where times are equal."""
    return f"{time.isoformat(timespec='microseconds')} {name}"


def read_time_key(key: str) -> tuple[datetime, str]:
    """Return what `time_key` was made of.

    Raises:
        Problem: PAGE_TOKEN_INVALID; keys come back from callers.
    """
    text, _, name = key.partition(" ")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise _token_invalid("it cannot be read") from None
    if time.tzinfo is None or not name:
        raise _token_invalid("it cannot be read")
    return time, name


def _read_token(token: str, digest: bytes) -> str:
    try:
        if len(token) > _LONGEST_TOKEN:
            raise ValueError("too long")
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        bound_to, after = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:].decode()
    except (ValueError, binascii.Error):
        raise _token_invalid("it cannot be read") from None
    if bound_to != digest or not after:
        raise _token_invalid("it belongs to other arguments")
    return after


def _token_invalid(why: str) -> Problem:
    return Problem(Reason.REASON_PAGE_TOKEN_INVALID, f"page_token is not valid: {why}. Start again without a token.")
