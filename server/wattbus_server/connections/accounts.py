"""Vendor accounts as adapters use them: the token keeper and the connection store stand behind."""

from collections.abc import Mapping

from wattbus.v1.connection_pb2 import Vendor

from wattbus_server.connections.keeper import TokenKeeper
from wattbus_server.connections.store import ConnectionStore
from wattbus_server.vendors.contract import VendorAccount, VendorAdapter


class Accounts:
    """Finds the account of a connection and the adapter of a vendor."""

    def __init__(
        self, connections: ConnectionStore, keeper: TokenKeeper, adapters: Mapping[Vendor.ValueType, VendorAdapter]
    ) -> None:
        self._connections = connections
        self._keeper = keeper
        self._adapters = adapters

    def account(self, connection: str) -> VendorAccount:
        """Return the account behind a connection.

        Raises:
            Problem: RESOURCE_NOT_FOUND.
        """
        self._connections.existing(connection)
        return _KeptAccount(connection, self._connections, self._keeper)

    def adapter(self, vendor: Vendor.ValueType) -> VendorAdapter:
        """Return the adapter of a vendor; every vendor of the API has one."""
        return self._adapters[vendor]


class _KeptAccount:
    """A `VendorAccount`. It shows the connection as it is now, not as it was when the account was asked for."""

    def __init__(self, connection: str, connections: ConnectionStore, keeper: TokenKeeper) -> None:
        self._connection = connection
        self._connections = connections
        self._keeper = keeper

    @property
    def connection(self) -> str:
        return self._connection

    @property
    def scopes(self) -> frozenset[str]:
        record = self._connections.find(self._connection)
        return record.scopes if record is not None else frozenset()

    @property
    def region(self) -> str:
        record = self._connections.find(self._connection)
        return record.region if record is not None else ""

    async def access_token(self) -> str:
        return await self._keeper.access_token(self._connection)

    async def replace_token(self, rejected: str) -> str:
        return await self._keeper.replace_token(self._connection, rejected)

    async def remember_region(self, region: str) -> None:
        if region != self.region:
            await self._connections.change(self._connection, region=region)
