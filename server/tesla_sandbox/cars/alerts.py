"""Alerts that a car raises and ends."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

AlertAudience = Literal["customer", "service", "service-fix"]
"""Who an alert is for, by the names of the API."""

KEPT_ALERTS = 100


@dataclass(slots=True)
class Alert:
    """One alert; times in unix seconds.

    Attributes:
        ended_at: None while the alert is active.
        revision: State of the log at which the alert last changed.
    """

    name: str
    audience: tuple[AlertAudience, ...]
    user_text: str
    started_at: float
    revision: int
    ended_at: float | None = None


class AlertLog:
    """The latest alerts of a car, oldest first.

    Attributes:
        revision: Counts the changes.
        changed: Called after every change, if somebody wants to know.
    """

    def __init__(self) -> None:
        self.revision = 0
        self.changed: Callable[[], None] | None = None
        self._alerts: deque[Alert] = deque(maxlen=KEPT_ALERTS)

    def __iter__(self) -> Iterator[Alert]:
        return iter(self._alerts)

    def changed_since(self, revision: int) -> Iterator[Alert]:
        """The alerts that changed after that state of the log; from the start, the active ones."""
        changed = (alert for alert in self._alerts if alert.revision > revision)
        return (alert for alert in changed if revision or alert.ended_at is None)

    def start(self, name: str, audience: tuple[AlertAudience, ...], user_text: str, now: float) -> None:
        """Raise an alert; the active one of the same name ends."""
        self.end(name, now)
        self.revision += 1
        self._alerts.append(Alert(name, audience, user_text, now, self.revision))
        self._tell()

    def end(self, name: str, now: float) -> None:
        """End the active alert of that name, if there is one."""
        for alert in self._alerts:
            if alert.name == name and alert.ended_at is None:
                self.revision += 1
                alert.ended_at, alert.revision = now, self.revision
                self._tell()

    def _tell(self) -> None:
        if self.changed is not None:
            self.changed()
