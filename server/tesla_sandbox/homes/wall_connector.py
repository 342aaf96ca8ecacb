"""A Wall Connector at a home and the car on its cable."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tesla_sandbox.cars.car import Car

MOST_SESSIONS = 500


class ConnectorState(IntEnum):
    """`wall_connector_state` as decoded by community integrations."""

    BOOTING = 0
    CHARGING = 1
    DISCONNECTED = 2
    CONNECTED = 4
    SCHEDULED = 5
    NEGOTIATING = 6
    ERROR = 7
    CHARGING_FINISHED = 8
    WAITING_FOR_CAR = 9
    CHARGING_REDUCED = 10


@dataclass(slots=True)
class ChargeSession:
    """One stay of a car on the cable."""

    started_at: float
    seconds: float = 0.0
    energy_wh: float = 0.0


@dataclass(slots=True)
class WallConnector:
    """One Wall Connector.

    Attributes:
        din: Its device identification number.
        vin: The car that is charged here when it is plugged in; None for no car.
        car: That car, once it is in the world.
        sessions: The stays on the cable, oldest first.
    """

    din: str
    vin: str | None
    car: Car | None = None
    sessions: list[ChargeSession] = field(default_factory=list)
    _read_wh: float = 0.0
    _in_session: bool = False

    @property
    def plugged_in(self) -> bool:
        """Whether the car is on the cable."""
        return self.car is not None and self.car.on_wall

    @property
    def power(self) -> float:
        """Power in W that the car draws, at the moment up to which it has lived."""
        return self.car.wall_power_w if self.car is not None and self.car.on_wall else 0.0

    @property
    def state(self) -> ConnectorState:
        """What the Wall Connector says about itself."""
        if self.car is None or not self.car.on_wall:
            return ConnectorState.DISCONNECTED
        if self.power <= 0:
            return ConnectorState.CONNECTED
        return ConnectorState.CHARGING_REDUCED if self.car.charging.reduced else ConnectorState.CHARGING

    def attach(self, car: Car, now: float) -> None:
        """Begin with the car as it is now."""
        self.car = car
        self._read_wh = car.wall_energy_wh
        self.follow_cable(now)

    def follow_cable(self, now: float) -> None:
        """Note that the cable was plugged in or pulled out just now."""
        self._in_session = self.plugged_in
        if self._in_session:
            self.sessions.append(ChargeSession(now))
            del self.sessions[:-MOST_SESSIONS]

    def energy_until(self, moment: float) -> float:
        """Energy in Wh that the car draws from the last reading of the meter up to a moment."""
        if self.car is None:
            return 0.0
        self.car.live_until(moment)
        return self.car.wall_energy_wh - self._read_wh

    def read_meter(self, moment: float, seconds: float) -> float:
        """Energy in Wh that the car drew in the `seconds` before a moment; the session goes on."""
        drawn = self.energy_until(moment)
        self._read_wh += drawn
        if self._in_session:
            self.sessions[-1].seconds += seconds
            self.sessions[-1].energy_wh += drawn
        return drawn
