"""The composition root: settings in, running server out. Only here do the rooms meet."""

import asyncio
import hashlib
import hmac
from collections.abc import Collection, Coroutine, Sequence
from contextlib import AsyncExitStack

import structlog
from wattbus.v1 import admin_service_pb2, connection_service_pb2, device_service_pb2
from wattbus.v1.blocker_pb2 import BlockerState
from wattbus.v1.connection_pb2 import Access, Vendor

from wattbus_server.blockers.ledger import BlockerLedger
from wattbus_server.blockers.rows import StoredBlocker
from wattbus_server.blockers.verification import BlockerVerifier
from wattbus_server.commands.service import CommandService
from wattbus_server.connections.accounts import Accounts
from wattbus_server.connections.directory import ConnectionDirectory
from wattbus_server.connections.forgetting import Forgetting
from wattbus_server.connections.grants import GrantStore
from wattbus_server.connections.keeper import TokenKeeper
from wattbus_server.connections.link_completion import LinkCompletion
from wattbus_server.connections.link_flow import LinkFlow
from wattbus_server.connections.links import LinkSessions
from wattbus_server.connections.obstacles import Obstacles
from wattbus_server.connections.relink import Relink
from wattbus_server.connections.store import ConnectionChange, ConnectionChangeKind, ConnectionStore
from wattbus_server.connections.sync import Discovery
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.problem import Problem
from wattbus_server.rpc.admin_service import AdminService
from wattbus_server.rpc.connection_service import ConnectionService
from wattbus_server.rpc.device_service import DeviceService
from wattbus_server.rpc.device_view import DeviceView
from wattbus_server.rpc.server import RpcServer, Service
from wattbus_server.settings import Settings
from wattbus_server.state.hub import StateHub
from wattbus_server.state.poller import Poller
from wattbus_server.storage.database import open_engine
from wattbus_server.storage.encryption import Vault
from wattbus_server.storage.key_check import check_keys
from wattbus_server.storage.migrate import migrate
from wattbus_server.storage.signing_sessions import SqlSessionStore
from wattbus_server.tenants.directory import TenantDirectory
from wattbus_server.vendors.contract import VendorAdapter
from wattbus_server.vendors.tesla.adapter import TeslaAdapter
from wattbus_server.web.app import create_web
from wattbus_server.web.server import HttpServer

log = structlog.get_logger()

TENANTS_RELOAD_SECONDS = 5.0


