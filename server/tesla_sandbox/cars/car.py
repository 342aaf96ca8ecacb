"""A simulated car: it lives on the virtual clock and is brought up to date when looked at."""

import hashlib
import math
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Literal, Protocol
from zoneinfo import ZoneInfo

from tesla_sandbox.cars import life
from tesla_sandbox.cars.alerts import AlertLog
from tesla_sandbox.cars.battery import Battery
from tesla_sandbox.cars.cabin import Body, SoftwareUpdate
from tesla_sandbox.cars.charging import Charging
from tesla_sandbox.cars.climate import Climate
from tesla_sandbox.cars.connectivity import Connection, Connectivity
from tesla_sandbox.cars.drive import Drive
from tesla_sandbox.cars.fast_charging import FastChargingLog
from tesla_sandbox.cars.models import Market, VehicleModel, market_of, vehicle_model
from tesla_sandbox.cars.plan import Agenda, Plan
from tesla_sandbox.cars.security.keychain import Keychain, encoded_point
from tesla_sandbox.cars.security.sessions import SecurityComputer
from tesla_sandbox.cars.sharing import Sharing
from tesla_sandbox.cars.spec import CarSpec, Supply
from tesla_sandbox.cars.telemetry_configs import TelemetryConfigs
from tesla_sandbox.clock import Clock

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from tesla_sandbox.world import World

KeyState = Literal["paired", "unpaired", "disabled"]
"""Whether an application's key is on a car."""


class Host(Protocol):
    """The home that charges a car at its Wall Connector."""

    def keep_pace(self, now: float) -> None:
        """Live with its cars up to `now`, as far as it takes their energy into account."""

    def next_change(self) -> float:
        """When it may give its cars more or less power next; infinite when it does not."""

    def cable_moved(self, car: "Car") -> None:
        """Take note that a car's cable was plugged in or pulled out just now."""


