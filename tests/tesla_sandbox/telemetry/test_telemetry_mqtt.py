"""The MQTT output, seen by a client of a real broker."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec

from tests.processes import PATIENCE_SECONDS, Json, sandbox_process, until
from tests.service import free_port
from tests.tesla_sandbox.person import Person
from tests.tesla_sandbox.telemetry.broker import Broker, running_broker
from tests.tesla_sandbox.telemetry.subscriber import FENCE_VIN, VIN, Telemetry, two_cars
from tests.tesla_sandbox.test_vehicle_telemetry_configuration import CREATE, SETTINGS, token

BASE = "cars/live"


FENCES = itertools.count(1)


class Watcher:
    """An MQTT client; its fences are alerts of the fence car, as those of the ZeroMQ subscriber."""

    def __init__(self, telemetry: Telemetry, client: aiomqtt.Client) -> None:
        self._telemetry = telemetry
        self._client = client

    async def messages(self) -> list[tuple[str, Any]]:
        """Topic below the car's, and parsed value, of everything that has come for the watched car."""
        name = f"mqtt-fence-{next(FENCES)}"
        fence = {"alert": {"name": name, "audience": ["service"]}}
        await self._telemetry.control.patch(f"/cars/{FENCE_VIN}", fence)
        found: list[tuple[str, Any]] = []
        async for message in self._client.messages:
            topic = str(message.topic)
            if topic == f"{BASE}/{FENCE_VIN}/alerts/{name}/history":
                break
            if topic.startswith(f"{BASE}/{VIN}/"):
                assert isinstance(message.payload, bytes)
                found.append((topic.removeprefix(f"{BASE}/{VIN}/"), json.loads(message.payload)))
        return found


@asynccontextmanager
async def subscribed(telemetry: Telemetry, broker: Broker) -> AsyncIterator[Watcher]:
    async with aiomqtt.Client("127.0.0.1", broker.port, timeout=PATIENCE_SECONDS) as client:
        await client.subscribe(f"{BASE}/#", qos=0)
        watcher = Watcher(telemetry, client)
        # The broker may be behind: what comes before the first fence is of earlier tests.
        await watcher.messages()
        yield watcher


@pytest_asyncio.fixture
async def watcher(telemetry: Telemetry, broker: Broker) -> AsyncIterator[Watcher]:
    async with subscribed(telemetry, broker) as watching:
        yield watching


async def test_every_field_has_a_topic_with_its_bare_value(telemetry: Telemetry, watcher: Watcher) -> None:
    await telemetry.configure(
        {
            "BatteryLevel": 1,
            "Locked": 1,
            "Gear": 1,
            "VehicleName": 1,
            "Location": 1,
            "DoorState": 1,
            "TpmsSoftWarnings": 1,
            "DestinationName": 1,
            "ChargeLimitSoc": 1,
        }
    )
    values = {topic: value for topic, value in await watcher.messages() if topic.startswith("v/")}
    assert values == {
        "v/BatteryLevel": 60.0,
        "v/Locked": True,
        "v/Gear": "ShiftStateP",
        "v/VehicleName": "Car",
        "v/Location": {"latitude": 52.37, "longitude": 4.9},
        "v/DoorState": dict.fromkeys(
            ("DriverFront", "DriverRear", "PassengerFront", "PassengerRear", "TrunkFront", "TrunkRear"), False
        ),
        "v/TpmsSoftWarnings": {},
        "v/DestinationName": None,
        "v/ChargeLimitSoc": 80,
    }
    await telemetry.change(charge_limit=85)
    await telemetry.step(1)
    assert await watcher.messages() == [("v/ChargeLimitSoc", 85)]


async def test_the_connection_is_a_topic(telemetry: Telemetry, watcher: Watcher) -> None:
    records = await telemetry.configure({"Locked": 1})
    await telemetry.step(5)
    await telemetry.change(state="asleep")
    shown = [value for topic, value in await watcher.messages() if topic == "connectivity"]
    connection = records[0].message.connection_id
    assert shown == [
        {"ConnectionId": connection, "Status": "CONNECTED", "CreatedAt": "2026-06-21T10:00:00Z"},
        {"ConnectionId": connection, "Status": "DISCONNECTED", "CreatedAt": "2026-06-21T10:00:05Z"},
    ]


async def test_alerts_have_a_current_state_and_a_history(telemetry: Telemetry, watcher: Watcher) -> None:
    await telemetry.configure({"Locked": 1}, alert_types=["customer"])
    await telemetry.change(alert={"name": "CHG_f1", "audience": ["customer", "service"]})
    await telemetry.step(60)
    await telemetry.change(alert_ended="CHG_f1")
    alerts = [entry for entry in await watcher.messages() if entry[0].startswith("alerts/")]
    started = {"Name": "CHG_f1", "StartedAt": "2026-06-21T10:00:00Z", "Audiences": ["Customer", "Service"]}
    ended = {**started, "EndedAt": "2026-06-21T10:01:00Z"}
    assert alerts == [
        ("alerts/CHG_f1/current", started),
        ("alerts/CHG_f1/history", [started]),
        ("alerts/CHG_f1/current", ended),
        ("alerts/CHG_f1/history", [ended]),
    ]


async def test_errors_have_a_topic_each(telemetry: Telemetry, watcher: Watcher) -> None:
    await telemetry.configure({"Locked": 1})
    await telemetry.control.inject_fault("telemetry_error", target=VIN)
    await telemetry.step(1)
    ((topic, value),) = [entry for entry in await watcher.messages() if entry[0].startswith("errors/")]
    assert topic == "errors/cloud_channel_manager_unknown_topic"
    assert value == {
        "Name": "cloud_channel_manager_unknown_topic",
        "Body": "a simulated error",
        "Tags": {},
        "CreatedAt": "2026-06-21T10:00:01Z",
    }


async def test_quality_and_retention_are_those_of_the_scenario_and_messages_wait_for_the_broker(
    scenario: Callable[[], Json],
    browser: httpx.AsyncClient,
    application_key: ec.EllipticCurvePrivateKey,
    tmp_path: Path,
) -> None:
    port = free_port()
    mqtt = {"host": "127.0.0.1", "port": port, "topic_base": "kept/here", "qos": 1, "retained": True}
    async with sandbox_process(scenario={**two_cars(scenario()), "telemetry": {"mqtt": mqtt}}) as sandbox:
        assert sandbox.announcement["telemetry"] == {"mqtt": f"mqtt://127.0.0.1:{port}/kept/here"}
        person = Person(sandbox, browser)
        await person.link()
        await person.post(CREATE, {"vins": [VIN], "token": token(application_key, SETTINGS)})
        async with (
            running_broker(tmp_path, port) as broker,
            aiomqtt.Client("127.0.0.1", broker.port, timeout=PATIENCE_SECONDS) as client,
        ):

            async def retained() -> bool:
                await client.unsubscribe("kept/here/+/v/Soc")
                await client.subscribe("kept/here/+/v/Soc", qos=1)
                try:
                    message = await asyncio.wait_for(anext(aiter(client.messages)), 0.2)
                except TimeoutError:
                    return False
                assert json.loads(message.payload) == 60.0
                assert message.qos == 1
                return message.retain

            await until(retained)
