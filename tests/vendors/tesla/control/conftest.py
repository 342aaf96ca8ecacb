"""TeslaControl against a real sandbox process, with a real key and a real counter store."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from wattbus.v1.device_pb2 import DeviceKind

from tests.processes import PATIENCE_SECONDS, Json, Sandbox, sandbox_process
from tests.tesla_sandbox.person import CLIENT_ID, CLIENT_SECRET, DOMAIN, REDIRECT_URI, Person
from tests.vendors.tesla.control.linked_account import LinkedAccount, records
from wattbus_server.settings import TeslaSettings
from wattbus_server.storage.database import open_engine
from wattbus_server.storage.migrate import migrate
from wattbus_server.storage.signing_sessions import SqlSessionStore
from wattbus_server.vendors.contract import DeviceRecord
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.control import TeslaControl
from wattbus_server.vendors.tesla.discovery import discover
from wattbus_server.vendors.tesla.http import new_transport
from wattbus_server.vendors.tesla.oauth import TeslaOAuth
from wattbus_server.vendors.tesla.polling import TeslaReader
from wattbus_server.vendors.tesla.refusals import Refusals
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.signing import ClientKey, VehicleCommandClient

CAR = "LRW3E7EK5PC000101"
STRANGE_CAR = "XP7YGCEK8PB000202"
OLD_CAR = "5YJ3E1EA7KF000303"
FULL_CAR = "7SAYGDEE5PA000404"
SITE = 20260001
LOCKED_SITE = 20260002

LOCKED_GRID = {
    "export_rule": "pv_only",
    "grid_charging": False,
    "net_meter_mode": "pv_only",
    "edit_permission_to_export": False,
    "edit_energy_exports": False,
    "edit_grid_charging": False,
    "tou_capable": False,
}


def scenario(public_key: str) -> Json:
    """A person with a paired, an unpaired and an old car, an open and a locked site; the clock stands."""
    return {
        "name": "Control",
        "seed": 3,
        "clock": {"start": "2026-06-21T12:00:00+02:00", "paused": True},
        "rate_limits": {"data": None, "command": None, "wake": None, "auth": None},
        "applications": [
            {
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "domain": DOMAIN,
                "redirect_uris": [REDIRECT_URI],
                "public_key": public_key,
            }
        ],
        "users": [
            {
                "email": "robin@example.com",
                "cars": [
                    {"vin": CAR, "plugged_in": True, "key": "paired"},
                    {"vin": STRANGE_CAR, "key": "unpaired"},
                    {"vin": OLD_CAR, "protocol_required": False, "speaks_protocol": False},
                    {"vin": FULL_CAR, "key": "unpaired", "other_keys": 20},
                ],
                "homes": [
                    {"site_id": SITE, "name": "Canal House"},
                    {"site_id": LOCKED_SITE, "name": "Dune Cottage", "powerwalls": 1, "grid": LOCKED_GRID},
                ],
            }
        ],
    }


@pytest.fixture(scope="session")
def command_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def control_sandbox_program() -> AsyncIterator[Sandbox]:
    async with sandbox_process() as running:
        yield running


@pytest_asyncio.fixture
async def sandbox(control_sandbox_program: Sandbox, command_key: ec.EllipticCurvePrivateKey) -> AsyncIterator[Sandbox]:
    """The one process, with a fresh world."""
    public = command_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    async with control_sandbox_program.connected() as fresh:
        await fresh.control.put("/scenario", scenario(public))
        yield fresh


@pytest_asyncio.fixture
async def person(sandbox: Sandbox) -> AsyncIterator[Person]:
    """A person who has not consented to anything yet."""
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as browser:
        yield Person(sandbox, browser)


@pytest_asyncio.fixture
async def account(person: Person) -> LinkedAccount:
    """A person who granted everything."""
    await person.link()
    return LinkedAccount(person)


@pytest.fixture
def settings(sandbox: Sandbox) -> TeslaSettings:
    return TeslaSettings(
        client_id=CLIENT_ID,
        domain=DOMAIN,
        consent_url=f"{sandbox.base_url}/user/revoke/consent",
        pairing_url=f"{sandbox.base_url}/_ak",
        api_urls={"eu": sandbox.fleet_api("eu"), "na": sandbox.fleet_api("na")},
        home_region="eu",
    )


@pytest.fixture
def remedies(settings: TeslaSettings) -> TeslaRemedies:
    return TeslaRemedies(settings, "https://link.example.com")


@pytest_asyncio.fixture
async def api(settings: TeslaSettings, remedies: TeslaRemedies) -> AsyncIterator[FleetApi]:
    api = FleetApi(settings, new_transport(), Refusals(remedies))
    yield api
    await api.close()


@pytest.fixture
def oauth(settings: TeslaSettings, remedies: TeslaRemedies) -> TeslaOAuth:
    return TeslaOAuth(settings, new_transport(), remedies)


@pytest_asyncio.fixture
async def signer(tmp_path: Path, command_key: ec.EllipticCurvePrivateKey) -> AsyncIterator[VehicleCommandClient]:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'counters.db'}")
    await migrate(engine)
    yield VehicleCommandClient(ClientKey(command_key), SqlSessionStore(engine))
    await engine.dispose()


@pytest.fixture
def reader(settings: TeslaSettings, api: FleetApi) -> TeslaReader:
    return TeslaReader(settings, api)


@pytest.fixture
def control(
    settings: TeslaSettings,
    oauth: TeslaOAuth,
    api: FleetApi,
    reader: TeslaReader,
    remedies: TeslaRemedies,
    signer: VehicleCommandClient,
) -> TeslaControl:
    return TeslaControl(settings, oauth, api, reader, remedies, signer)


@pytest_asyncio.fixture
async def devices(api: FleetApi, account: LinkedAccount) -> dict[str, DeviceRecord]:
    return records(await discover(api, account))


@pytest.fixture
def car(devices: dict[str, DeviceRecord]) -> DeviceRecord:
    return devices[f"vehicle/{CAR}"]


@pytest.fixture
def strange_car(devices: dict[str, DeviceRecord]) -> DeviceRecord:
    return devices[f"vehicle/{STRANGE_CAR}"]


@pytest.fixture
def old_car(devices: dict[str, DeviceRecord]) -> DeviceRecord:
    return devices[f"vehicle/{OLD_CAR}"]


@pytest.fixture
def battery(devices: dict[str, DeviceRecord]) -> DeviceRecord:
    found = devices[f"site/{SITE}/battery"]
    assert found.kind == DeviceKind.DEVICE_KIND_BATTERY
    return found


@pytest.fixture
def locked_battery(devices: dict[str, DeviceRecord]) -> DeviceRecord:
    return devices[f"site/{LOCKED_SITE}/battery"]