class Car:
    """One car of the world. Power in kW, energy in kWh, times in unix seconds.

    Call `advance` before reading or changing it; the handlers of the API and the control
    interface do so through the methods here and in `commands`.

    Args:
        spec: The car as the scenario describes it.
        clock: The clock of the world.
        seed: The seed of the world; together with the VIN it decides everything random.
    """

    def __init__(self, spec: CarSpec, clock: Clock, seed: int) -> None:
        self.spec = spec
        self.clock = clock
        self.zone = ZoneInfo(spec.time_zone)
        self.updated_at = self.born_at = clock.time()
        self.market: Market = spec.market or market_of(spec.vin)
        self.display_name = spec.display_name
        self.firmware = spec.firmware
        self.mobile_access = spec.mobile_access
        self.in_service = spec.in_service
        self.protocol_required = spec.protocol_required
        self.streaming_toggle = None if spec.speaks_protocol else bool(spec.safety_screen_streaming_toggle)
        self.wall_energy_wh = 0.0
        self.host: Host | None = None
        self._origin = f"{seed}/{spec.vin}"
        self._wakes = 0
        self.id = spec.id or self._number("id", 15)
        self.vehicle_id = spec.vehicle_id or self._number("vehicle_id", 9)
        self.model = vehicle_model(spec.model, self.market)
        self.connectivity = _connectivity(spec, self.updated_at)
        self.battery = _battery(spec, self.model)
        self.charging = _charging(spec, self.model, self.battery, self.updated_at)
        self.fast_charging = FastChargingLog()
        self.climate = _climate(spec)
        self.drive = Drive(spec.location.latitude, spec.location.longitude, spec.odometer_miles)
        self.body = _body(spec)
        self.plan = Plan()
        self.keychain = Keychain(spec.keys, spec.other_keys)
        self.security = SecurityComputer(spec.vin, self._origin, self.updated_at)
        self.telemetry = TelemetryConfigs()
        self.alerts = _alerts(spec, self.updated_at)
        self.sharing = Sharing()
        if life.is_busy(self):
            self.connectivity.rouse(self.updated_at)

    @classmethod
    def from_spec(cls, spec: CarSpec, world: "World") -> "Car":
        """The car of a scenario in its world."""
        return cls(spec, world.clock, world.seed)

    @property
    def vin(self) -> str:
        """The vehicle identification number."""
        return self.spec.vin

    @property
    def connection(self) -> Connection:
        """Whether the car is online, asleep or offline; call `advance` first."""
        return self.connectivity.state

    @property
    def place(self) -> tuple[float, float]:
        """Latitude and longitude in degrees."""
        return self.drive.latitude, self.drive.longitude

    @property
    def parked(self) -> bool:
        """Whether the car stands in park."""
        return not self.drive.moving

    @property
    def plugged_in(self) -> bool:
        """Whether a charging cable is in."""
        return self.charging.supply is not None

    @property
    def on_wall(self) -> bool:
        """Whether a cable with alternating current is in, and not that of a fast charger."""
        return self.plugged_in and not self.charging.fast

    @property
    def may_stream(self) -> bool:
        """Whether the driver lets third parties stream; only the safety screen of old cars can forbid it."""
        return self.streaming_toggle is not False

    def set_streaming_toggle(self, *, on: bool) -> None:
        """Switch third-party streaming on or off on the safety screen of an old car."""
        self.advance()
        self.streaming_toggle = on
        self.tell_watcher()

    def reachable(self) -> bool:
        """Whether the car answers now."""
        self.advance()
        return self.connectivity.reachable

    @property
    def wall_power_w(self) -> float:
        """Power that the car draws from its cable, in W; call `advance` first."""
        return 1000 * self.charging.wall_power(self.auxiliary_power())

    def charging_power_w(self) -> float:
        """Power that the car draws from its cable now, in W."""
        self.advance()
        return self.wall_power_w

    @property
    def encrypts_responses(self) -> bool:
        """Whether the firmware honours the flag that asks for encrypted answers (2024.38)."""
        return self.firmware_at_least(2024, 38)

    def firmware_at_least(self, *version: int) -> bool:
        """Whether the installed firmware is that version or newer."""
        return tuple(int(part) for part in self.firmware.split(".")) >= version

    def auxiliary_power(self) -> float:
        """What everything but the drive and the charger uses."""
        if self.connectivity.asleep:
            return life.IDLE_POWER_ASLEEP
        sentry = life.SENTRY_POWER if self.body.sentry_mode else 0.0
        return life.IDLE_POWER_AWAKE + sentry + self.climate.power()

    def agenda(self) -> Agenda:
        """What is planned at the present place."""
        needed = self.charging.seconds_to_limit(life.IDLE_POWER_AWAKE)
        return Agenda.of(self.plan, self.place, needed, self.zone)

    def advance(self) -> None:
        """Live up to the clock's present time, in step with the home that charges the car."""
        now = self.clock.time()
        if self.host is not None:
            self.host.keep_pace(now)
        self.live_until(now)

    def live_until(self, moment: float) -> None:
        """Live up to a moment by itself; for the home that charges the car."""
        life.advance(self, moment)

    def next_change(self) -> float:
        """When the car next changes its state unasked, in unix seconds; infinite when it does not."""
        own = life.next_change(self)
        return own if self.host is None else min(own, self.host.next_change())

    def watch(self, changed: Callable[[], None] | None) -> None:
        """Have `changed` called when the car wakes, sleeps, gains or loses network, or has an alert."""
        self.connectivity.changed = self.alerts.changed = changed

    def tell_watcher(self) -> None:
        """Have whoever watches the car look at it now."""
        if self.connectivity.changed is not None:
            self.connectivity.changed()

    def touch(self) -> None:
        """Note that the car had something to do: it stays awake for a while longer."""
        self.connectivity.active_at = max(self.connectivity.active_at, self.updated_at)

    def wake(self) -> None:
        """Begin to wake up, which takes some seconds; keeps an awake car awake."""
        self.advance()
        self._wakes += 1
        delay = self._random(f"wake/{self._wakes}").uniform(*self.spec.wake_range)
        self.connectivity.request_wake(self.updated_at, delay)

    def fall_asleep(self) -> None:
        """Sleep at once, whatever the car was doing (a fault of real cars as well)."""
        self.advance()
        self.connectivity.fall_asleep()

    def set_network(self, *, available: bool) -> None:
        """Enter or leave network coverage."""
        self.advance()
        self.connectivity.set_network(available=available)
        self.touch()

    def pair_key(self, public_key: "EllipticCurvePublicKey") -> None:
        """Put an application's key on the car.

        Raises:
            KeychainFullError: If the car holds 20 keys.
        """
        self.keychain.pair(encoded_point(public_key))

    def remove_key(self, public_key: "EllipticCurvePublicKey") -> None:
        """Take an application's key off the car."""
        self.keychain.remove(encoded_point(public_key))
        self.security.forget(encoded_point(public_key))

    def disable_key(self, public_key: "EllipticCurvePublicKey") -> None:
        """Make the car refuse an application's key as inactive."""
        self.keychain.set_disabled(encoded_point(public_key), disabled=True)

    def key_state(self, public_key: "EllipticCurvePublicKey") -> KeyState:
        """Whether an application's key is on the car."""
        key = self.keychain.find(encoded_point(public_key))
        if key is None:
            return "unpaired"
        return "disabled" if key.disabled else "paired"

    def plug(self, supply: Supply) -> None:
        """Connect a charging cable; charging begins unless a schedule holds it back."""
        self.advance()
        self.connectivity.rouse(self.updated_at)
        self.fast_charging.unlatch(self.updated_at)
        self.charging.plug(supply)
        if not self.agenda().holds_back(self.updated_at):
            self.charging.start(self.updated_at)
        self._tell_host()

    def unplug(self) -> None:
        """Pull the charging cable out."""
        self.advance()
        self.connectivity.rouse(self.updated_at)
        self.charging.unplug()
        self.fast_charging.unlatch(self.updated_at)
        self._tell_host()

    def power_supply(self, *, powered: bool) -> None:
        """Switch the wall's power on or off; a plugged-in car resumes when it returns."""
        self.advance()
        self.charging.power_supply(powered=powered)
        if powered:
            self._resume()

    def limit_supply(self, kilowatts: float) -> None:
        """Draw at most so much from the home's wall from now on; for the home that charges the car."""
        if kilowatts != self.charging.home_limit and self.charging.limit_supply(kilowatts):
            self._resume()

    def drive_to(self, latitude: float, longitude: float, mph: float, name: str = "") -> None:
        """Drive to a place at a constant speed; a plugged-in cable is pulled out first."""
        self.advance()
        self.connectivity.rouse(self.updated_at)
        self.charging.unplug()
        self.fast_charging.unlatch(self.updated_at)
        self._tell_host()
        self.charging.port_open = False
        self.drive.start(latitude, longitude, mph, name)

    def reboot(self) -> None:
        """Restart the computers: both security domains begin a new epoch."""
        self.advance()
        self.connectivity.rouse(self.updated_at)
        self.security.reboot(self.updated_at, self.spec.boot_seconds)

    def _resume(self) -> None:
        if not self.agenda().holds_back(self.updated_at):
            self.charging.start(self.updated_at)
            if self.charging.active:
                self.connectivity.rouse(self.updated_at)

    def _tell_host(self) -> None:
        if self.host is not None:
            self.host.cable_moved(self)

    def _random(self, purpose: str) -> Random:
        return Random(f"{self._origin}/{purpose}")  # noqa: S311 - repeatable on purpose

    def _number(self, purpose: str, digits: int) -> int:
        digest = hashlib.sha256(f"{self._origin}/{purpose}".encode()).digest()
        lowest = int("1".ljust(digits, "0"))
        return lowest + int.from_bytes(digest[:8]) % (9 * lowest)


