"""AdminService: tenants and keys, in pages, secrets shown once."""

import grpc
import pytest
from wattbus.v1 import admin_service_pb2 as pb

from tests.rich_errors import refusal_of
from tests.service import Service, Setup, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_tenants_are_listed_in_pages(grpc_server: Service) -> None:
    names = {(await grpc_server.new_tenant(f"Tenant {number}")).name for number in range(5)}
    seen: list[str] = []
    token = ""
    while True:
        request = pb.ListTenantsRequest(page_size=2, page_token=token)
        page = await grpc_server.admin.ListTenants(request, metadata=grpc_server.admin_metadata)
        seen += [tenant.name for tenant in page.tenants]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted(seen)
    assert names <= set(seen)


async def test_a_secret_is_shown_once(grpc_server: Service, tenant: Tenant) -> None:
    create = pb.CreateApiKeyRequest(parent=tenant.name, display_name="second")
    created = await grpc_server.admin.CreateApiKey(create, metadata=grpc_server.admin_metadata)
    listing = pb.ListApiKeysRequest(parent=tenant.name)
    keys = await grpc_server.admin.ListApiKeys(listing, metadata=grpc_server.admin_metadata)
    assert created.api_key.name in {key.name for key in keys.api_keys}
    assert created.secret.encode() not in keys.SerializeToString()


async def test_revoking_twice_changes_nothing(grpc_server: Service, tenant: Tenant) -> None:
    create = pb.CreateApiKeyRequest(parent=tenant.name, display_name="third")
    key = (await grpc_server.admin.CreateApiKey(create, metadata=grpc_server.admin_metadata)).api_key
    revoke = pb.RevokeApiKeyRequest(name=key.name)
    first = await grpc_server.admin.RevokeApiKey(revoke, metadata=grpc_server.admin_metadata)
    second = await grpc_server.admin.RevokeApiKey(revoke, metadata=grpc_server.admin_metadata)
    assert first.api_key.revoke_time == second.api_key.revoke_time


@pytest.mark.parametrize(
    ("method", "request_message"),
    [
        ("CreateApiKey", pb.CreateApiKeyRequest(parent="tenants/none")),
        ("ListApiKeys", pb.ListApiKeysRequest(parent="tenants/none")),
        ("RevokeApiKey", pb.RevokeApiKeyRequest(name="tenants/none/apiKeys/none")),
    ],
)
async def test_what_does_not_exist_is_not_found(grpc_server: Service, method: str, request_message: object) -> None:
    call = getattr(grpc_server.admin, method)(request_message, metadata=grpc_server.admin_metadata)
    refusal = await refusal_of(call)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")


async def test_without_an_admin_key_nobody_administers(tmp_path_factory: pytest.TempPathFactory) -> None:
    setup = Setup(tmp_path_factory.mktemp("closed"))
    async with setup.service(None, ADMIN_KEY="") as service:
        for key in ("", "x" * 64, setup.admin_key):
            metadata = (("authorization", f"Bearer {key}"),)
            call = service.admin.ListTenants(pb.ListTenantsRequest(), metadata=metadata)
            assert (await refusal_of(call)).code is grpc.StatusCode.UNAUTHENTICATED
