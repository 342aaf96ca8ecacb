"""Strict readers for fields of a JSON body; anything unfit is a 400 with the field's name."""

from collections.abc import Collection, Mapping

from tesla_sandbox.fleet_api.answers import invalid_field

Body = Mapping[str, object]
_ABSENT = object()


def text(body: Body, name: str, *, longest: int = 1_000, default: str | None = None) -> str:
    """A text field; required unless there is a default."""
    value = body.get(name, _ABSENT)
    if value is _ABSENT and default is not None:
        return default
    if not isinstance(value, str):
        raise invalid_field(name, _problem(value, "a string"))
    if len(value) > longest:
        raise invalid_field(name, f"must have at most {longest} characters")
    return value


def choice(body: Body, name: str, allowed: Collection[str], default: str | None = None) -> str:
    """A text field with a closed set of values."""
    value = text(body, name, default=default)
    if value not in allowed:
        raise invalid_field(name, f"must be one of {', '.join(sorted(allowed))}")
    return value


def boolean(body: Body, name: str, default: bool | None = None) -> bool:
    """A boolean field; 0 and 1 are no booleans."""
    value = body.get(name, _ABSENT)
    if value is _ABSENT and default is not None:
        return default
    if not isinstance(value, bool):
        raise invalid_field(name, _problem(value, "a boolean"))
    return value


def number(
    body: Body,
    name: str,
    *,
    lowest: float = -1e12,
    highest: float = 1e12,
    default: float | None = None,
) -> float:
    """A finite number within bounds; text that looks like a number is refused."""
    value = body.get(name, _ABSENT)
    if value is _ABSENT and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid_field(name, _problem(value, "a number"))
    if not lowest <= value <= highest:
        raise invalid_field(name, f"must be between {lowest:g} and {highest:g}")
    return value


def integer(
    body: Body,
    name: str,
    *,
    lowest: int = -(2**53),
    highest: int = 2**53,
    default: int | None = None,
) -> int:
    """A whole number within bounds; 20.0 counts as whole, 20.5 does not."""
    value = number(body, name, lowest=lowest, highest=highest, default=default)
    if value != int(value):
        raise invalid_field(name, "must be an integer")
    return int(value)


def texts(body: Body, name: str, *, most: int = 1_000) -> list[str]:
    """A list of texts."""
    value = body.get(name, _ABSENT)
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise invalid_field(name, _problem(value, "a list of strings"))
    if len(value) > most:
        raise invalid_field(name, f"must have at most {most} entries")
    return value


def _problem(value: object, expected: str) -> str:
    return "is missing" if value is _ABSENT else f"must be {expected}"
