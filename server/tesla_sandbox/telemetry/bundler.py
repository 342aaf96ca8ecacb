"""Gathers what changed on a car into bundles, one every half second at most."""

import math
from collections.abc import Callable

from tesla_protocol.telemetry.vehicle_data_pb2 import Datum, Payload

from tesla_sandbox.cars.car import Car
from tesla_sandbox.telemetry.configuration import Settings
from tesla_sandbox.telemetry.field_stream import FieldStream
from tesla_sandbox.telemetry.record import timestamp
from tesla_sandbox.telemetry.signals import SIGNALS

BUNDLE_SECONDS = 0.5
"""How often a car may send. Source: Tesla Fleet API documentation, fleet-telemetry."""


class Bundler:
    """The configured fields of one stream, and the half-second grid on which they are bundled.

    Args:
        car: The car that is read.
        settings: The configuration.
    """

    def __init__(self, car: Car, settings: Settings) -> None:
        self._car = car
        self._configured = [
            FieldStream.configured(name, SIGNALS[name], field)
            for name, field in settings.fields.items()
            if name in SIGNALS
        ]
        self._fields: list[FieldStream] = []
        self._firmware = ""
        self._origin = -math.inf
        self._next = math.inf

    @property
    def next_moment(self) -> float:
        """When the next bundle may have something in it; infinite while the car sleeps."""
        return self._next

    def begin(self, now: float) -> None:
        """Start with a bundle of every field, at `now`."""
        for field in self._configured:
            field.forget()
        self._origin = self._next = now

    def rest(self) -> None:
        """Make no bundles until the next beginning."""
        self._next = math.inf

    def collect(self, now: float) -> Payload | None:
        """The bundle that is due at `now`; None when none is, or when there is nothing to say."""
        if now < self._next:
            return None
        moment = self._on_grid(now, math.floor)
        car = self._car
        if car.firmware != self._firmware:
            self._follow_firmware()
        taken = [field for field in self._fields if field.take(car, moment)]
        self._schedule(moment)
        if not taken:
            return None
        data = [Datum(key=field.name, value=field.signal.encode(field.sent)) for field in taken]
        return Payload(data=data, created_at=timestamp(moment), vin=car.vin)

    def _follow_firmware(self) -> None:
        self._firmware = self._car.firmware
        self._fields = [field for field in self._configured if self._car.firmware_at_least(*field.signal.since)]

    def _schedule(self, moment: float) -> None:
        due = min((field.due_at for field in self._fields), default=math.inf)
        self._next = max(self._on_grid(due, math.ceil), moment + BUNDLE_SECONDS) if due < math.inf else due

    def _on_grid(self, moment: float, whole: Callable[[float], int]) -> float:
        return self._origin + BUNDLE_SECONDS * whole((moment - self._origin) / BUNDLE_SECONDS)
