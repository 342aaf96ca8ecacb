"""AdminService: tenants and API keys, for the operator only."""

from collections.abc import Sequence
from typing import TypeVar

from wattbus.v1 import admin_service_pb2 as pb

from wattbus_server.paging import PageRequest
from wattbus_server.rpc.caller import require_operator
from wattbus_server.tenants.directory import TenantDirectory

Named = TypeVar("Named", pb.Tenant, pb.ApiKey)


class AdminService:
    """Answers the methods of `wattbus.v1.AdminService`."""

    def __init__(self, tenants: TenantDirectory) -> None:
        self._tenants = tenants

    async def CreateTenant(self, request: pb.CreateTenantRequest) -> pb.CreateTenantResponse:
        """Create a tenant."""
        require_operator()
        return pb.CreateTenantResponse(tenant=await self._tenants.create_tenant(request.display_name))

    async def ListTenants(self, request: pb.ListTenantsRequest) -> pb.ListTenantsResponse:
        """List tenants."""
        require_operator()
        page = PageRequest.parse(request.page_size, request.page_token, b"tenants")
        found, token = _cut(page, self._tenants.all_tenants())
        return pb.ListTenantsResponse(tenants=found, next_page_token=token)

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest) -> pb.CreateApiKeyResponse:
        """Create a key and show its secret, once."""
        require_operator()
        key, secret = await self._tenants.create_key(request.parent, request.display_name)
        return pb.CreateApiKeyResponse(api_key=key, secret=secret)

    async def ListApiKeys(self, request: pb.ListApiKeysRequest) -> pb.ListApiKeysResponse:
        """List the keys of a tenant."""
        require_operator()
        page = PageRequest.parse(request.page_size, request.page_token, request.parent.encode())
        found, token = _cut(page, self._tenants.keys_of(request.parent))
        return pb.ListApiKeysResponse(api_keys=found, next_page_token=token)

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest) -> pb.RevokeApiKeyResponse:
        """Revoke a key."""
        require_operator()
        return pb.RevokeApiKeyResponse(api_key=await self._tenants.revoke_key(request.name))


def _cut(page: PageRequest, ordered: Sequence[Named]) -> tuple[list[Named], str]:
    following = (item for item in ordered if item.name > page.after)
    return page.cut(following, lambda item: item.name, lambda item: item)
