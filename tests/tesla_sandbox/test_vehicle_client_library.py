"""The public client library `tesla-fleet-api` reads and commands simulated cars unchanged."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from tesla_fleet_api import TeslaFleetApi
from tesla_fleet_api.exceptions import NotOnWhitelistFault, VehicleOffline
from tesla_fleet_api.tesla.vehicle.signed import VehicleSigned

from tests.tesla_sandbox.conftest import OLD_VIN, PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.person import Person

SignedVehicle = VehicleSigned[TeslaFleetApi]


async def library(person: Person, key: ec.EllipticCurvePrivateKey, session: aiohttp.ClientSession) -> TeslaFleetApi:
    api = TeslaFleetApi(
        session,
        access_token=person.tokens["access_token"],
        server=person.sandbox.fleet_api(person.region),
    )
    api.private_key = key
    return api


@pytest_asyncio.fixture
async def api(person: Person, application_key: ec.EllipticCurvePrivateKey) -> AsyncIterator[TeslaFleetApi]:
    async with aiohttp.ClientSession() as session:
        yield await library(person, application_key, session)


@pytest.fixture
def car(api: TeslaFleetApi) -> SignedVehicle:
    return api.vehicles.createSigned(PAIRED_VIN)


DONE = {"response": {"result": True, "reason": ""}}


async def test_products_and_live_data_are_read(api: TeslaFleetApi, car: SignedVehicle) -> None:
    products = (await api.products())["response"]
    assert [entry["vin"] for entry in products if "vin" in entry] == [PAIRED_VIN, UNPAIRED_VIN]
    data = (await car.vehicle_data())["response"]
    assert data["charge_state"]["charge_limit_soc"] == 80
    status = (await api.vehicles.specific(PAIRED_VIN).fleet_status([PAIRED_VIN]))["response"]
    assert status["key_paired_vins"] == [PAIRED_VIN]


async def test_signed_commands_are_carried_out(person: Person, car: SignedVehicle) -> None:
    assert await car.door_unlock() == DONE
    assert await car.set_charge_limit(90) == DONE
    assert await car.set_charging_amps(8) == DONE
    assert await car.charge_start() == DONE
    assert await car.auto_conditioning_start() == DONE
    assert await car.set_temps(driver_temp=20, passenger_temp=21) == DONE
    assert await car.set_sentry_mode(on=True) == DONE
    assert await car.remote_seat_heater_request(0, 3) == DONE
    assert await car.actuate_trunk("rear") == DONE
    await person.sandbox.control.step(10)
    shown = (await car.vehicle_data())["response"]
    assert shown["charge_state"]["charging_state"] == "Charging"
    assert shown["charge_state"]["charger_actual_current"] == 8
    assert (shown["vehicle_state"]["locked"], shown["vehicle_state"]["rt"]) == (False, 1)
    climate = shown["climate_state"]
    assert (climate["driver_temp_setting"], climate["seat_heater_left"]) == (20, 3)


async def test_refusals_come_back_in_words(car: SignedVehicle) -> None:
    assert (await car.charge_stop())["response"] == {"result": False, "reason": "not_charging"}
    assert (await car.set_charge_limit(80))["response"]["reason"] == "already_set"


async def test_the_library_recovers_from_a_reboot(person: Person, car: SignedVehicle) -> None:
    assert await car.flash_lights() == DONE
    await person.sandbox.control.patch(f"/cars/{PAIRED_VIN}", {"reboot": True})
    assert await car.flash_lights() == DONE
    assert (await person.sandbox.control.get(f"/cars/{PAIRED_VIN}"))["lights_flashed"] == 2


async def test_an_unpaired_key_is_reported_as_such(person: Person, api: TeslaFleetApi) -> None:
    stranger = api.vehicles.createSigned(UNPAIRED_VIN)
    with pytest.raises(VehicleOffline):
        await stranger.door_lock()
    await stranger.wake_up()
    await person.sandbox.control.step(25)
    with pytest.raises(NotOnWhitelistFault):
        await stranger.door_lock()


async def test_unsigned_commands_of_the_library_reach_an_old_car(
    stranger: Person, application_key: ec.EllipticCurvePrivateKey
) -> None:
    stranger.region = "na"
    await stranger.link(email="alex@example.com")
    async with aiohttp.ClientSession() as session:
        api = await library(stranger, application_key, session)
        car = api.vehicles.createFleet(OLD_VIN)
        assert await car.set_charge_limit(60) == DONE
        assert await car.door_unlock() == DONE
