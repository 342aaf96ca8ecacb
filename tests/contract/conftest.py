"""A real sandbox and a real service for each test module, behind the fixture names of pytest-grpc.

pytest-grpc itself serves only synchronous servicers; its names stay, its fixtures are replaced by asynchronous ones.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio
from wattbus.v1.device_pb2 import Device, DeviceKind

from tests.processes import Sandbox
from tests.service import Service, Setup, Tenant

# These names exist in the type hints of the stubs only.
if TYPE_CHECKING:
    from wattbus.v1.device_service_pb2_grpc import DeviceServiceAsyncStub


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return Setup(tmp_path_factory.mktemp("service"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    async with setup.sandbox() as sandbox:
        yield sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grpc_server(setup: Setup, sandbox: Sandbox) -> AsyncIterator[Service]:
    async with setup.service(sandbox) as service:
        yield service
        assert service.process.returncode is None, "".join(service.stderr)
    log = "".join(service.stderr)
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def grpc_addr(grpc_server: Service) -> str:
    return grpc_server.address


@pytest.fixture(scope="module")
def grpc_channel(grpc_server: Service) -> grpc.aio.Channel:
    return grpc_server.channel


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tenant(grpc_server: Service) -> Tenant:
    return await grpc_server.new_tenant()


@pytest.fixture(scope="module")
def grpc_stub(tenant: Tenant) -> "DeviceServiceAsyncStub":
    return tenant.devices


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tenant: Tenant) -> Tenant:
    """The tenant after Robin linked everything."""
    await tenant.link()
    return tenant


@pytest_asyncio.fixture(loop_scope="module")
async def paired_car(home: Tenant) -> Device:
    return await home.device_named("Blue Comet")


@pytest_asyncio.fixture(loop_scope="module")
async def unpaired_car(home: Tenant) -> Device:
    return await home.device_named("Night Owl")


@pytest_asyncio.fixture(loop_scope="module")
async def free_battery(home: Tenant) -> Device:
    return await home.device_named("Canal House", DeviceKind.DEVICE_KIND_BATTERY)


@pytest_asyncio.fixture(loop_scope="module")
async def locked_battery(home: Tenant) -> Device:
    return await home.device_named("Dune Cottage", DeviceKind.DEVICE_KIND_BATTERY)
