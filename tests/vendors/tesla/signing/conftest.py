import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.vendors.tesla.signing.memory_store import MemorySessionStore
from tests.vendors.tesla.signing.simulated_vehicle import Clock, Vehicle
from wattbus_server.vendors.tesla.signing import ClientKey, VehicleCommandClient


@pytest.fixture(scope="session")
def key() -> ClientKey:
    return ClientKey(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vehicle(clock: Clock, key: ClientKey) -> Vehicle:
    vehicle = Vehicle(clock)
    vehicle.pair(key.public_point)
    return vehicle


@pytest.fixture
def store() -> MemorySessionStore:
    return MemorySessionStore()


@pytest.fixture
def client(key: ClientKey, store: MemorySessionStore, clock: Clock) -> VehicleCommandClient:
    return VehicleCommandClient(key, store, wall_clock=clock, monotonic=clock, sleep=clock.sleep)
