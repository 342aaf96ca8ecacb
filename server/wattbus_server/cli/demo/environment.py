"""The world of the demo: a sandbox, a server that is set up for it, a tenant with a key, all in a temporary folder."""

import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from cryptography.hazmat.primitives import serialization
from wattbus.v1 import admin_service_pb2
from wattbus.v1.admin_service_pb2_grpc import AdminServiceStub
from wattbus.v1.connection_service_pb2_grpc import ConnectionServiceStub
from wattbus.v1.device_service_pb2_grpc import DeviceServiceStub

from wattbus_server.cli.demo.processes import free_port, running
from wattbus_server.cli.keys import new_encryption_key, write_command_key

# These names exist in the type hints of the stubs only.
if TYPE_CHECKING:
    from wattbus.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from wattbus.v1.connection_service_pb2_grpc import ConnectionServiceAsyncStub
    from wattbus.v1.device_service_pb2_grpc import DeviceServiceAsyncStub

CLIENT_ID = "wattbus-demo"
DOMAIN = "wattbus.example.com"


@dataclass(frozen=True)
class DemoWorld:
    """What the story needs to talk to the server."""

    sandbox_url: str
    sandbox_page_url: str
    grpc_address: str
    http_url: str
    api_key: str
    devices: "DeviceServiceAsyncStub"
    connections: "ConnectionServiceAsyncStub"

    @property
    def credentials(self) -> tuple[tuple[str, str], ...]:
        """The metadata that every call carries."""
        return (("authorization", f"Bearer {self.api_key}"),)


@contextlib.asynccontextmanager
async def demo_world() -> AsyncIterator[DemoWorld]:
    """Start everything, and stop it at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="wattbus-demo-") as name:
        folder = Path(name)
        http_port, grpc_port = free_port(8080), free_port(50051)
        client_secret, admin_key = secrets.token_hex(16), secrets.token_hex(32)
        arguments = _sandbox_arguments(folder, http_port)
        # Not among the arguments: everybody on the machine sees those.
        secret = {"TESLA_SANDBOX_CLIENT_SECRET": client_secret}
        async with running("tesla_sandbox", *arguments, environment=secret, log=folder / "sandbox.log") as sandbox:
            settings = {
                **_server_settings(folder, http_port, grpc_port, admin_key),
                **_tesla_settings(folder, sandbox, client_secret),
            }
            async with (
                running("wattbus_server", "serve", environment=settings, log=folder / "server.log") as server,
                grpc.aio.insecure_channel(server["grpc"]) as channel,
            ):
                yield DemoWorld(
                    sandbox_url=sandbox["url"],
                    sandbox_page_url=sandbox["page_url"],
                    grpc_address=server["grpc"],
                    http_url=server["http"],
                    api_key=await _make_tenant(channel, admin_key),
                    devices=DeviceServiceStub(channel),
                    connections=ConnectionServiceStub(channel),
                )


def _sandbox_arguments(folder: Path, http_port: int) -> list[str]:
    write_command_key(folder / "command-key.pem")
    private_key = serialization.load_pem_private_key((folder / "command-key.pem").read_bytes(), password=None)
    public_key = private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "public-key.pem").write_bytes(public_key)
    options = {
        "--port": "0",
        "--client-id": CLIENT_ID,
        "--redirect-uri": f"http://127.0.0.1:{http_port}/oauth/callback/tesla",
        "--domain": DOMAIN,
        "--public-key": str(folder / "public-key.pem"),
    }
    return [part for option in options.items() for part in option]


def _server_settings(folder: Path, http_port: int, grpc_port: int, admin_key: str) -> dict[str, str]:
    return {
        "WATTBUS_GRPC_PORT": str(grpc_port),
        "WATTBUS_HTTP_PORT": str(http_port),
        "WATTBUS_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'wattbus.db'}",
        "WATTBUS_ENCRYPTION_KEY": new_encryption_key(),
        "WATTBUS_ADMIN_KEY": admin_key,
        # As quick as Tesla's limit of 60 reads a minute for each device allows.
        "WATTBUS_BLOCKER_CHECK_INTERVAL": "PT5S",
        "WATTBUS_TESLA__LIVE_STATUS_INTERVAL": "PT4S",
        "WATTBUS_TESLA__SITE_INFO_INTERVAL": "PT10S",
        "WATTBUS_TESLA__PRODUCTS_INTERVAL": "PT5S",
    }


def _tesla_settings(folder: Path, sandbox: dict[str, object], client_secret: str) -> dict[str, str]:
    """Point the server at the sandbox, exactly as it points at Tesla by default."""
    url = sandbox["url"]
    regions = sandbox["fleet_api_base_urls"]
    region_urls = regions if isinstance(regions, dict) else {}
    return {
        "WATTBUS_TESLA__CLIENT_ID": CLIENT_ID,
        "WATTBUS_TESLA__CLIENT_SECRET": client_secret,
        "WATTBUS_TESLA__DOMAIN": DOMAIN,
        "WATTBUS_TESLA__COMMAND_KEY_FILE": str(folder / "command-key.pem"),
        "WATTBUS_TESLA__AUTHORIZE_URL": f"{url}/oauth2/v3/authorize",
        "WATTBUS_TESLA__TOKEN_URL": f"{url}/oauth2/v3/token",
        "WATTBUS_TESLA__METADATA_URL": f"{url}/oauth2/v3/thirdparty/.well-known/openid-configuration",
        "WATTBUS_TESLA__CONSENT_URL": f"{url}/user/revoke/consent",
        "WATTBUS_TESLA__PAIRING_URL": f"{url}/_ak",
        **{f"WATTBUS_TESLA__API_URLS__{region.upper()}": str(base) for region, base in region_urls.items()},
    }


async def _make_tenant(channel: grpc.aio.Channel, admin_key: str) -> str:
    admin: AdminServiceAsyncStub = AdminServiceStub(channel)
    metadata = (("authorization", f"Bearer {admin_key}"),)
    created = await admin.CreateTenant(admin_service_pb2.CreateTenantRequest(display_name="Demo"), metadata=metadata)
    request = admin_service_pb2.CreateApiKeyRequest(parent=created.tenant.name, display_name="demo")
    return (await admin.CreateApiKey(request, metadata=metadata)).secret
