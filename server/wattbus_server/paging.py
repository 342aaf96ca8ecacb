"""Pages of lists: sizes, and tokens that say after which key the next page begins.

A token is bound to the other arguments of the list by a hash, and it authorises nothing: every query still asks for the
caller's tenant only.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from google.protobuf.message import Message
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import FieldViolation, Problem, field_invalid

DEFAULT_PAGE_SIZE = 50
MAXIMUM_PAGE_SIZE = 1000
MAXIMUM_PAGE_BYTES = 2 << 20
"""gRPC clients take 4 MiB unless told otherwise, and nobody else is served while a page is put together."""
_LONGEST_TOKEN = 1024
_DIGEST_BYTES = 12
# Field number and length in front of each message of a page.
_FRAME_BYTES = 6

Item = TypeVar("Item")
Built = TypeVar("Built", bound=Message)


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

    def cut(
        self, found: Iterable[Item], key: Callable[[Item], str], message: Callable[[Item], Built]
    ) -> tuple[list[Built], str]:
        """Return the messages of one page and the token of the next one, which is empty on the last page.

        A page ends early where it would be larger than clients take; one message always has room.

        Args:
            found: the items behind `after`; at least one more than `size` if there is another page.
            key: gives where an item stands in the list.
            message: makes the message of an item.
        """
        page: list[Built] = []
        left = MAXIMUM_PAGE_BYTES
        last = ""
        for item in found:
            if len(page) == self.size:
                return page, self._token_after(last)
            built = message(item)
            left -= built.ByteSize() + _FRAME_BYTES
            if page and left < 0:
                return page, self._token_after(last)
            page.append(built)
            last = key(item)
        return page, ""

    def _token_after(self, key: str) -> str:
        return base64.urlsafe_b64encode(self.arguments_digest + key.encode()).decode()


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
