"""Field rules: which field of a body becomes which field of a message, with its conversion and its bounds.

Tesla omits fields, sends null, sends the text `<invalid>` and adds fields at any time. A value of the wrong type or
outside its bounds is treated like one that is missing: better absent than wrong.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from wattbus_server.vendors.tesla.exchange import plain_text

METRES_PER_MILE = 1609.344
METRES_PER_SECOND_PER_MPH = METRES_PER_MILE / 3600
PER_KILO = 1000.0
SECONDS_PER_MINUTE = 60.0

INVALID = "<invalid>"
_TEXT_LIMIT = 256
# A device clock that is ahead must not freeze its state: observations with earlier times would be refused afterwards.
_CLOCK_TOLERANCE = timedelta(minutes=5)
_EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)

Body = Mapping[str, object]


class Rule(Protocol):
    """Fills one field of a message."""

    def apply(self, body: Body, message: Message) -> None:
        """Set the field if the body has a usable value for it."""


@dataclass(frozen=True)
class Number:
    """A number. `source` may be a path, `settings.limit`."""

    source: str
    target: str
    low: float
    """Lowest plausible value, in the unit of the body."""
    high: float
    """Highest plausible value, in the unit of the body."""
    factor: float = 1.0
    whole: bool = False
    """True if the target is an integer."""
    floor: float | None = None
    """Values from `low` up to here count as this one, in the unit of the body: noise around zero."""
    ceiling: float | None = None
    """Values from here up to `high` count as this one, in the unit of the body: rounding around the full value."""

    def apply(self, body: Body, message: Message) -> None:
        """Set the field if the body has a plausible number."""
        value = number(lookup(body, self.source))
        if value is None or not self.low <= value <= self.high:
            return
        if self.floor is not None:
            value = max(value, self.floor)
        if self.ceiling is not None:
            value = min(value, self.ceiling)
        # Adding 0.0 turns a negative zero, which a factor of -1 makes, into a plain one.
        converted = value * self.factor + 0.0
        setattr(message, self.target, round(converted) if self.whole else converted)


@dataclass(frozen=True)
class Switch:
    """A boolean."""

    source: str
    target: str
    inverted: bool = False

    def apply(self, body: Body, message: Message) -> None:
        """Set the field if the body has true or false."""
        value = lookup(body, self.source)
        if isinstance(value, bool):
            setattr(message, self.target, value != self.inverted)


@dataclass(frozen=True)
class Opening:
    """Several parts of which each is 0 when closed; true if any is open, false only if all are known to be closed."""

    sources: Sequence[str]
    target: str

    def apply(self, body: Body, message: Message) -> None:
        """Set the field if the parts decide it."""
        parts = [number(lookup(body, source)) for source in self.sources]
        if any(part for part in parts):
            setattr(message, self.target, True)
        elif None not in parts:
            setattr(message, self.target, False)


@dataclass(frozen=True)
class Words:
    """A text, cut to a bounded length."""

    source: str
    target: str

    def apply(self, body: Body, message: Message) -> None:
        """Set the field if the body has a text that means something."""
        value = text(lookup(body, self.source))
        if value:
            setattr(message, self.target, value)


@dataclass(frozen=True)
class Choice:
    """A word that stands for an enum value. An unknown word leaves the enum unset; its own field keeps the word."""

    source: str
    target: str
    values: Mapping[str, int]
    word_target: str = ""
    """The field that keeps Tesla's own word. Empty: there is none."""

    def apply(self, body: Body, message: Message) -> None:
        """Set the enum if the word is known, and keep the word."""
        word = text(lookup(body, self.source))
        if word in self.values:
            setattr(message, self.target, self.values[word])
        if word and self.word_target:
            setattr(message, self.word_target, word)


def fill(message: Message, body: object, rules: Iterable[Rule]) -> bool:
    """Apply rules to a message; returns whether any field was set."""
    if isinstance(body, Mapping):
        for rule in rules:
            rule.apply(body, message)
    return bool(message.ListFields())


def lookup(body: object, path: str) -> object:
    """Return the value at a dotted path, None if anything on the way is missing."""
    for name in path.split("."):
        if not isinstance(body, Mapping):
            return None
        body = body.get(name)
    return body


def number(value: object) -> float | None:
    """Return a finite number, None for everything else, also for booleans."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        converted = float(value)
    except OverflowError:
        return None
    return converted if math.isfinite(converted) else None


def text(value: object) -> str:
    """Return a text of bounded length; empty if it is no text or says that the value is unknown."""
    found = plain_text(value).strip()
    return "" if found == INVALID else found[:_TEXT_LIMIT]


def mapping(value: object) -> Body:
    """Return the object, or an empty one if it is something else."""
    return value if isinstance(value, Mapping) else {}


def objects(value: object) -> list[Body]:
    """Return the objects of a list, without anything else that is in it."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def time_from_milliseconds(value: object, received: datetime) -> Timestamp:
    """Read a Unix time in milliseconds; the time of receipt if there is none that can be."""
    milliseconds = number(value)
    if milliseconds is None or not 0 <= milliseconds < 1e14:
        return timestamp(received)
    return _plausible(datetime.fromtimestamp(milliseconds / 1000, UTC), received)


def time_from_seconds(value: object, received: datetime) -> Timestamp:
    """Read a Unix time in seconds; the time of receipt if there is none that can be."""
    seconds = number(value)
    return time_from_milliseconds(None if seconds is None else seconds * 1000, received)


def time_from_text(value: object, received: datetime) -> Timestamp:
    """Read an RFC 3339 time with offset; the time of receipt if there is none that can be."""
    try:
        parsed = datetime.fromisoformat(text(value))
        if parsed.tzinfo is None:
            return timestamp(received)
        return _plausible(parsed.astimezone(UTC), received)
    except (ValueError, OverflowError):
        return timestamp(received)


def timestamp(moment: datetime) -> Timestamp:
    """Return the message for a time."""
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC))
    return stamp


def _plausible(moment: datetime, received: datetime) -> Timestamp:
    return timestamp(moment if _EARLIEST <= moment <= received + _CLOCK_TOLERANCE else received)
