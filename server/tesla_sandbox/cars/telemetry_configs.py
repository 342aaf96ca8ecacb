"""Telemetry configurations that applications left for a car."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MOST_CONFIGURATIONS = 5
"""Configurations per car. Source: Tesla Fleet API documentation, fleet-telemetry (the page of
the read endpoint says 3)."""

KEPT_ERRORS = 100

LOCATION_FIELDS = frozenset(
    {
        "Location",
        "OriginLocation",
        "DestinationLocation",
        "DestinationName",
        "RouteLine",
        "GpsState",
        "GpsHeading",
    }
)
"""Fields that need the location scope."""


@dataclass(slots=True)
class TelemetryConfig:
    """One application's configuration.

    Attributes:
        settings: The claims of its token, without issuer and audience.
        adopted: Whether the car has fetched it.
    """

    settings: Mapping[str, object]
    adopted: bool = False

    @property
    def shows_location(self) -> bool:
        """Whether it needs the location scope."""
        fields = self.settings.get("fields")
        return isinstance(fields, Mapping) and not LOCATION_FIELDS.isdisjoint(fields)

    def expired(self, now: float) -> bool:
        """Whether its end, if it names one, has come."""
        ends = self.settings.get("exp")
        return isinstance(ends, int) and ends <= now


@dataclass(frozen=True, slots=True)
class TelemetryError:
    """Something that went wrong while a car streamed; `name` is the application's key name."""

    name: str
    error: str


class TooManyConfigurationsError(Exception):
    """Raised when a further application wants to configure the car."""


class TelemetryConfigs:
    """The configurations of one car by client id."""

    def __init__(self) -> None:
        self.errors: deque[TelemetryError] = deque(maxlen=KEPT_ERRORS)
        self._by_client: dict[str, TelemetryConfig] = {}

    def __iter__(self) -> Iterator[tuple[str, TelemetryConfig]]:
        return iter(self._by_client.items())

    @property
    def limit_reached(self) -> bool:
        """Whether no further application can configure the car."""
        return len(self._by_client) >= MOST_CONFIGURATIONS

    def of(self, client_id: str) -> TelemetryConfig | None:
        """The configuration of an application."""
        return self._by_client.get(client_id)

    def adopt_all(self) -> None:
        """Let the car, which is online, fetch what was left for it."""
        for config in self._by_client.values():
            config.adopted = True

    def put(self, client_id: str, settings: Mapping[str, object]) -> TelemetryConfig:
        """Leave a configuration, replacing the application's former one.

        Raises:
            TooManyConfigurationsError: If `MOST_CONFIGURATIONS` others hold one.
        """
        if client_id not in self._by_client and self.limit_reached:
            raise TooManyConfigurationsError
        config = TelemetryConfig(settings)
        self._by_client[client_id] = config
        return config

    def expire(self, now: float) -> bool:
        """Drop the configurations that have ended; whether there was one."""
        ended = [client_id for client_id, config in self if config.expired(now)]
        for client_id in ended:
            self.remove(client_id)
        return bool(ended)

    def remove(self, client_id: str) -> bool:
        """Drop an application's configuration; False when there was none."""
        return self._by_client.pop(client_id, None) is not None
