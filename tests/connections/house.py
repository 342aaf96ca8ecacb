"""The rooms behind links and connections, wired as the server wires them, on one SQLite file."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from wattbus.v1.connection_pb2 import Access, Connection, LinkSession, Vendor
from wattbus.v1.connection_service_pb2 import CreateLinkSessionRequest, ListConnectionsRequest

from tests.connections.vendor import Vendor1
from tests.processes import PATIENCE_SECONDS
from wattbus_server.connections.accounts import Accounts
from wattbus_server.connections.directory import ConnectionDirectory
from wattbus_server.connections.grants import GrantStore
from wattbus_server.connections.keeper import TokenKeeper
from wattbus_server.connections.link_completion import LinkCompletion
from wattbus_server.connections.link_flow import LinkFlow
from wattbus_server.connections.links import LinkSessions
from wattbus_server.connections.obstacles import Obstacles
from wattbus_server.connections.relink import Relink
from wattbus_server.connections.store import ConnectionStore
from wattbus_server.connections.sync import Discovery
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.settings import Settings
from wattbus_server.storage.database import open_engine
from wattbus_server.storage.encryption import Vault
from wattbus_server.storage.migrate import migrate
from wattbus_server.storage.tables import tenants
from wattbus_server.vendors.contract import VendorAdapter
from wattbus_server.web.app import create_web
from wattbus_server.web.server import HttpServer

TENANT = "tenants/one"
OTHER_TENANT = "tenants/two"
EVERYTHING = [access for access in Access.values() if access]
ENCRYPTION_KEY = bytes(range(32))


@dataclass
class House:
    """One replica of the server, without its gRPC face."""

    vendor: Vendor1
    engine: AsyncEngine
    registry: DeviceRegistry
    connections: ConnectionStore
    grants: GrantStore
    keeper: TokenKeeper
    accounts: Accounts
    links: LinkSessions
    obstacles: Obstacles
    discovery: Discovery
    relink: Relink
    directory: ConnectionDirectory
    flow: LinkFlow
    url: str

    async def new_link(self, **fields: object) -> LinkSession:
        request = CreateLinkSessionRequest(**{"external_user_id": "user-1", "access": EVERYTHING, **fields})  # type: ignore[arg-type] # fields of the message
        return await self.links.create(TENANT, request)

    async def link(self, code: str, **fields: object) -> LinkSession:
        """Go through a whole link session with a browser of its own."""
        session = await self.new_link(**fields)
        async with browser() as client:
            state = await depart(client, session.url)
            await client.get(f"{self.url}/oauth/callback/tesla", params={"state": state, "code": code})
        return await self.links.get(TENANT, session.name)

    async def connection(self, code: str, **fields: object) -> Connection:
        session = await self.link(code, **fields)
        return await self.directory.get(TENANT, session.connection)

    async def names(self, tenant: str = TENANT) -> list[str]:
        listed = await self.directory.list(tenant, ListConnectionsRequest())
        return [connection.name for connection in listed.connections]


def browser() -> httpx.AsyncClient:
    """A browser: keeps cookies, follows nothing by itself."""
    return httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS)


async def depart(client: httpx.AsyncClient, url: str) -> str:
    """Open a link and press the button; returns the state that went to the vendor."""
    assert (await client.get(url)).status_code == 200
    departure = await client.post(url)
    assert departure.status_code == 303
    return parse_qs(urlsplit(departure.headers["location"]).query)["state"][0]


async def add_tenants(engine: AsyncEngine) -> None:
    rows = [{"name": name, "display_name": name, "create_time": datetime.now(UTC)} for name in (TENANT, OTHER_TENANT)]
    async with engine.begin() as database:
        await database.execute(insert(tenants).on_conflict_do_nothing(), rows)


@asynccontextmanager
async def open_house(
    database: Path, vendor: Vendor1, claim_lease: timedelta = timedelta(seconds=30), **settings: object
) -> AsyncIterator[House]:
    """A replica on this database file, with a real HTTP server."""
    engine = open_engine(f"sqlite+aiosqlite:///{database}")
    await migrate(engine)
    await add_tenants(engine)
    http = HttpServer("127.0.0.1", 0)
    adapters: Mapping[Vendor.ValueType, VendorAdapter] = {Vendor.VENDOR_TESLA: vendor}  # type: ignore[dict-item] # only what linking needs
    vault = Vault([ENCRYPTION_KEY])
    registry, connections, grants = DeviceRegistry(engine), ConnectionStore(engine), GrantStore(engine, vault)
    await registry.load()
    await connections.load()
    keeper = TokenKeeper(connections, grants, adapters, claim_lease)
    accounts = Accounts(connections, keeper, adapters)
    obstacles = Obstacles(connections, accounts, registry)
    discovery = Discovery(connections, accounts, registry, obstacles, timedelta(hours=1))
    links = LinkSessions(engine, vault, http.url, adapters, connections)
    relink = Relink(links, connections)
    completion = LinkCompletion(engine, adapters, connections, grants)
    flow = LinkFlow(engine, vault, adapters, links, completion, discovery, registry, relink)
    directory = ConnectionDirectory(engine, adapters, connections, grants, keeper, discovery, registry)
    app = create_web(flow, Settings(**settings), http.url, adapters.values(), ready=lambda: True)  # type: ignore[arg-type] # settings of the test
    await http.start(app)
    try:
        yield House(
            vendor, engine, registry, connections, grants, keeper, accounts, links, obstacles, discovery, relink,
            directory, flow, http.url,
        )  # fmt: skip
    finally:
        await http.close(1)
        await flow.close()
        await obstacles.close()
        await keeper.close()
        await engine.dispose()