class App:
    """The whole service in one event loop.

    `start` builds it from the inside out: storage, vendors, rooms, doors. `close` goes back the same way, doors first,
    so that nothing is used after it was closed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._leaving = asyncio.Event()
        self._draining = asyncio.Event()
        self._stack = AsyncExitStack()
        self.grpc_address = ""
        self.http_url = ""

    async def start(self) -> None:
        """Build and start everything; what was started is stopped again if a later stage fails.

        Raises:
            ConfigurationError: the settings do not make a server.
        """
        async with AsyncExitStack() as stack:
            self._stack = stack
            await self._start()
            self._stack = stack.pop_all()

    async def close(self) -> None:
        """Drain and stop everything. Both doors say at once that they take no more work."""
        self._leaving.set()
        await self._stack.aclose()

    async def _start(self) -> None:
        settings = self._settings
        await self._open_storage()
        self._http = HttpServer(settings.http_host, settings.http_port)
        # In case a later stage fails; at the end it is closed with the other door, before the rooms.
        self._stack.push_async_callback(self._close_http)
        self._public_url = settings.public_url or self._http.url
        await self._open_vendors()
        await self._open_connections()
        await self._open_states()
        await self._open_commands()
        self._follow_news()
        await self._open_doors()

    async def _open_storage(self) -> None:
        key = self._settings.encryption_key.get_secret_value()
        self._vault = Vault.from_settings(key)
        self._token_key = hmac.digest(key.split(",")[0].encode(), b"resume tokens", hashlib.sha256)
        self._engine = open_engine(self._settings.database_url)
        self._stack.push_async_callback(self._engine.dispose)
        await migrate(self._engine)
        await check_keys(self._engine, self._vault)
        self._tenants = TenantDirectory(self._engine)
        await self._tenants.load()
        self._run_forever(self._reload_tenants())

    async def _open_vendors(self) -> None:
        tesla = TeslaAdapter(self._settings, self._public_url, SqlSessionStore(self._engine))
        self._stack.push_async_callback(tesla.close)
        self._adapters: dict[Vendor.ValueType, VendorAdapter] = {tesla.vendor: tesla}

    async def _open_connections(self) -> None:
        engine, adapters = self._engine, self._adapters
        self._registry = DeviceRegistry(engine)
        await self._registry.load()
        self._connections = ConnectionStore(engine)
        await self._connections.load()
        grants = GrantStore(engine, self._vault)
        self._keeper = keeper = TokenKeeper(self._connections, grants, adapters)
        self._stack.push_async_callback(keeper.close)
        self._accounts = Accounts(self._connections, keeper, adapters)
        self._obstacles = Obstacles(self._connections, self._accounts, self._registry)
        self._stack.push_async_callback(self._obstacles.close)
        forgetting = Forgetting(self._registry, self._accounts)
        self._stack.push_async_callback(forgetting.close)
        self._discovery = discovery = Discovery(
            self._connections, self._accounts, self._registry, self._obstacles, self._settings.discovery_interval
        )
        self._stack.push_async_callback(discovery.close)
        self._links = LinkSessions(engine, self._vault, self._public_url, adapters, self._connections)
        self._links.start()
        self._stack.push_async_callback(self._links.close)
        self._relink = Relink(self._links, self._connections)
        completion = LinkCompletion(engine, adapters, self._connections, grants)
        self._flow = LinkFlow(
            engine,
            self._vault,
            adapters,
            self._links,
            completion,
            discovery,
            self._registry,
            self._relink,
        )
        self._stack.push_async_callback(self._flow.close)
        self._directory = ConnectionDirectory(
            engine, adapters, self._connections, grants, keeper, discovery, self._registry
        )
        self._stack.push_async_callback(self._directory.close)

    async def _open_states(self) -> None:
        self._hub = StateHub(self._engine, self._registry, self._token_key)
        await self._hub.load()
        self._hub.start()
        self._stack.push_async_callback(self._hub.close)
        self._ledger = BlockerLedger(self._engine, self._registry, self._connections)
        self._ledger.attach_relink(self._relink, self._access_of_scopes)
        await self._ledger.load()
        self._stack.push_async_callback(self._ledger.close)
        interval = self._settings.blocker_check_interval
        self._verifier = BlockerVerifier(self._ledger, self._registry, self._connections, self._accounts, interval)
        self._verifier.start()
        self._stack.push_async_callback(self._verifier.close)
        self._poller = Poller(self._hub, self._registry, self._accounts, self._connections, self._reading_met)
        self._poller.start()
        self._stack.push_async_callback(self._poller.close)

    async def _open_commands(self) -> None:
        self._commands = CommandService(
            self._engine,
            self._registry,
            self._accounts,
            self._hub,
            self._ledger,
            self._verifier,
            self._poller.read_now,
            token_key=self._token_key,
            queue_limit=self._settings.command_queue_limit,
        )
        await self._commands.start()
        self._stack.push_async_callback(self._commands.close)

    def _follow_news(self) -> None:
        """Let rooms hear of each other's news without knowing each other."""
        self._hub.listen(lambda state, _changed: self._commands.observed(state))
        self._hub.listen(lambda state, changed: self._verifier.state_changed(state) if changed else None)
        self._connections.listen(self._connection_changed)
        self._directory.on_synced = self._verifier.verify
        self._directory.on_deleting = self._ledger.remove_connection
        self._keeper.on_dead = self._ledger.record_problem
        self._discovery.on_refused = self._ledger.record_problem
        self._obstacles.record = self._ledger.record
        self._flow.on_refused = self._ledger.record_problem
        self._flow.on_ended = self._ledger.refresh_links
        self._ledger.listen(self._blocker_told)
        self._discovery.start()

    async def _open_doors(self) -> None:
        settings = self._settings
        web = create_web(
            self._flow, settings, self._public_url, self._adapters.values(), lambda: not self._leaving.is_set()
        )
        await self._http.start(web)
        self._stack.push_async_callback(self._close_http)
        self.http_url = self._http.url
        rpc = RpcServer(settings, self._tenants, self._services(), self._draining)
        self._stack.push_async_callback(rpc.stop)
        await rpc.start()
        host = f"[{settings.grpc_host}]" if ":" in settings.grpc_host else settings.grpc_host
        self.grpc_address = f"{host}:{rpc.port}"

    def _services(self) -> tuple[Service, ...]:
        view = DeviceView(self._accounts, self._hub, self._ledger)
        devices = DeviceService(
            self._registry, view, self._hub, self._poller, self._commands, self._ledger, self._draining
        )
        return (
            Service(device_service_pb2.DESCRIPTOR.services_by_name["DeviceService"], devices),
            Service(
                connection_service_pb2.DESCRIPTOR.services_by_name["ConnectionService"],
                ConnectionService(self._links, self._directory, self._ledger),
            ),
            Service(admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"], AdminService(self._tenants)),
        )

    async def _close_http(self) -> None:
        await self._http.close(self._settings.drain_grace.total_seconds())

    # News

    def _access_of_scopes(self, connection: str, scopes: Collection[str]) -> Collection[Access.ValueType]:
        record = self._connections.find(connection)
        return self._adapters[record.vendor].granted_access(scopes) if record is not None else ()

    async def _reading_met(self, connection: str, _devices: Sequence[str], problem: Problem) -> None:
        """Record what a read met, so that it is listed even if nobody sends a command."""
        record = self._connections.find(connection)
        if record is not None and problem.blockers:
            await self._ledger.record_problem(record.tenant, problem)

    def _connection_changed(self, change: ConnectionChange) -> None:
        if change.kind is ConnectionChangeKind.REMOVED:
            self._ledger.connection_removed(change.record.name)
        else:
            self._verifier.connection_changed(change.record.name)

    def _blocker_told(self, stored: StoredBlocker) -> None:
        blocker = stored.blocker
        if blocker.state == BlockerState.BLOCKER_STATE_RESOLVED and not blocker.device:
            self._discovery.retry(stored.tenant, blocker.connection)

    async def _reload_tenants(self) -> None:
        """See tenants and keys that the command line or another replica made."""
        while True:
            await asyncio.sleep(TENANTS_RELOAD_SECONDS)
            try:
                await self._tenants.load()
            except Exception:
                log.exception("tenants_not_reloaded")

    def _run_forever(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(stop)
