"""What was asked of Tesla and what it answered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from wattbus.v1.action_pb2 import ActionKind

from wattbus_server.vendors.contract import DeviceRecord
from wattbus_server.vendors.tesla.scopes import ScopeRule, required_scopes

VENDOR_WORDS_LIMIT = 500


class UnreadableJsonError(ValueError):
    """The text is not JSON as RFC 8259 defines it."""


@dataclass(frozen=True)
class Call:
    """One request to the Fleet API, with what is needed to explain its refusal."""

    method: str
    path: str
    """From `/api/1/…`, quoted, without host."""
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    """Sent as JSON. None with POST sends `{}`, because Tesla refuses an empty body (406)."""
    changes_something: bool = False
    """True if the call asks for a change, so that a lost answer leaves the outcome open."""
    device: DeviceRecord | None = None
    scopes: ScopeRule | None = None
    """The scopes that this call needs, if the path alone does not tell (`signed_command`)."""
    blocked_actions: tuple[ActionKind.ValueType, ...] = ()
    """The actions that a refusal blocks. Empty: reading too."""
    region: str = ""
    """The region to ask instead of the account's. Empty: the account's."""

    @property
    def scope_rule(self) -> ScopeRule:
        """The scopes that this call needs."""
        return required_scopes(self.path, self.params) if self.scopes is None else self.scopes

    @property
    def operation(self) -> str:
        """A short name for messages that shows no VIN, for example `vehicle_data`."""
        last = self.path.rstrip("/").rpartition("/")[2]
        return last if last.replace("_", "").isalpha() and not last.isupper() else "record"


@dataclass(frozen=True)
class Answer:
    """One answer of a Tesla host."""

    status: int
    text: str
    """The body, undecodable bytes replaced."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    region: str = ""
    """The region that was asked."""

    @cached_property
    def json(self) -> object:
        """The body as JSON, None if it is not JSON. Outside of 2xx Tesla also sends plain text and HTML."""
        try:
            return parse_json(self.text)
        except UnreadableJsonError:
            return None

    @property
    def words(self) -> str:
        """Tesla's own words about a refusal, unchanged, at most 500 characters."""
        body = self.json
        if isinstance(body, dict):
            error = plain_text(body.get("error"))
            description = plain_text(body.get("error_description"))
            found = ": ".join(part for part in (error, description) if part)
            if found:
                return found[:VENDOR_WORDS_LIMIT]
        return self.text.strip()[:VENDOR_WORDS_LIMIT]

    @property
    def txid(self) -> str:
        """What identifies the request for Tesla's support. Empty if the answer does not say."""
        body = self.json
        inside = plain_text(body.get("txid")) if isinstance(body, dict) else ""
        return (inside or self.headers.get("x-txid", ""))[:64]


def parse_json(text: str) -> object:
    """Read JSON strictly.

    Raises:
        UnreadableJsonError: If it is cut, nested too deeply, has NaN or Infinity, or is something else altogether.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableJsonError(str(error)[:200]) from error


def plain_text(value: object) -> str:
    """Return the text if it is text, else an empty string; half surrogate pairs, which JSON allows, are replaced."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
