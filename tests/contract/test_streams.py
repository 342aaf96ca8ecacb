"""Streams at the wire: silence is bounded, slow readers are told and harm nobody, tenants have a limit."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from wattbus.v1 import device_service_pb2 as pb
from wattbus.v1.device_service_pb2_grpc import DeviceServiceStub

from tests.processes import PATIENCE_SECONDS, Sandbox
from tests.rich_errors import refusal_of
from tests.service import Service, Setup, Tenant

if TYPE_CHECKING:
    from wattbus.v1.device_service_pb2_grpc import DeviceServiceAsyncStub

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMS_PER_TENANT = 30


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grpc_server(setup: Setup, sandbox: Sandbox) -> AsyncIterator[Service]:
    """A service with tight limits."""
    changes = {
        "STREAMS_PER_TENANT": str(STREAMS_PER_TENANT),
        "STREAM_WRITE_TIMEOUT": "PT5S",
        "TESLA__LIVE_STATUS_INTERVAL": "PT0.05S",
        "TESLA__SITE_INFO_INTERVAL": "PT0.1S",
    }
    async with setup.service(sandbox, **changes) as service:
        yield service


async def test_silence_is_broken_by_heartbeats_that_carry_a_token(tenant: Tenant) -> None:
    selection = pb.DeviceSelection(external_user_id="nobody")
    request = pb.WatchDeviceStatesRequest(selection=selection, heartbeat_interval=Duration(seconds=1))
    loop = asyncio.get_running_loop()
    begin = loop.time()
    responses = tenant.devices.WatchDeviceStates(request, metadata=tenant.metadata).__aiter__()
    first = await anext(responses)
    assert first.in_sync
    heartbeats = [await anext(responses) for _ in range(2)]
    assert loop.time() - begin >= 2
    assert all(one.resume_token and not one.events and not one.in_sync for one in heartbeats)


async def test_a_reader_who_takes_nothing_is_told_and_delays_nobody(grpc_server: Service, home: Tenant) -> None:
    # Without these the client's library would read ahead for its caller, several megabytes.
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024)]
    async with grpc.aio.insecure_channel(grpc_server.address, options=options) as channel:
        slow: DeviceServiceAsyncStub = DeviceServiceStub(channel)
        stuck = slow.WatchDeviceStates(pb.WatchDeviceStatesRequest(), metadata=home.metadata)
        await anext(stuck.__aiter__())
        quick = home.devices.WatchDeviceStates(pb.WatchDeviceStatesRequest(), metadata=home.metadata)
        changes = 0
        async with asyncio.timeout(90):
            async for response in quick:
                changes += sum(event.cause == pb.DEVICE_STATE_CAUSE_CHANGE for event in response.events)
                if "SLOW_CONSUMER" in "".join(grpc_server.stderr):
                    break
        quick.cancel()
        assert changes > 1
        refusal = await refusal_of(_rest(stuck))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER")


async def _rest(call: Any) -> None:
    async for _ in call:
        pass


async def test_a_tenant_has_a_limited_number_of_streams(grpc_server: Service) -> None:
    crowd = await grpc_server.new_tenant("Crowd")
    request = pb.WatchDeviceStatesRequest()
    calls = [crowd.devices.WatchDeviceStates(request, metadata=crowd.metadata) for _ in range(STREAMS_PER_TENANT)]
    for call in calls:
        await anext(call.__aiter__())
    one_more = crowd.devices.WatchDeviceStates(request, metadata=crowd.metadata)
    refusal = await refusal_of(anext(one_more.__aiter__()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
    assert refusal.metadata["limit"] == str(STREAMS_PER_TENANT)
    calls[0].cancel()

    async def place_is_free() -> bool:
        try:
            await anext(crowd.devices.WatchDeviceStates(request, metadata=crowd.metadata).__aiter__())
        except grpc.aio.AioRpcError:
            return False
        return True

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await place_is_free():  # noqa: ASYNC110 - the server notices a cancelled call in its own time
            await asyncio.sleep(0.05)
    for call in calls:
        call.cancel()
