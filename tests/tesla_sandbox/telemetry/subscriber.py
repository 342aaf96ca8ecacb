"""A subscriber of the ZeroMQ output, and a paired car whose telemetry it watches step by step."""

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import zmq
import zmq.asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import Message
from tesla_protocol.telemetry.vehicle_alert_pb2 import VehicleAlerts
from tesla_protocol.telemetry.vehicle_connectivity_pb2 import ConnectivityEvent, VehicleConnectivity
from tesla_protocol.telemetry.vehicle_data_pb2 import Field, Payload
from tesla_protocol.telemetry.vehicle_error_pb2 import VehicleErrors

from tests.processes import PATIENCE_SECONDS, Json, until
from tests.tesla_sandbox.person import Person
from tests.tesla_sandbox.test_vehicle_telemetry_configuration import CREATE, SETTINGS, token

VIN = "LRW3E7EK5PC000101"
FENCE_VIN = "LRW3E7EK5PC000909"
START = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
MESSAGES: Mapping[str, type[Message]] = {
    "tesla_V": Payload,
    "tesla_alerts": VehicleAlerts,
    "tesla_errors": VehicleErrors,
    "tesla_connectivity": VehicleConnectivity,
}


@dataclass(frozen=True)
class Received:
    """One record as it came."""

    topic: str
    payload: bytes

    @property
    def message(self) -> Any:
        return MESSAGES[self.topic].FromString(self.payload)

    @property
    def kind(self) -> str:
        return self.topic.removeprefix("tesla_")

    @property
    def seconds(self) -> float:
        """When the record was made, after the start of the scenario."""
        created: datetime = self.message.created_at.ToDatetime(UTC)
        return (created - START).total_seconds()

    @property
    def fields(self) -> dict[str, Any]:
        """The values of a bundle by field; enums as their names, `invalid` as None."""
        return {Field.Name(datum.key): plain(datum.value) for datum in self.message.data}

    @property
    def status(self) -> str:
        return ConnectivityEvent.Name(self.message.status)


def plain(value: Any) -> Any:
    arm = value.WhichOneof("value")
    if arm == "invalid":
        return None
    held = getattr(value, arm)
    enum = value.DESCRIPTOR.fields_by_name[arm].enum_type
    return held if enum is None else enum.values_by_number[held].name


class Telemetry:
    """A person with two paired cars under a paused clock, and what the first car streams.

    The second car is a fence: its alerts tell that everything before them has arrived.
    """

    def __init__(self, person: Person, key: ec.EllipticCurvePrivateKey, socket: zmq.asyncio.Socket) -> None:
        self.person = person
        self.control = person.sandbox.control
        self._key = key
        self._socket = socket
        self._fences = itertools.count(1)

    async def configure(self, fields: Mapping[str, object], *, vin: str = VIN, **claims: object) -> list[Received]:
        """Leave a configuration; returns what is streamed at once."""
        named = {
            name: {"interval_seconds": value} if isinstance(value, int) else value for name, value in fields.items()
        }
        body = {"vins": [vin], "token": token(self._key, {**SETTINGS, "fields": named, **claims})}
        created = await self.person.post(CREATE, body)
        assert created.json()["response"]["updated_vehicles"] == 1, created.text
        return await self.records()

    async def step(self, seconds: float) -> list[Received]:
        """Let time pass; returns what was streamed meanwhile."""
        await self.control.patch("/clock", {"step_seconds": seconds})
        return await self.records()

    async def change(self, **changes: object) -> list[Received]:
        """Change the car without letting time pass; returns what is streamed at once."""
        await self.control.patch(f"/cars/{VIN}", changes)
        return await self.records()

    async def records(self) -> list[Received]:
        """Everything that has come and was not returned before."""
        return [record for record in await self.everything() if record.message.vin == VIN]

    async def everything(self) -> list[Received]:
        name = f"fence-{next(self._fences)}"
        await self._raise_fence(name)
        found: list[Received] = []
        while True:
            received = await self._receive()
            if not _is_fence(received):
                found.append(received)
            elif received.message.alerts[-1].name == name:
                return found

    async def until_disconnected(self) -> list[Received]:
        """What comes until the watched car's connection has ended; needs no fence."""
        found: list[Received] = []
        while not (found and found[-1].kind == "connectivity" and found[-1].status == "DISCONNECTED"):
            received = await self._receive()
            if received.message.vin == VIN:
                found.append(received)
        return found

    async def until_field(self, name: str) -> Received:
        """The next bundle of the watched car that has a field."""
        while True:
            received = await self._receive()
            if received.kind == "V" and received.message.vin == VIN and name in received.fields:
                return received

    async def joined(self) -> None:
        """Return once the publisher knows this subscriber."""

        async def arrived() -> bool:
            await self._raise_fence("joining")
            return bool(await self._socket.poll(timeout=20))

        await until(arrived)
        await self.everything()

    async def _raise_fence(self, name: str) -> None:
        await self.control.patch(f"/cars/{FENCE_VIN}", {"alert": {"name": name, "audience": ["service"]}})

    async def _receive(self) -> Received:
        assert await self._socket.poll(timeout=round(PATIENCE_SECONDS * 1000)), "nothing came"
        topic, payload = await self._socket.recv_multipart()
        return Received(topic.decode(), payload)


def _is_fence(received: Received) -> bool:
    return received.kind == "alerts" and received.message.vin == FENCE_VIN


@asynccontextmanager
async def watching(person: Person, key: ec.EllipticCurvePrivateKey, address: str) -> AsyncIterator[Telemetry]:
    """Watch the stream of a person's car."""
    with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.connect(address)
        telemetry = Telemetry(person, key, socket)
        body = token(
            key, {**SETTINGS, "fields": {"VehicleName": {"interval_seconds": 3600}}, "alert_types": ["service"]}
        )
        await person.post(CREATE, {"vins": [FENCE_VIN], "token": body})
        await telemetry.joined()
        yield telemetry


def bundles(records: list[Received]) -> list[tuple[float, dict[str, Any]]]:
    """Moment and values of every bundle among the records."""
    return [(record.seconds, record.fields) for record in records if record.kind == "V"]


def connections(records: list[Received]) -> list[tuple[float, str]]:
    """Moment and status of every change of the connection."""
    return [(record.seconds, record.status) for record in records if record.kind == "connectivity"]


def two_cars(scenario: Json, **car: object) -> Json:
    """The scenario of the tests with the watched car and the fence."""
    robin = scenario["users"][0]
    shared = {"key": "paired", "falls_asleep": False}
    robin["cars"] = [{"vin": VIN, **shared, **car}, {"vin": FENCE_VIN, **shared, "display_name": "Fence"}]
    robin["homes"] = []
    return scenario
