"""What permissions, firmware and programmes make of a home's settings, and how site_info tells."""

from typing import Any

import pytest

from tesla_sandbox.homes.settings import kept_reserve
from tests.tesla_sandbox.conftest import FREE_SITE
from tests.tesla_sandbox.person import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, Person
from tests.tesla_sandbox.test_tariff import tariff

SITE = f"/api/1/energy_sites/{FREE_SITE}"
Json = dict[str, Any]

NIGHT = {"solar_override": 0, "load_override": 500, "state_of_charge": 40, "grid_charging": False}


async def configure(person: Person, **changes: object) -> None:
    await person.sandbox.control.patch(f"/homes/{FREE_SITE}", changes)


async def info(person: Person) -> Json:
    body: Json = (await person.get(f"{SITE}/site_info")).json()["response"]
    return body


async def powers(person: Person) -> tuple[int, int]:
    body = (await person.get(f"{SITE}/live_status")).json()["response"]
    return body["battery_power"], body["grid_power"]


async def test_storm_watch_charges_to_full_without_permission_to_charge_from_the_grid(person: Person) -> None:
    await configure(person, **NIGHT, storm={"seconds": 6 * 3600})
    assert await powers(person) == (-10_000, 10_500)
    await person.sandbox.control.step(4 * 3600)
    body = (await person.get(f"{SITE}/live_status")).json()["response"]
    assert body["percentage_charged"] == pytest.approx(100, abs=0.5)


async def test_a_reserve_above_the_charge_pulls_from_the_grid_without_that_permission(person: Person) -> None:
    await configure(person, **NIGHT, backup_reserve_percent=80)
    assert await powers(person) == (-3_600, 4_100)
    await configure(person, backup_reserve_percent=30)
    assert await powers(person) == (500, 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"operation_mode": "backup"}, (0, 500)),
        ({"grid_services_event": {"power_w": -4_000, "seconds": 600}}, (0, 500)),
    ],
)
async def test_everything_else_needs_the_permission(person: Person, changes: Json, expected: tuple[int, int]) -> None:
    await configure(person, **NIGHT, **changes)
    assert await powers(person) == expected
    await configure(person, grid_charging=True)
    battery, grid = await powers(person)
    assert battery < -3_000
    assert grid == 500 - battery


async def test_the_optimiser_without_permission_leaves_the_reserve_its_trickle(person: Person) -> None:
    cheap = tariff(peak=0.4, other=0.1)
    await configure(person, **NIGHT, operation_mode="autonomous", tariff=cheap)
    assert await powers(person) == (0, 500)
    await configure(person, backup_reserve_percent=70)
    assert await powers(person) == (-3_600, 4_100)


async def test_a_grid_services_event_stops_at_its_own_reserve(person: Person) -> None:
    event = {"power_w": 8_000, "seconds": 6 * 3600}
    await configure(person, solar_override=0, load_override=0, grid_services=True, state_of_charge=60)
    await configure(person, vpp_backup_reserve_percent=35, backup_reserve_percent=50, grid_services_event=event)
    await person.sandbox.control.step(3 * 3600)
    body = (await person.get(f"{SITE}/live_status")).json()["response"]
    assert body["percentage_charged"] == pytest.approx(35, abs=0.1)
    assert body["battery_power"] == 0


async def test_site_info_tells_of_the_programme_only_to_its_members(person: Person) -> None:
    body = await info(person)
    assert body["vpp_backup_reserve_percent"] == 0
    assert "aggregation_program" not in body
    await configure(person, grid_services=True, vpp_backup_reserve_percent=25)
    body = await info(person)
    assert body["vpp_backup_reserve_percent"] == 25
    assert set(body["aggregation_program"]) == {"name", "description", "link_name", "link_url"}
    assert body["components"]["grid_services_enabled"] is True


async def test_site_info_shows_the_tariff_in_all_its_forms(person: Person) -> None:
    assert not {"utility", "tariff_id", "tariff_content", "tariff_content_v2"} & set(await info(person))
    await configure(person, tariff=tariff())
    body = await info(person)
    assert (body["utility"], body["tariff_id"]) == ("Example Power", "EXAMPLE-TOU")
    assert body["tariff_content"]["energy_charges"]["Winter"] == {"OFF_PEAK": 0.2}
    assert body["tariff_content_v2"]["energy_charges"]["Winter"] == {"rates": {"OFF_PEAK": 0.2}}
    assert [entry["target"] for entry in body["tou_settings"]["schedule"]] == ["peak", "off_peak"]
    assert set(body["tou_settings"]["schedule"][0]) == {"target", "week_days", "start_seconds", "end_seconds"}


@pytest.mark.parametrize(
    ("firmware", "percent", "kept"),
    [
        ("25.18.4 a1b2c3d4", 90, 80),
        ("25.42.1", 99, 80),
        ("26.1", 81, 80),
        ("25.42.1", 80, 80),
        ("25.42.1", 100, 100),
        ("25.18.3 99", 90, 90),
        ("23.44.0 eb113390", 95, 95),
    ],
)
def test_the_reserve_snaps_since_one_firmware(firmware: str, percent: int, kept: int) -> None:
    assert kept_reserve(percent, firmware) == kept


async def test_the_reserve_snaps_wherever_it_comes_from(person: Person) -> None:
    await configure(person, backup_reserve_percent=95)
    assert (await info(person))["backup_reserve_percent"] == 80
    homes = [
        {"site_id": 1, "backup_reserve_percent": 90},
        {"site_id": 2, "backup_reserve_percent": 90, "firmware": "25.10.0 0a0b0c0d"},
    ]
    application = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uris": [REDIRECT_URI]}
    scenario = {"users": [{"email": "robin@example.com", "homes": homes}], "applications": [application]}
    await person.sandbox.control.put("/scenario", scenario)
    await person.link()
    await person.post("/api/1/energy_sites/2/backup", {"backup_reserve_percent": 97})
    await person.sandbox.control.step(2)
    kept = [(await person.get(f"/api/1/energy_sites/{site}/site_info")).json()["response"] for site in (1, 2)]
    assert [body["backup_reserve_percent"] for body in kept] == [80, 97]