def _connectivity(spec: CarSpec, now: float) -> Connectivity:
    return Connectivity(
        sleep_after=spec.sleep_after if spec.falls_asleep else math.inf,
        sleep_shows_as=Connection(spec.sleep_shows_as),
        active_at=now,
        asleep=spec.state == "asleep",
        no_network=spec.state == "offline",
    )


def _alerts(spec: CarSpec, now: float) -> AlertLog:
    log = AlertLog()
    for alert in spec.alerts:
        log.start(alert.name, alert.audience, alert.user_text, now)
    return log


def _battery(spec: CarSpec, model: VehicleModel) -> Battery:
    energy = model.capacity_kwh * spec.battery_level / 100
    return Battery(model.capacity_kwh, energy, spec.outside_temperature)


def _charging(spec: CarSpec, model: VehicleModel, battery: Battery, now: float) -> Charging:
    amps = model.max_ac_amps if spec.charging_amps is None else spec.charging_amps
    charging = Charging(model, battery, spec.charge_limit, amps)
    if spec.plugged_in:
        charging.plug(spec.supply)
        if spec.charging:
            charging.start(now)
    return charging


def _climate(spec: CarSpec) -> Climate:
    inside = spec.inside_temperature
    return Climate(
        inside=spec.outside_temperature if inside is None else inside,
        outside=spec.outside_temperature,
        running=spec.climate_on,
    )


def _body(spec: CarSpec) -> Body:
    update = SoftwareUpdate(spec.available_update or "", "available" if spec.available_update else "")
    return Body(locked=spec.locked, update=update)
