"""Starts the service as a real process against a real sandbox process, and links end users through their pages."""

import asyncio
import random
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import yaml
from cryptography.hazmat.primitives import serialization
from wattbus.v1 import admin_service_pb2, connection_service_pb2, device_service_pb2
from wattbus.v1.admin_service_pb2_grpc import AdminServiceStub
from wattbus.v1.connection_pb2 import Access, Connection, LinkSession
from wattbus.v1.connection_service_pb2_grpc import ConnectionServiceStub
from wattbus.v1.device_pb2 import Device
from wattbus.v1.device_service_pb2_grpc import DeviceServiceStub

from tests.processes import PATIENCE_SECONDS, ROOT, Sandbox, python_process, sandbox_process
from wattbus_server.cli.demo.browser import Browser
from wattbus_server.cli.keys import new_encryption_key, write_command_key

# These names exist in the type hints of the stubs only.
if TYPE_CHECKING:
    from wattbus.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from wattbus.v1.connection_service_pb2_grpc import ConnectionServiceAsyncStub
    from wattbus.v1.device_service_pb2_grpc import DeviceServiceAsyncStub

DEFAULT_SCENARIO = ROOT / "server" / "tesla_sandbox" / "scenarios" / "demo-home.yaml"
CLIENT_ID, CLIENT_SECRET, DOMAIN = "wattbus-test", "wattbus-test-secret", "wattbus.example.com"

EVERY_ACCESS = (
    Access.ACCESS_READ_VEHICLES,
    Access.ACCESS_READ_VEHICLE_LOCATION,
    Access.ACCESS_CHARGE_VEHICLES,
    Access.ACCESS_COMMAND_VEHICLES,
    Access.ACCESS_READ_ENERGY,
    Access.ACCESS_COMMAND_ENERGY,
)

# Short intervals, so that tests wait for conditions and not for the clock.
QUICK = {
    "BLOCKER_CHECK_INTERVAL": "PT0.5S",
    "TESLA__LIVE_STATUS_INTERVAL": "PT0.5S",
    "TESLA__SITE_INFO_INTERVAL": "PT0.7S",
    "TESLA__PRODUCTS_INTERVAL": "PT0.5S",
}

Found = TypeVar("Found")

Metadata = tuple[tuple[str, str], ...]


async def eventually(look: Callable[[], Awaitable[Found | None]], seconds: float = PATIENCE_SECONDS) -> Found:
    """Look again and again until something is found."""
    async with asyncio.timeout(seconds):
        while True:
            found = await look()
            if found is not None:
                return found
            await asyncio.sleep(0.05)


# Operating systems give none of these to whoever asks for any port, so that a port stays free until it is used.
_PORTS = random.sample(range(18_000, 32_000), 14_000)


def free_port() -> int:
    """Return a port that is free and stays free for whom it is meant: nobody else gets it by chance."""
    while True:
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", _PORTS.pop()))
            return int(probe.getsockname()[1])


@dataclass
class Tenant:
    """A tenant and how it calls."""

    name: str
    key: str
    metadata: Metadata
    devices: "DeviceServiceAsyncStub"
    connections: "ConnectionServiceAsyncStub"

    async def create_link(
        self, user: str = "robin", access: Sequence[Access.ValueType] = EVERY_ACCESS, **fields: Any
    ) -> connection_service_pb2.CreateLinkSessionResponse:
        request = connection_service_pb2.CreateLinkSessionRequest(external_user_id=user, access=access, **fields)
        return await self.connections.CreateLinkSession(request, metadata=self.metadata)

    async def link(
        self,
        user: str = "robin",
        access: Sequence[Access.ValueType] = EVERY_ACCESS,
        *,
        untick: Sequence[str] = (),
        email: str = "robin@example.com",
    ) -> Connection:
        """Link an account as an end user does who unticks some scopes, and wait until its devices are known."""
        session = (await self.create_link(user, access)).link_session
        async with Browser() as browser:
            await browser.open(session.url)
            await browser.submit()
            await browser.submit(button=("decision", "sign_in"), email=email)
            await browser.submit(button=("decision", "allow"), untick=untick)
        session = await self.link_session(session.name)
        assert session.connection, session

        async def discovered() -> Connection | None:
            connection = await self.connection(session.connection)
            return connection if connection.HasField("sync_time") else None

        # The page of success waits for the devices only so long.
        return await eventually(discovered)

    async def link_session(self, name: str) -> LinkSession:
        request = connection_service_pb2.GetLinkSessionRequest(name=name)
        return (await self.connections.GetLinkSession(request, metadata=self.metadata)).link_session

    async def connection(self, name: str) -> Connection:
        request = connection_service_pb2.GetConnectionRequest(name=name)
        return (await self.connections.GetConnection(request, metadata=self.metadata)).connection

    async def list_devices(self) -> list[Device]:
        answer = await self.devices.ListDevices(device_service_pb2.ListDevicesRequest(), metadata=self.metadata)
        return list(answer.devices)

    async def device_named(self, display_name: str, kind: int | None = None) -> Device:
        devices = await self.list_devices()
        return next(one for one in devices if one.display_name == display_name and kind in (None, one.kind))


