"""The directory of connections, as the API sees it."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.connection_pb2 import Connection, Vendor
from wattbus.v1.connection_service_pb2 import ListConnectionsRequest, ListConnectionsResponse

from wattbus_server.connections.grants import GrantStore
from wattbus_server.connections.keeper import TokenKeeper
from wattbus_server.connections.link_rows import remove_sessions_of
from wattbus_server.connections.records import ConnectionRecord
from wattbus_server.connections.store import ConnectionListener, ConnectionStore
from wattbus_server.connections.sync import Discovery
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.paging import PageRequest
from wattbus_server.shared_work import SharedWork
from wattbus_server.vendors.contract import VendorAdapter

Verify = Callable[[str, str], Awaitable[object]]
"""Called with tenant and connection after a sync, to verify the open blockers."""


CleanUp = Callable[[str], Awaitable[object]]
"""Called with a connection that is being deleted, before its devices and grant go."""


async def _nothing(*_names: str) -> None:
    """Stand in until a hook is set."""


class ConnectionDirectory:
    """Gets, lists, syncs and deletes connections."""

    def __init__(
        self,
        engine: AsyncEngine,
        adapters: Mapping[Vendor.ValueType, VendorAdapter],
        connections: ConnectionStore,
        grants: GrantStore,
        keeper: TokenKeeper,
        discovery: Discovery,
        registry: DeviceRegistry,
    ) -> None:
        self._engine = engine
        self._adapters = adapters
        self._connections = connections
        self._grants = grants
        self._keeper = keeper
        self._discovery = discovery
        self._registry = registry
        # What a caller who hangs up must not stop half-way: memory and database would tell different things.
        self._work: SharedWork[object, object] = SharedWork()
        self.on_synced: Verify = _nothing
        self.on_deleting: CleanUp = _nothing

    async def get(self, tenant: str, name: str) -> Connection:
        """Return a connection of a tenant.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        return self._message(self._connections.get(tenant, name))

    async def list(self, tenant: str, request: ListConnectionsRequest) -> ListConnectionsResponse:
        """Return one page of a tenant's connections, ordered by name.

        Raises:
            Problem: FIELD_INVALID, PAGE_TOKEN_INVALID.
        """
        arguments = hashlib.sha256(json.dumps(["connections", tenant, request.external_user_id]).encode()).digest()
        page = PageRequest.parse(request.page_size, request.page_token, arguments)
        found = sorted(
            (
                record
                for record in self._connections.all()
                if record.tenant == tenant
                and record.name > page.after
                and request.external_user_id in ("", record.external_user_id)
            ),
            key=lambda record: record.name,
        )
        connections, next_page_token = page.cut(found, lambda record: record.name, self._message)
        return ListConnectionsResponse(connections=connections, next_page_token=next_page_token)

    async def sync(self, tenant: str, name: str) -> Connection:
        """Renew the token to see the scopes as of now, discover again, and verify the open blockers.

        Raises:
            Problem: RESOURCE_NOT_FOUND, REAUTHORIZATION_REQUIRED, or what the vendor's refusal means.
        """
        self._connections.get(tenant, name)
        await self._keeper.renew(name)
        # Under a key of its own: a discovery that somebody began earlier may miss what this caller wants to see.
        await self._work.join(object(), lambda: self._discovery.discover(name))
        await self.on_synced(tenant, name)
        return self._message(self._connections.get(tenant, name))

    async def delete(self, tenant: str, name: str) -> None:
        """Delete a connection with its tokens, devices and link sessions. Final.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        self._connections.get(tenant, name)
        await self._work.join(name, lambda: self._delete(name))

    async def close(self) -> None:
        """Let what was begun come to its end."""
        await self._work.close()

    async def _delete(self, name: str) -> None:
        async with self._connections.exclusive(name):
            self._connections.existing(name)
            await self.on_deleting(name)
            await self._registry.remove_connection(name)
            async with self._engine.begin() as database:
                await self._grants.remove(database, name)
                await remove_sessions_of(database, name)
                await self._connections.remove(database, name)
            self._connections.forget(name)

    def listen(self, listener: ConnectionListener) -> Callable[[], None]:
        """Tell a listener about connections that come, are renewed, change their scopes, die or go."""
        return self._connections.listen(listener)

    def _message(self, record: ConnectionRecord) -> Connection:
        granted = self._adapters[record.vendor].granted_access(record.scopes)
        message = Connection(
            name=record.name,
            external_user_id=record.external_user_id,
            vendor=record.vendor,
            state=record.state,
            state_reason=record.state_reason,
            state_message=record.state_message,
            requested_access=sorted(record.requested_access),
            granted_access=sorted(granted),
            missing_access=sorted(record.requested_access - granted),
            granted_scopes=sorted(record.scopes),
            region=record.region,
        )
        message.create_time.FromDatetime(record.create_time)
        message.update_time.FromDatetime(record.update_time)
        if record.sync_time is not None:
            message.sync_time.FromDatetime(record.sync_time)
        return message
