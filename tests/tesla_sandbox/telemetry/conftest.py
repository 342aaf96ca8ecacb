"""One sandbox with a ZeroMQ output and an MQTT output to a real broker, shared by the tests."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec

from tests.processes import Json, Sandbox, sandbox_process
from tests.tesla_sandbox.person import Person
from tests.tesla_sandbox.telemetry.broker import Broker, running_broker
from tests.tesla_sandbox.telemetry.subscriber import Telemetry, two_cars, watching


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def telemetry_program(broker: Broker) -> AsyncIterator[Sandbox]:
    options = ["--telemetry-zmq", "tcp://127.0.0.1:*", "--telemetry-mqtt", f"{broker.url}/cars/live"]
    async with sandbox_process(options=options) as running:
        yield running
        assert not any("Traceback" in line for line in running.stderr), "".join(running.stderr)


@pytest_asyncio.fixture
async def sandbox(telemetry_program: Sandbox, scenario: Callable[[], Json]) -> AsyncIterator[Sandbox]:
    """The program with a fresh world of two paired cars."""
    async with telemetry_program.connected() as fresh:
        await fresh.control.put("/scenario", two_cars(scenario()))
        yield fresh


@pytest_asyncio.fixture
async def telemetry(person: Person, application_key: ec.EllipticCurvePrivateKey) -> AsyncIterator[Telemetry]:
    """The stream of the first car, which has no configuration yet."""
    address = person.sandbox.announcement["telemetry"]["zmq"]
    async with watching(person, application_key, address) as watched:
        yield watched
