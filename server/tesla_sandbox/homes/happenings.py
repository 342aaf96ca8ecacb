"""What happens to a home from outside: outages, storms, events of a virtual power plant."""

from dataclasses import dataclass


@dataclass(slots=True)
class Outage:
    """A time without grid; `ended_at` is None while it lasts."""

    started_at: float
    ended_at: float | None = None
    intentional: bool = False


@dataclass(slots=True)
class StormWatch:
    """A storm that Storm Watch prepares for."""

    event_id: str
    storm_type: str
    starts_at: float
    ends_at: float


@dataclass(slots=True)
class GridServicesEvent:
    """A virtual-power-plant event: battery power in W, positive discharging."""

    power_w: float
    starts_at: float
    ends_at: float
