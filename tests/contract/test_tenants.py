"""Tenants never meet: for another tenant nothing exists, over every method of the API."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from wattbus.v1 import admin_service_pb2, connection_service_pb2, device_service_pb2
from wattbus.v1.action_pb2 import Action, SetChargeLimit
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.device_pb2 import Device

from tests.rich_errors import Refusal, refusal_of
from tests.service import Service, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILES = (device_service_pb2.DESCRIPTOR, connection_service_pb2.DESCRIPTOR, admin_service_pb2.DESCRIPTOR)
METHODS = [method for file in FILES for service in file.services_by_name.values() for method in service.methods]
NAMES = [method.full_name for method in METHODS]

# What a method shows without a name of a resource must be empty; the fields that would hold something.
LISTS = {
    "ListDevices": "devices",
    "ListCommands": "commands",
    "ListBlockers": "blockers",
    "ListConnections": "connections",
}
ACTION = Action(set_charge_limit=SetChargeLimit(limit_percent=60))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def foreign(home: Tenant) -> dict[str, str]:
    """Names of everything that the first tenant has."""
    car: Device = await home.device_named("Blue Comet")
    create = device_service_pb2.CreateCommandRequest(parent=car.name, action=ACTION)
    command = (await home.devices.CreateCommand(create, metadata=home.metadata)).command
    session = (await home.create_link("somebody")).link_session
    return {
        "device": car.name,
        "command": command.name,
        "connection": car.connection,
        "link_session": session.name,
        "tenant": home.name,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(grpc_server: Service) -> Tenant:
    return await grpc_server.new_tenant("Stranger")


def filled(method: MethodDescriptor, foreign: dict[str, str]) -> Any:
    """Make a valid request that names what belongs to the other tenant, wherever a field can."""
    request: Any = GetMessageClass(method.input_type)()
    fields = request.DESCRIPTOR.fields_by_name
    resource = (
        "command"
        if method.name in ("GetCommand", "CancelCommand")
        else (
            "link_session"
            if method.name == "GetLinkSession"
            else ("connection" if method.containing_service.name == "ConnectionService" else "device")
        )
    )
    values: dict[str, Callable[[], None]] = {
        "name": lambda: setattr(request, "name", foreign[resource]),
        "names": lambda: request.names.append(foreign["device"]),
        "parent": lambda: setattr(request, "parent", foreign["device"]),
        "action": lambda: request.action.CopyFrom(ACTION),
        "connection": lambda: setattr(request, "connection", foreign["connection"]),
        "external_user_id": lambda: setattr(request, "external_user_id", "robin"),
        "access": lambda: request.access.append(Access.ACCESS_READ_ENERGY),
    }
    for name, fill in values.items():
        if name in fields:
            fill()
    return request


def stub_method(tenant: Tenant, method: MethodDescriptor) -> Any:
    stub = tenant.connections if method.containing_service.name == "ConnectionService" else tenant.devices
    return getattr(stub, method.name)


def tenant_methods(streaming: bool) -> Iterator[MethodDescriptor]:
    for method in METHODS:
        if method.containing_service.name != "AdminService" and method.server_streaming == streaming:
            yield method


@pytest.mark.parametrize("method", list(tenant_methods(streaming=False)), ids=lambda method: method.name)
async def test_a_second_tenant_sees_and_reaches_nothing(
    stranger: Tenant, foreign: dict[str, str], method: MethodDescriptor
) -> None:
    call = stub_method(stranger, method)(filled(method, foreign), metadata=stranger.metadata)
    if method.name in LISTS and method.name != "ListCommands":
        assert not getattr(await call, LISTS[method.name])
        return
    refusal = await refusal_of(call)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize("method", list(tenant_methods(streaming=True)), ids=lambda method: method.name)
async def test_a_second_tenant_streams_nothing(
    stranger: Tenant, foreign: dict[str, str], method: MethodDescriptor
) -> None:
    request: Any = GetMessageClass(method.input_type)()
    request.heartbeat_interval.FromSeconds(1)
    request.selection.devices.append(foreign["device"])
    call = stub_method(stranger, method)(request, metadata=stranger.metadata)
    responses = call.__aiter__()
    for response in [await anext(responses), await anext(responses)]:
        for event in [*getattr(response, "events", []), *getattr(response, "blockers", [])]:
            assert event.cause == device_service_pb2.DeviceStateCause.DEVICE_STATE_CAUSE_REMOVED
            assert not event.HasField("state")
    call.cancel()


async def test_all_commands_of_a_second_tenant_are_none(stranger: Tenant, foreign: dict[str, str]) -> None:
    assert foreign["command"]
    request = device_service_pb2.ListCommandsRequest(parent="devices/-")
    assert not (await stranger.devices.ListCommands(request, metadata=stranger.metadata)).commands


async def test_a_missing_and_a_foreign_device_look_the_same(stranger: Tenant, foreign: dict[str, str]) -> None:
    async def ask(name: str) -> Refusal:
        request = device_service_pb2.GetDeviceRequest(name=name)
        return await refusal_of(stranger.devices.GetDevice(request, metadata=stranger.metadata))

    missing, hidden = await ask("devices/aaaaaaaaaaaaaaaaaaaaa"), await ask(foreign["device"])
    assert missing.message.replace("devices/aaaaaaaaaaaaaaaaaaaaa", foreign["device"]) == hidden.message
    assert missing.metadata.keys() == hidden.metadata.keys()


@pytest.mark.parametrize("method", METHODS, ids=NAMES)
async def test_no_method_works_without_a_key(grpc_server: Service, method: MethodDescriptor) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    request = GetMessageClass(method.input_type)().SerializeToString()
    for metadata, reason in (
        (None, "API_KEY_MISSING"),
        ((("authorization", "Bearer wbk_" + "x" * 43),), "API_KEY_INVALID"),
        ((("authorization", "Basic abc"),), "API_KEY_INVALID"),
        ((("authorization", "Bearer a"), ("authorization", "Bearer b")), "API_KEY_INVALID"),
    ):
        channel: Any = grpc_server.channel
        if method.server_streaming:
            stream = channel.unary_stream(path)(request, metadata=metadata)
            refusal = await refusal_of(anext(stream.__aiter__()))
        else:
            refusal = await refusal_of(channel.unary_unary(path)(request, metadata=metadata))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)


@pytest.mark.parametrize(
    "method", [one for one in METHODS if one.containing_service.name == "AdminService"], ids=lambda method: method.name
)
async def test_a_tenants_key_does_not_administer(
    grpc_server: Service, stranger: Tenant, method: MethodDescriptor
) -> None:
    request: Any = GetMessageClass(method.input_type)()
    for field, value in {"display_name": "x", "parent": stranger.name, "name": f"{stranger.name}/apiKeys/a"}.items():
        if field in request.DESCRIPTOR.fields_by_name:
            setattr(request, field, value)
    refusal = await refusal_of(getattr(grpc_server.admin, method.name)(request, metadata=stranger.metadata))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "METHOD_NOT_ALLOWED")


async def test_the_operator_has_no_devices(grpc_server: Service, home: Tenant) -> None:
    call = home.devices.ListDevices(device_service_pb2.ListDevicesRequest(), metadata=grpc_server.admin_metadata)
    refusal = await refusal_of(call)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "METHOD_NOT_ALLOWED")


async def test_a_revoked_key_stops_working_and_ends_its_streams(grpc_server: Service) -> None:
    tenant = await grpc_server.new_tenant("Short")
    request = device_service_pb2.WatchDeviceStatesRequest()
    request.heartbeat_interval.FromSeconds(1)
    stream = tenant.devices.WatchDeviceStates(request, metadata=tenant.metadata).__aiter__()
    await anext(stream)
    listing = admin_service_pb2.ListApiKeysRequest(parent=tenant.name)
    keys = (await grpc_server.admin.ListApiKeys(listing, metadata=grpc_server.admin_metadata)).api_keys
    revoke = admin_service_pb2.RevokeApiKeyRequest(name=keys[0].name)
    await grpc_server.admin.RevokeApiKey(revoke, metadata=grpc_server.admin_metadata)
    call = tenant.devices.ListDevices(device_service_pb2.ListDevicesRequest(), metadata=tenant.metadata)
    assert (await refusal_of(call)).reason == "API_KEY_INVALID"

    async def rest() -> None:
        async for _ in stream:
            pass

    assert (await refusal_of(rest())).reason == "API_KEY_INVALID"


async def test_secrets_are_stored_hashed_and_never_logged(grpc_server: Service, home: Tenant) -> None:
    secret = home.key.encode()
    for file in grpc_server.folder.glob("wattbus.db*"):
        assert secret not in file.read_bytes()
    assert home.key not in "".join(grpc_server.stderr)
