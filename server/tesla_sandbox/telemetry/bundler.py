"""Gathers what changed on a car into bundles, one every half second at most."""

import math
from collections.abc import Callable, Mapping

from tesla_protocol.telemetry.vehicle_data_pb2 import Datum, Payload

from tesla_sandbox.cars.car import Car
from tesla_sandbox.telemetry.configuration import Settings
from tesla_sandbox.telemetry.field_stream import FieldStream
from tesla_sandbox.telemetry.forced import ForcedSignals
from tesla_sandbox.telemetry.record import timestamp
from tesla_sandbox.telemetry.signals import SIGNALS
from tesla_sandbox.telemetry.signals.signal import Signal

BUNDLE_SECONDS = 0.5
"""How often a car may send. Source: Tesla Fleet API documentation, fleet-telemetry."""


_SILENT = Signal("", lambda _: None)
"""Stands for a field that the car does not have."""


class Bundler:
    """The configured fields of one stream, and the half-second grid on which they are bundled.

    Args:
        car: The car that is read.
        settings: The configuration.
        forced: Fields that say what tests tell them.
    """

    def __init__(self, car: Car, settings: Settings, forced: ForcedSignals) -> None:
        self._car = car
        self._forced = forced
        self._configured = [
            FieldStream.configured(name, SIGNALS.get(name, _SILENT), field) for name, field in settings.fields.items()
        ]
        self._fields: list[FieldStream] = []
        self._chosen_for: tuple[str, Mapping[str, Signal]] | None = None
        self._awake = False
        self._origin = self._last = -math.inf
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
        self._awake, self._last = True, -math.inf

    def rest(self) -> None:
        """Make no bundles until the next beginning."""
        self._awake, self._next = False, math.inf

    def collect(self, now: float) -> Payload | None:
        """The bundle that is due at `now`; None when none is, or when there is nothing to say."""
        self._choose_fields(now)
        if now < self._next:
            return None
        moment = self._last = self._on_grid(now, math.floor)
        car = self._car
        taken = [field for field in self._fields if field.take(car, moment)]
        self._schedule(moment)
        if not taken:
            return None
        data = [Datum(key=field.name, value=field.signal.encode(field.sent)) for field in taken]
        return Payload(data=data, created_at=timestamp(moment), vin=car.vin)

    def _choose_fields(self, now: float) -> None:
        """Follow firmware and forced values: they decide which fields speak."""
        forced = self._forced.of(self._car.vin)
        if self._chosen_for is not None and self._chosen_for[0] == self._car.firmware and self._chosen_for[1] is forced:
            return
        self._chosen_for = self._car.firmware, forced
        for field in self._configured:
            field.signal = forced.get(field.name, SIGNALS.get(field.name, _SILENT))
        self._fields = [field for field in self._configured if self._speaks(field)]
        if self._awake:
            self._next = min(self._next, max(self._on_grid(now, math.ceil), self._last + BUNDLE_SECONDS))

    def _speaks(self, field: FieldStream) -> bool:
        return field.signal is not _SILENT and self._car.firmware_at_least(*field.signal.since)

    def _schedule(self, moment: float) -> None:
        due = min((field.due_at for field in self._fields), default=math.inf)
        self._next = max(self._on_grid(due, math.ceil), moment + BUNDLE_SECONDS) if due < math.inf else due

    def _on_grid(self, moment: float, whole: Callable[[float], int]) -> float:
        return self._origin + BUNDLE_SECONDS * whole((moment - self._origin) / BUNDLE_SECONDS)
