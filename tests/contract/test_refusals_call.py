"""Refusals of the call itself: keys, methods, fields, resources."""

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from wattbus.v1 import admin_service_pb2, device_service_pb2
from wattbus.v1.action_pb2 import Action, Lock, SetChargeLimit
from wattbus.v1.command_pb2 import Command
from wattbus.v1.device_pb2 import Device
from wattbus.v1.device_service_pb2_grpc import DeviceServiceStub
from wattbus.v1.reason_pb2 import Reason

from tests.contract.asking import create, refused, sent
from tests.processes import Sandbox
from tests.service import Service, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOCK = Action(lock=Lock())
LIST = device_service_pb2.ListDevicesRequest()


async def test_a_call_without_a_key_is_told_which_metadata_to_send(grpc_server: Service) -> None:
    call = DeviceServiceStub(grpc_server.channel).ListDevices(LIST)
    refusal = await refused(call, grpc.StatusCode.UNAUTHENTICATED, Reason.REASON_API_KEY_MISSING)
    assert "authorization: Bearer" in refusal.message
    assert refusal.retry_seconds is None


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer unknown",
        "Bearer ",
        "Bearer",
        "Basic cm9iaW46c2VjcmV0",
        "unknown",
        f"Bearer {'x' * 4000}",
        "Bearer {tenant.key}x",
        "Bearer {other} {tenant.key}",
    ],
)
async def test_a_wrong_key_is_refused_and_not_repeated(
    grpc_server: Service, tenant: Tenant, authorization: str
) -> None:
    given = authorization.replace("{tenant.key}", tenant.key)
    call = DeviceServiceStub(grpc_server.channel).ListDevices(LIST, metadata=(("authorization", given),))
    refusal = await refused(call, grpc.StatusCode.UNAUTHENTICATED, Reason.REASON_API_KEY_INVALID)
    assert tenant.key not in str(refusal)


async def test_two_keys_at_once_are_refused(grpc_server: Service, tenant: Tenant) -> None:
    call = DeviceServiceStub(grpc_server.channel).ListDevices(LIST, metadata=(*tenant.metadata, *tenant.metadata))
    await refused(call, grpc.StatusCode.UNAUTHENTICATED, Reason.REASON_API_KEY_INVALID)


async def test_a_revoked_key_is_refused(grpc_server: Service) -> None:
    tenant = await grpc_server.new_tenant("Brief")
    await tenant.list_devices()
    keys = await grpc_server.admin.ListApiKeys(
        admin_service_pb2.ListApiKeysRequest(parent=tenant.name), metadata=grpc_server.admin_metadata
    )
    revoke = admin_service_pb2.RevokeApiKeyRequest(name=keys.api_keys[0].name)
    await grpc_server.admin.RevokeApiKey(revoke, metadata=grpc_server.admin_metadata)
    call = tenant.devices.ListDevices(LIST, metadata=tenant.metadata)
    await refused(call, grpc.StatusCode.UNAUTHENTICATED, Reason.REASON_API_KEY_INVALID)


async def test_a_tenants_key_may_not_call_the_operators_methods(grpc_server: Service, tenant: Tenant) -> None:
    call = grpc_server.admin.ListTenants(admin_service_pb2.ListTenantsRequest(), metadata=tenant.metadata)
    await refused(call, grpc.StatusCode.PERMISSION_DENIED, Reason.REASON_METHOD_NOT_ALLOWED)


async def test_the_operators_key_is_no_tenant(grpc_server: Service, tenant: Tenant) -> None:
    call = tenant.devices.ListDevices(LIST, metadata=grpc_server.admin_metadata)
    await refused(call, grpc.StatusCode.PERMISSION_DENIED, Reason.REASON_METHOD_NOT_ALLOWED)


async def test_another_tenants_device_does_not_exist(
    grpc_server: Service, home: Tenant, paired_car: Device, sandbox: Sandbox
) -> None:
    stranger = await grpc_server.new_tenant("Stranger")
    refusal = await refused(
        create(stranger, paired_car, LOCK),
        grpc.StatusCode.NOT_FOUND,
        Reason.REASON_RESOURCE_NOT_FOUND,
        metadata=("resourceType", "resourceName"),
    )
    assert refusal.metadata["resourceName"] == paired_car.name
    assert await sent(sandbox, paired_car) == []


async def test_wrong_fields_are_named_all_at_once_and_nothing_is_sent(
    home: Tenant, paired_car: Device, sandbox: Sandbox
) -> None:
    wrong = create(
        home,
        paired_car,
        Action(set_charge_limit=SetChargeLimit(limit_percent=101)),
        request_id="not valid!",
        wait_duration=Duration(seconds=31),
    )
    refusal = await refused(wrong, grpc.StatusCode.INVALID_ARGUMENT, Reason.REASON_FIELD_INVALID)
    assert set(refusal.fields) == {"action.set_charge_limit.limit_percent", "request_id", "wait_duration"}
    assert await sent(sandbox, paired_car) == []


async def test_a_request_id_with_other_content_is_refused(home: Tenant, paired_car: Device) -> None:
    command: Command = await create(home, paired_car, LOCK, request_id="once-1", wait_for=1)
    again = await create(home, paired_car, LOCK, request_id="once-1", wait_for=1)
    assert again.name == command.name
    other = Action(set_charge_limit=SetChargeLimit(limit_percent=60))
    refusal = await refused(
        create(home, paired_car, other, request_id="once-1"),
        grpc.StatusCode.ALREADY_EXISTS,
        Reason.REASON_REQUEST_ID_REUSED,
        metadata=("requestId",),
    )
    assert refusal.metadata["requestId"] == "once-1"
