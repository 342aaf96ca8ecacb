"""Runs the streams of all configured cars; cars without a configuration take no part."""

import heapq
import itertools
import math
from collections.abc import Callable

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.telemetry_configs import TelemetryConfig
from tesla_sandbox.telemetry.stream import Publish, Stream
from tesla_sandbox.world import World


class TelemetryEmitter:
    """All streams of a world, ordered by when they have something to do.

    Args:
        world: The world; the emitter listens for changed configurations from now on.
        publish: Takes the records.
        nudge: Called when something is due earlier than `next_moment` said before.
    """

    def __init__(self, world: World, publish: Publish, nudge: Callable[[], None]) -> None:
        self._world = world
        self._publish = publish
        self._nudge = nudge
        self._streams: dict[str, dict[str, Stream]] = {}
        self._queue: list[tuple[float, int, Stream]] = []
        self._order = itertools.count()
        world.on_telemetry_change = self.follow

    def follow(self, car: Car) -> None:
        """Open and close streams as the car's configurations now say."""
        now = self._world.clock.time()
        configs = dict(car.telemetry)
        streams = self._streams.setdefault(car.vin, {})
        for client_id in [known for known, stream in streams.items() if configs.get(known) is not stream.config]:
            streams.pop(client_id).close(now)
        for client_id in [client_id for client_id in configs if client_id not in streams]:
            streams[client_id] = self._open(car, client_id, configs[client_id])
        if not streams:
            del self._streams[car.vin]
        car.watch((lambda: self._look_at(car.vin)) if streams else None)
        self._look_at(car.vin)

    def next_moment(self) -> float:
        """When a stream has something to do next; infinite when none does."""
        while self._queue and self._queue[0][0] != self._queue[0][2].next_moment:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else math.inf

    def take_due(self) -> None:
        """Let every stream live whose moment has come."""
        now = self._world.clock.time()
        while self.next_moment() <= now:
            stream = heapq.heappop(self._queue)[2]
            if stream.car.telemetry.expire(now):
                self.follow(stream.car)
            if not stream.closed:
                stream.live(now)
                self._enqueue(stream, stream.next_moment)
                self._world.stop_beyond_limit(stream.application)

    def _open(self, car: Car, client_id: str, config: TelemetryConfig) -> Stream:
        return Stream(car, self._world.applications[client_id], config, self._world, self._publish)

    def _look_at(self, vin: str) -> None:
        """Something happened to a car: its streams are due now."""
        now = self._world.clock.time()
        for stream in self._streams.get(vin, {}).values():
            if stream.next_moment > now or stream.next_moment == -math.inf:
                self._enqueue(stream, now)
        self._nudge()

    def _enqueue(self, stream: Stream, moment: float) -> None:
        stream.next_moment = moment
        if moment < math.inf:
            heapq.heappush(self._queue, (moment, next(self._order), stream))
