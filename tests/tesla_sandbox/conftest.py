"""A real sandbox process per test module, and a linked person to talk to it."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.processes import PATIENCE_SECONDS, Json, Sandbox, sandbox_process
from tests.tesla_sandbox.person import CLIENT_ID, CLIENT_SECRET, DOMAIN, REDIRECT_URI, Person

PAIRED_VIN = "LRW3E7EK5PC000101"
UNPAIRED_VIN = "XP7YGCEK8PB000202"
OLD_VIN = "5YJ3E1EA7KF000303"
FREE_SITE = 20260001
LOCKED_SITE = 20260002
NOON = "2026-06-21T12:00:00+02:00"


@pytest.fixture(scope="session")
def application_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def public_key_pem(application_key: ec.EllipticCurvePrivateKey) -> str:
    public = application_key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="session")
def scenario(public_key_pem: str) -> Callable[[], Json]:
    """Two homes and three cars under a clock that stands at noon of midsummer."""

    def build() -> Json:
        return {
            "name": "Tests",
            "seed": 11,
            "clock": {"start": NOON, "paused": True},
            "rate_limits": {"data": None, "command": None, "auth": None},
            "applications": [
                {
                    "client_id": CLIENT_ID,
                    "client_secret": CLIENT_SECRET,
                    "domain": DOMAIN,
                    "redirect_uris": [REDIRECT_URI],
                    "public_key": public_key_pem,
                }
            ],
            "users": [
                {
                    "email": "robin@example.com",
                    "full_name": "Robin Example",
                    "cars": [
                        {"vin": PAIRED_VIN, "plugged_in": True, "key": "paired"},
                        {"vin": UNPAIRED_VIN, "state": "asleep"},
                    ],
                    "homes": [
                        {
                            "site_id": FREE_SITE,
                            "name": "Canal House",
                            "wall_connectors": [{"din": "WC-1", "vin": PAIRED_VIN}],
                        },
                        {
                            "site_id": LOCKED_SITE,
                            "name": "Dune Cottage",
                            "powerwalls": 1,
                            "grid": {
                                "export_rule": "pv_only",
                                "grid_charging": False,
                                "net_meter_mode": "pv_only",
                                "edit_permission_to_export": False,
                                "edit_energy_exports": False,
                                "edit_grid_charging": False,
                            },
                        },
                    ],
                },
                {
                    "email": "alex@example.com",
                    "region": "na",
                    "cars": [{"vin": OLD_VIN, "protocol_required": False}],
                },
            ],
        }

    return build


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox_program() -> AsyncIterator[Sandbox]:
    async with sandbox_process() as running:
        yield running
        assert running.process.returncode is None, "".join(running.stderr)
        assert not any("Traceback" in line for line in running.stderr), "".join(running.stderr)


@pytest_asyncio.fixture
async def sandbox(sandbox_program: Sandbox, scenario: Callable[[], Json]) -> AsyncIterator[Sandbox]:
    """The one process of the session, with a fresh world."""
    async with sandbox_program.connected() as fresh:
        await fresh.control.put("/scenario", scenario())
        yield fresh


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture
async def stranger(sandbox: Sandbox, browser: httpx.AsyncClient) -> Person:
    """A person who has not consented to anything."""
    return Person(sandbox, browser)


@pytest_asyncio.fixture
async def person(stranger: Person) -> Person:
    """A person who granted everything."""
    await stranger.link()
    return stranger
