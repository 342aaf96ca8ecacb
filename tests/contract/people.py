"""Scenarios for the sandbox: people with cars and homes, so that each test has its own and disturbs nobody else."""

from collections.abc import Mapping
from itertools import count

Spec = Mapping[str, object]

_NUMBERS = count(1)


def car(name: str, **changes: object) -> dict[str, object]:
    """A car that is online, paired, and wakes at once."""
    usual = {"key": "paired", "falls_asleep": False, "wake_seconds": 0.1, "battery_level": 50}
    return {"vin": f"LRW3E7EK5PC{next(_NUMBERS):06}", "display_name": name, **usual, **changes}


def home(name: str, **changes: object) -> dict[str, object]:
    """A home with solar and one Powerwall that may do everything, and takes writes over at once."""
    return {"site_id": 30_000_000 + next(_NUMBERS), "name": name, "powerwalls": 1, "write_delay_s": 0, **changes}


def person(name: str, *things: Spec, region: str = "eu") -> dict[str, object]:
    """A person with a Tesla account; the cars and homes are told apart by what they are."""
    return {
        "email": f"{name}@example.com",
        "region": region,
        "cars": [thing for thing in things if "vin" in thing],
        "homes": [thing for thing in things if "site_id" in thing],
    }


def scenario(*people: Spec) -> dict[str, object]:
    """What the sandbox's default scenario is to be changed to."""
    return {"name": "Refusals", "users": list(people)}
