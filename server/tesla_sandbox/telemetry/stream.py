"""What one car streams for one application: connection, bundles, alerts and errors."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType

from google.protobuf.message import Message
from tesla_protocol.telemetry.vehicle_alert_pb2 import Audience, VehicleAlert, VehicleAlerts
from tesla_protocol.telemetry.vehicle_connectivity_pb2 import ConnectivityEvent, VehicleConnectivity
from tesla_protocol.telemetry.vehicle_data_pb2 import Payload
from tesla_protocol.telemetry.vehicle_error_pb2 import VehicleError, VehicleErrors

from tesla_sandbox.billing import Price
from tesla_sandbox.cars.alerts import Alert
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.telemetry_configs import TelemetryConfig, TelemetryError
from tesla_sandbox.faults import Fault
from tesla_sandbox.telemetry.bundler import BUNDLE_SECONDS, Bundler
from tesla_sandbox.telemetry.configuration import Settings
from tesla_sandbox.telemetry.link import Link
from tesla_sandbox.telemetry.record import RecordType, TelemetryRecord, timestamp
from tesla_sandbox.world import Application, World

Publish = Callable[[TelemetryRecord], None]

BUFFERED_BUNDLES = 5000
"""Bundles that a car keeps while it cannot send; then the oldest is lost. Source: Tesla Fleet API
documentation, fleet-telemetry."""

_SHORTEST_WAIT = 0.001

AUDIENCES: Mapping[str, Audience] = MappingProxyType(
    {
        "customer": Audience.Customer,
        "service": Audience.Service,
        "service-fix": Audience.ServiceFix,
    }
)
"""Audiences of alerts by their names in a configuration."""


class Stream:
    """One stream. It is brought up to date by `live`, which says when to do so next.

    A car streams while it is awake and its driver lets it. Without network it goes on to make bundles and keeps
    them for the next connection; asleep it makes none, and after waking it begins with every field anew.

    Args:
        car: The car; `closed` and `next_moment` say whether and when it has to be looked at.
        application: Whose configuration it is, and who is billed for every value.
        config: The application's configuration.
        world: The world, with its faults and its forced values.
        publish: Takes the records.
    """

    def __init__(
        self, car: Car, application: Application, config: TelemetryConfig, world: World, publish: Publish
    ) -> None:
        self.car = car
        self.config = config
        self.next_moment = -math.inf
        self.closed = False
        self.application = application
        self._faults = world.faults
        self._publish = publish
        self._settings = Settings.model_validate(config.settings)
        self._bundler = Bundler(car, self._settings, world.forced_signals)
        self._link = Link(f"{world.seed}/{car.vin}/{application.client_id}/telemetry")
        self._awake = False
        self._kept: deque[bytes] = deque(maxlen=BUFFERED_BUNDLES)
        self._alerts_seen = 0

    @property
    def expires_at(self) -> float:
        """When the configuration ends; infinite when it does not."""
        return math.inf if self._settings.exp is None else float(self._settings.exp)

    def live(self, now: float) -> None:
        """Do what is due at `now`, and note when to do so next."""
        self.car.advance()
        self._follow_sleep(now)
        self._follow_network(now)
        if self._link.connected:
            self._report_alerts(now)
            self._report_errors(now)
        bundle = self._bundler.collect(now)
        if bundle is not None:
            self._send(bundle, now)
        self.next_moment = self._next_moment(now)

    def close(self, now: float) -> None:
        """End the stream for good; the server sees the connection close."""
        self._hang_up(now)
        self.closed, self.next_moment = True, math.inf

    def _next_moment(self, now: float) -> float:
        moment = min(self._bundler.next_moment, self.expires_at)
        if self._awake:
            moment = min(moment, self._link.next_attempt)
        if moment > now + BUNDLE_SECONDS:
            moment = min(moment, self.car.next_change())
        return max(moment, now + _SHORTEST_WAIT)

    def _follow_sleep(self, now: float) -> None:
        awake = self.car.may_stream and not self.car.connectivity.asleep
        if awake == self._awake:
            return
        self._awake = awake
        if awake:
            self._bundler.begin(now)
        else:
            self._hang_up(now)
            self._bundler.rest()

    def _follow_network(self, now: float) -> None:
        network = self.car.connectivity.reachable
        if self._link.connected and not network:
            self._disconnect(now)
        elif self._awake and self._link.attempt(now, network=network):
            self._connect(now)

    def _connect(self, now: float) -> None:
        self.config.adopted = True
        self._report_connectivity(ConnectivityEvent.CONNECTED, now)
        while self._kept:
            self._deliver(Payload.FromString(self._kept.popleft()))

    def _hang_up(self, now: float) -> None:
        if self._link.connected:
            self._report_connectivity(ConnectivityEvent.DISCONNECTED, now)
        self._link.rest()

    def _disconnect(self, now: float, seconds: float = 0.0) -> None:
        self._report_connectivity(ConnectivityEvent.DISCONNECTED, now)
        self._link.lose(now, seconds)

    def _send(self, bundle: Payload, now: float) -> None:
        if not self._link.connected:
            self._keep(bundle)
            return
        gap = self._faults.take("telemetry_gap", self.car.vin)
        if gap is None:
            self._deliver(bundle)
        else:
            self._break(bundle, gap, now)

    def _break(self, bundle: Payload, gap: Fault, now: float) -> None:
        """Lose the connection while a bundle is on its way: it arrives or not, unacknowledged."""
        if gap.parameters["delivered"]:
            self._deliver(bundle)
        if self._settings.delivery_policy == "latest":
            self._keep(bundle)
        self._disconnect(now, gap.seconds)

    def _keep(self, bundle: Payload) -> None:
        bundle.is_resend = self._settings.delivery_policy == "latest"
        self._kept.append(bundle.SerializeToString())

    def _report_connectivity(self, status: ConnectivityEvent, now: float) -> None:
        record = VehicleConnectivity(
            vin=self.car.vin,
            connection_id=self._link.connection_id,
            status=status,
            created_at=timestamp(now),
            network_interface="wifi" if self.car.parked else "cellular",
        )
        self._emit(RecordType.CONNECTIVITY, record)

    def _report_alerts(self, now: float) -> None:
        log = self.car.alerts
        if log.revision == self._alerts_seen:
            return
        wanted = [
            _alert_message(alert)
            for alert in log.changed_since(self._alerts_seen)
            if not set(alert.audience).isdisjoint(self._settings.alert_types)
        ]
        self._alerts_seen = log.revision
        if wanted:
            self._emit(RecordType.ALERTS, VehicleAlerts(alerts=wanted, created_at=timestamp(now), vin=self.car.vin))

    def _report_errors(self, now: float) -> None:
        fault = self._faults.take("telemetry_error", self.car.vin)
        if fault is None:
            return
        name, body = str(fault.parameters["name"]), str(fault.parameters["body"])
        self.car.telemetry.errors.append(TelemetryError(self.application.name, f"{name}: {body}"))
        error = VehicleError(created_at=timestamp(now), name=name, body=body)
        self._emit(RecordType.ERRORS, VehicleErrors(errors=[error], created_at=timestamp(now), vin=self.car.vin))

    def _deliver(self, bundle: Payload) -> None:
        self.application.billing.count(Price.STREAMING_SIGNAL, self.car.clock.now(), len(bundle.data))
        self._emit(RecordType.VEHICLE_DATA, bundle)

    def _emit(self, record_type: RecordType, message: Message) -> None:
        self._publish(TelemetryRecord(record_type, self.car.vin, message))


def _alert_message(alert: Alert) -> VehicleAlert:
    return VehicleAlert(
        name=alert.name,
        audiences=[AUDIENCES[audience] for audience in alert.audience],
        started_at=timestamp(alert.started_at),
        ended_at=timestamp(alert.ended_at) if alert.ended_at is not None else None,
    )
