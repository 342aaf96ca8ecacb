"""Bad input to any method: a clear status with the wrong fields, no trace of the inside, and the server goes on."""

import random
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wattbus.v1 import device_service_pb2 as pb

from tests.contract.test_tenants import METHODS
from tests.processes import PATIENCE_SECONDS
from tests.rich_errors import decoded, refusal_of
from tests.service import Service, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What a caller's own bytes may lead to. UNKNOWN and INTERNAL would be defects.
CALLERS_FAULT = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
}


async def answer_of(service: Service, tenant: Tenant, method: MethodDescriptor, data: bytes) -> grpc.StatusCode:
    """Send bytes as they are; a refusal must be decodable and must not show the inside of the server."""
    channel: Any = service.channel
    metadata = service.admin_metadata if method.containing_service.name == "AdminService" else tenant.metadata
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.server_streaming:
            call = channel.unary_stream(path)(data, metadata=metadata, timeout=PATIENCE_SECONDS)
            await anext(call.__aiter__())
            call.cancel()
        else:
            await channel.unary_unary(path)(data, metadata=metadata, timeout=PATIENCE_SECONDS)
    except grpc.aio.AioRpcError as error:
        refusal = decoded(error)
        assert "Traceback" not in refusal.message
        assert 'File "' not in refusal.message
        return refusal.code
    return grpc.StatusCode.OK


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_bytes_that_are_no_message_are_refused(
    grpc_server: Service, tenant: Tenant, method: MethodDescriptor
) -> None:
    assert await answer_of(grpc_server, tenant, method, b"\xff\xff\xff") is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_fields_that_nobody_knows_are_refused(
    grpc_server: Service, tenant: Tenant, method: MethodDescriptor
) -> None:
    assert await answer_of(grpc_server, tenant, method, b"\xf8\x3f\x01") is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(seed=st.integers(0, 2**32))
async def test_random_fields_are_the_callers_fault(
    grpc_server: Service, tenant: Tenant, method: MethodDescriptor, seed: int
) -> None:
    request = random_message(GetMessageClass(method.input_type)(), random.Random(seed))
    assert await answer_of(grpc_server, tenant, method, request.SerializeToString()) in CALLERS_FAULT


NASTY_TEXTS = (
    "",
    "devices/-",
    "devices/..",
    "x" * 3000,
    "devices/aaaa",
    "\u0000",
    "💥",
    "';drop table devices;--",
    "-",
)
NASTY_NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 99)


def random_message(message: Any, chance: random.Random, depth: int = 0) -> Any:
    """Fill some fields of a message with values that a careless or hostile caller could send."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.4 or depth > 3:
            continue
        count = chance.randrange(3) if field.is_repeated else 1
        for _ in range(count):
            put(message, field, chance, depth)
    return message


def put(message: Any, field: Any, chance: random.Random, depth: int) -> None:
    if field.message_type is not None:
        target = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
        target.SetInParent() if hasattr(target, "SetInParent") else None
        random_message(target, chance, depth + 1)
        return
    choices: dict[str, tuple[Any, ...]] = {
        "str": NASTY_TEXTS,
        "bool": (True, False),
        "float": (float("nan"), float("inf"), -1.0, 1e300),
        "int": NASTY_NUMBERS,
    }
    kind = type(field.default_value).__name__ if not field.is_repeated else {9: "str"}.get(field.type, "int")
    value = chance.choice(choices[kind])
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


async def test_an_oversized_message_is_refused(grpc_server: Service, tenant: Tenant) -> None:
    channel: Any = grpc_server.channel
    request = pb.GetDeviceRequest(name="x" * (2 << 20)).SerializeToString()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/wattbus.v1.DeviceService/GetDevice")(request, metadata=tenant.metadata)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("token", ["x", "AAAA", "=" * 40, "💥", "x" * 3000], ids=range(5))
async def test_malformed_tokens_are_refused(tenant: Tenant, token: str) -> None:
    page = pb.ListDevicesRequest(page_token=token)
    refusal = await refusal_of(tenant.devices.ListDevices(page, metadata=tenant.metadata))
    assert (refusal.code, refusal.reason) in {
        (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"),
        (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
    }
    watch = pb.WatchDeviceStatesRequest(resume_token=token)
    refusal = await refusal_of(anext(tenant.devices.WatchDeviceStates(watch, metadata=tenant.metadata).__aiter__()))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    commands = pb.WatchCommandsRequest(resume_token=token)
    refusal = await refusal_of(anext(tenant.devices.WatchCommands(commands, metadata=tenant.metadata).__aiter__()))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/link/" + "x" * 5000, 404),
        ("GET", "/link/..%2f..%2fetc", 404),
        ("POST", "/link/unknown", 404),
        ("PUT", "/link/unknown", 405),
        ("GET", "/oauth/callback/tesla?state=forged&code=1", 400),
        ("GET", "/oauth/callback/tesla", 400),
        ("GET", "/oauth/callback/tesla?state=" + "x" * 9000, 400),
        ("GET", "/oauth/callback/nobody", 404),
        ("DELETE", "/healthz", 405),
    ],
)
async def test_the_http_side_answers_nonsense_with_a_page(
    grpc_server: Service, method: str, path: str, status: int
) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        answer = await client.request(method, grpc_server.http_url + path)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


async def test_the_server_still_serves(grpc_server: Service, tenant: Tenant) -> None:
    assert await tenant.list_devices() == []
    assert grpc_server.process.returncode is None
