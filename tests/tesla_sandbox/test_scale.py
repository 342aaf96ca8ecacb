"""The largest fleet in one process: all of it is there, addressable, and fits into the memory that is allowed."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.processes import Json, sandbox_process
from tests.tesla_sandbox.person import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

CARS, HOMES = 10_000, 5_000
ALLOWED_BYTES = 1 << 30
SCENARIO: Json = {
    "clock": {"start": "2026-06-21T12:00:00+02:00", "paused": True},
    "applications": [{"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uris": [REDIRECT_URI]}],
    "users": [{"email": "fleet@example.com"}],
    "fleets": [{"email": "fleet@example.com", "cars": CARS, "homes": HOMES, "home": {"powerwalls": 1}}],
    "rate_limits": {"data": None},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner() -> AsyncIterator[Person]:
    async with sandbox_process(scenario=SCENARIO) as running, httpx.AsyncClient(trust_env=False, timeout=120) as http:
        person = Person(running, http)
        await person.link(email="fleet@example.com")
        yield person


def memory_peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("memory of another process can be read on Linux only")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


async def test_every_car_is_listed_once_over_all_pages(owner: Person) -> None:
    vins: list[str] = []
    page: int | None = 1
    while page is not None:
        listed = (await owner.get(f"/api/1/vehicles?page={page}&page_size=100")).json()
        vins += [entry["vin"] for entry in listed["response"]]
        assert listed["pagination"]["count"] == CARS
        page = listed["pagination"]["next"]
    assert len(set(vins)) == len(vins) == CARS


async def test_all_products_are_alive_within_the_allowed_memory(owner: Person) -> None:
    products = (await owner.get("/api/1/products")).json()
    assert products["count"] == CARS + HOMES
    homes = [entry for entry in products["response"] if "energy_site_id" in entry]
    assert len({entry["percentage_charged"] for entry in homes}) > HOMES / 10
    await owner.sandbox.control.step(600)
    later = (await owner.get("/api/1/products")).json()["response"]
    assert [entry for entry in later if "energy_site_id" in entry] != homes
    assert memory_peak(owner.sandbox.process.pid) < ALLOWED_BYTES


async def test_the_last_car_and_home_are_as_real_as_the_first(owner: Person) -> None:
    products = (await owner.get("/api/1/products")).json()["response"]
    car = [entry for entry in products if "vin" in entry][-1]
    site = products[-1]["energy_site_id"]
    data = await owner.get(f"/api/1/vehicles/{car['id']}/vehicle_data?endpoints=charge_state")
    assert data.status_code in {200, 408}
    live = (await owner.get(f"/api/1/energy_sites/{site}/live_status")).json()["response"]
    assert live["load_power"] == live["solar_power"] + live["battery_power"] + live["grid_power"]
    await owner.post(f"/api/1/energy_sites/{site}/backup", {"backup_reserve_percent": 55})
    await owner.sandbox.control.step(10)
    info = (await owner.get(f"/api/1/energy_sites/{site}/site_info")).json()["response"]
    assert info["backup_reserve_percent"] == 55
