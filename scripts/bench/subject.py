"""The process under measurement: the whole service with a database file; 1,000 devices change on command."""

import asyncio
import base64
import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import insert
from wattbus.v1.connection_pb2 import Vendor

from scripts.bench.process import serve_commands
from scripts.bench.samples import REST_SECONDS, discovered, observation
from wattbus_server.app import App
from wattbus_server.devices.owners import ConnectionIdentity
from wattbus_server.devices.selection import Selection
from wattbus_server.logs import configure_logs
from wattbus_server.settings import Settings
from wattbus_server.storage.tables import connections

CONNECTION = "connections/bench"


class MeasuredApp(App):
    """The service with devices that no vendor has. No poll runs: the poller does not know their connection."""

    turn = 0
    """How many times all devices have changed."""

    async def fill(self) -> str:
        """Create a tenant with devices and return the secret of its key."""
        tenant = (await self._tenants.create_tenant("Bench")).name
        _, secret = await self._tenants.create_key(tenant, "bench")
        now = datetime.now(UTC)
        row = {
            "name": CONNECTION,
            "tenant": tenant,
            "external_user_id": "bench",
            "vendor": Vendor.VENDOR_TESLA,
            "subject": "bench",
            "requested_access": "",
            "state": 0,
            "create_time": now,
            "update_time": now,
        }
        async with self._engine.begin() as database:
            await database.execute(insert(connections).values(row))
        identity = ConnectionIdentity(CONNECTION, tenant, "bench", Vendor.VENDOR_TESLA)
        await self._registry.replace(identity, discovered())
        self.records = self._registry.select(Selection(tenant))
        self._prepare()
        await self.change()
        return secret

    async def change(self) -> int:
        """Change every device once, as one burst, and return how many there are."""
        self._hub.observe(self._observations)
        asyncio.get_running_loop().call_later(REST_SECONDS / 2, self._prepare)
        return len(self._observations)

    def _prepare(self) -> None:
        """Make the observations of the next burst, which is the work of an adapter and not measured."""
        self.turn += 1
        self._observations = [observation(record.name, record.kind, self.turn) for record in self.records]


def settings(folder: Path) -> Settings:
    """Return what a server on loopback needs."""
    return Settings(
        database_url=f"sqlite+aiosqlite:///{folder / 'bench.db'}",
        encryption_key=SecretStr(base64.b64encode(secrets.token_bytes(32)).decode()),
        grpc_port=0,
        http_port=0,
        streams_per_tenant=100_000,
    )


async def main() -> None:
    """Serve until standard input ends."""
    configure_logs("WARNING", "json")
    with tempfile.TemporaryDirectory() as folder:
        app = MeasuredApp(settings(Path(folder)))
        await app.start()
        secret = await app.fill()
        ready = {
            "port": int(app.grpc_address.rpartition(":")[2]),
            "key": secret,
            "device": app.records[0].name,
        }
        await serve_commands(ready, {"change": app.change})
        await app.close()


if __name__ == "__main__":
    asyncio.run(main())