@dataclass
class Service:
    """A running service."""

    announcement: Mapping[str, Any]
    process: Any
    stderr: list[str]
    channel: grpc.aio.Channel
    admin_key: str
    folder: Path
    tenants: list[Tenant] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(self.announcement["grpc"])

    @property
    def http_url(self) -> str:
        return str(self.announcement["http"])

    @property
    def admin(self) -> "AdminServiceAsyncStub":
        return AdminServiceStub(self.channel)

    @property
    def admin_metadata(self) -> Metadata:
        return (("authorization", f"Bearer {self.admin_key}"),)

    async def new_tenant(self, name: str = "Acme") -> Tenant:
        created = await self.admin.CreateTenant(
            admin_service_pb2.CreateTenantRequest(display_name=name), metadata=self.admin_metadata
        )
        request = admin_service_pb2.CreateApiKeyRequest(parent=created.tenant.name)
        secret = (await self.admin.CreateApiKey(request, metadata=self.admin_metadata)).secret
        tenant = self.tenant(created.tenant.name, secret)
        self.tenants.append(tenant)
        return tenant

    def tenant(self, name: str, secret: str) -> Tenant:
        """Return how a tenant calls this process; the tenant may come from an earlier process."""
        metadata = (("authorization", f"Bearer {secret}"),)
        return Tenant(name, secret, metadata, DeviceServiceStub(self.channel), ConnectionServiceStub(self.channel))


@dataclass
class Setup:
    """What several runs of the service share: keys, ports, the database, the sandbox."""

    folder: Path
    http_port: int = field(default_factory=free_port)
    admin_key: str = field(default_factory=lambda: secrets.token_hex(32))
    encryption_key: str = field(default_factory=new_encryption_key)

    def __post_init__(self) -> None:
        self.command_key = self.folder / "command-key.pem"
        self.public_key = self.folder / "public-key.pem"
        if not self.command_key.exists():
            write_command_key(self.command_key)
            private_key = serialization.load_pem_private_key(self.command_key.read_bytes(), password=None)
            self.public_key.write_bytes(
                private_key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )

    def sandbox_options(self) -> list[str]:
        return [
            *("--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET, "--domain", DOMAIN),
            *("--redirect-uri", f"http://127.0.0.1:{self.http_port}/oauth/callback/tesla"),
            *("--public-key", str(self.public_key)),
        ]

    def settings(self, sandbox: Sandbox | None) -> dict[str, str]:
        settings = {
            "GRPC_PORT": "0",
            "HTTP_PORT": str(self.http_port),
            "DATABASE_URL": f"sqlite+aiosqlite:///{self.folder / 'wattbus.db'}",
            "ENCRYPTION_KEY": self.encryption_key,
            "ADMIN_KEY": self.admin_key,
            "TESLA__CLIENT_ID": CLIENT_ID,
            "TESLA__CLIENT_SECRET": CLIENT_SECRET,
            "TESLA__DOMAIN": DOMAIN,
            "TESLA__COMMAND_KEY_FILE": str(self.command_key),
            **QUICK,
        }
        return settings | (tesla_addresses(sandbox) if sandbox is not None else {})

    @asynccontextmanager
    async def sandbox(self, **changes: object) -> AsyncIterator[Sandbox]:
        """Run the sandbox with its default scenario; `changes` replace top-level parts of that."""
        # The service polls much faster here than Tesla allows.
        scenario = default_scenario() | {"rate_limits": {"data": None, "command": None, "auth": None}} | changes
        async with sandbox_process(scenario=scenario, options=self.sandbox_options()) as sandbox:
            yield sandbox

    @asynccontextmanager
    async def service(self, sandbox: Sandbox | None = None, **changes: str) -> AsyncIterator[Service]:
        """Run the service; `changes` are settings without the prefix."""
        settings = {f"WATTBUS_{name}": value for name, value in (self.settings(sandbox) | changes).items()}
        async with (
            python_process(["-m", "wattbus_server", "serve"], settings) as (process, announcement, stderr),
            grpc.aio.insecure_channel(announcement["grpc"]) as channel,
        ):
            yield Service(announcement, process, stderr, channel, self.admin_key, self.folder)


def default_scenario() -> dict[str, object]:
    scenario: dict[str, object] = yaml.safe_load(DEFAULT_SCENARIO.read_text())
    return scenario


def tesla_addresses(sandbox: Sandbox) -> dict[str, str]:
    url = sandbox.base_url
    return {
        "TESLA__AUTHORIZE_URL": f"{url}/oauth2/v3/authorize",
        "TESLA__TOKEN_URL": f"{url}/oauth2/v3/token",
        "TESLA__METADATA_URL": f"{url}/oauth2/v3/thirdparty/.well-known/openid-configuration",
        "TESLA__CONSENT_URL": f"{url}/user/revoke/consent",
        "TESLA__PAIRING_URL": f"{url}/_ak",
        "TESLA__API_URLS__NA": sandbox.fleet_api("na"),
        "TESLA__API_URLS__EU": sandbox.fleet_api("eu"),
    }
