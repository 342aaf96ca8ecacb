"""A Wall Connector at a home and the car on its cable."""

from dataclasses import dataclass, field
from enum import IntEnum

from tesla_sandbox.world import World

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
    """

    din: str
    vin: str | None
    sessions: list[ChargeSession] = field(default_factory=list)
    _meter_wh: float | None = None
    _connected: bool = False

    def plugged_in(self, world: World) -> bool:
        """Whether the car is on the cable now."""
        return self.vin is not None and world.cars[self.vin].on_wall

    def power(self, world: World) -> float:
        """Power in W that the car draws now."""
        return world.cars[self.vin].charging_power_w() if self.vin is not None and self.plugged_in(world) else 0.0

    def state(self, world: World) -> ConnectorState:
        """What the Wall Connector says about itself."""
        if not self.plugged_in(world):
            return ConnectorState.DISCONNECTED
        return ConnectorState.CHARGING if self.power(world) > 0 else ConnectorState.CONNECTED

    def energy_since_last_look(self, world: World, now: float, seconds: float) -> float:
        """Energy in Wh that the car drew in the past `seconds`; also continues the sessions."""
        if self.vin is None:
            return 0.0
        car = world.cars[self.vin]
        car.advance()
        meter, connected = car.wall_energy_wh, car.on_wall
        drawn = max(meter - self._meter_wh, 0.0) if self._meter_wh is not None else 0.0
        self._meter_wh = meter
        if connected and not self._connected:
            self.sessions.append(ChargeSession(now))
            del self.sessions[:-MOST_SESSIONS]
        elif connected or self._connected:
            self.sessions[-1].seconds += seconds
            self.sessions[-1].energy_wh += drawn
        self._connected = connected
        return drawn
