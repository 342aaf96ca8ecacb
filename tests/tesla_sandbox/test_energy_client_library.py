"""The public client library `tesla-fleet-api` reads and controls a simulated home."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from tesla_fleet_api import TeslaFleetApi
from tesla_fleet_api.const import EnergyExportMode, EnergyOperationMode, TeslaEnergyPeriod
from tesla_fleet_api.exceptions import (
    Forbidden,
    InternalServerError,
    InvalidField,
    InvalidRegion,
    NotFound,
    OAuthExpired,
    PreconditionFailed,
    RateLimited,
)

from tests.tesla_sandbox.conftest import FREE_SITE
from tests.tesla_sandbox.person import CLIENT_ID, DOMAIN, EMAIL, Person
from tests.tesla_sandbox.test_energy import tariff


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def library(session: aiohttp.ClientSession, person: Person, region: str = "eu", token: str = "") -> TeslaFleetApi:
    bearer = token or person.tokens["access_token"]
    return TeslaFleetApi(session, access_token=bearer, server=person.sandbox.fleet_api(region))


async def test_a_home_is_read_and_controlled(session: aiohttp.ClientSession, person: Person) -> None:
    api = library(session, person)
    site = api.energySites.create(FREE_SITE)
    assert (await site.live_status())["response"]["island_status"] == "on_grid"
    assert (await site.site_info())["response"]["battery_count"] == 2
    updated = {"response": {"code": 201, "message": "Updated"}}
    assert await site.backup(45) == updated
    assert await site.operation(EnergyOperationMode.AUTONOMOUS) == updated
    assert await site.storm_mode(enabled=False) == updated
    assert await site.off_grid_vehicle_charging_reserve(30) == updated
    assert await site.time_of_use_settings(tariff(17, 0.4, 0.1, 0.2, 0.05)) == updated
    exporting = await site.grid_import_export(True, EnergyExportMode.PV_ONLY)
    assert exporting["response"]["message"] == "Updated"
    await person.sandbox.control.step(2)
    info = (await site.site_info())["response"]
    assert (info["backup_reserve_percent"], info["default_real_mode"]) == (45, "autonomous")
    assert info["tariff_content_v2"]["code"] == "TEST"
    assert info["components"]["customer_preferred_export_rule"] == "pv_only"


async def test_history_without_dates_is_the_present_period(session: aiohttp.ClientSession, person: Person) -> None:
    site = library(session, person).energySites.create(FREE_SITE)
    today = (await site.energy_history(TeslaEnergyPeriod.DAY))["response"]["time_series"]
    assert today[0]["timestamp"] == "2026-06-21T00:00:00+02:00"
    assert len(today) == 144
    month = (await site.energy_history(TeslaEnergyPeriod.MONTH))["response"]["time_series"]
    assert [day["timestamp"][:10] for day in month] == [f"2026-06-{day:02d}" for day in range(1, 22)]
    assert (await site.backup_history(TeslaEnergyPeriod.DAY))["response"]["total_events"] == 0


async def test_accounts_and_partner_endpoints(session: aiohttp.ClientSession, person: Person) -> None:
    api = library(session, person, "na")
    assert (await api.user.region())["response"]["region"] == "eu"
    assert await api.status() == "ok"
    assert (await library(session, person).user.me())["response"]["email"] == EMAIL
    partner = library(session, person, token=await person.partner_token()).partner
    registered = (await partner.register(DOMAIN))["response"]
    assert (await partner.public_key(DOMAIN))["response"]["public_key"] == registered["public_key"]
    assert (await partner.fleet_telemetry_errors(DOMAIN))["response"] == {"fleet_telemetry_errors": []}


async def test_refusals_raise_the_library_s_own_errors(session: aiohttp.ClientSession, person: Person) -> None:
    control = person.sandbox.control
    site = library(session, person).energySites.create(FREE_SITE)
    with pytest.raises(InvalidField):
        await site.backup(400)
    with pytest.raises(NotFound):
        await library(session, person).energySites.create(1).live_status()
    with pytest.raises(InvalidRegion):
        await library(session, person, "na").energySites.create(FREE_SITE).live_status()
    with pytest.raises(OAuthExpired):
        await library(session, person, token="nonsense").products()
    await control.inject_fault("site_unreachable")
    with pytest.raises(InternalServerError):
        await site.live_status()
    await control.patch("/rate_limits", {"data": 1})
    await site.live_status()
    with pytest.raises(RateLimited):
        await site.live_status()
    await control.patch(f"/applications/{CLIENT_ID}", {"registered_regions": []})
    with pytest.raises(PreconditionFailed):
        await site.site_info()
    await control.patch(f"/applications/{CLIENT_ID}", {"billing_limit_usd": 0, "billing_discount_usd": 0})
    with pytest.raises(Forbidden):
        await site.site_info()
