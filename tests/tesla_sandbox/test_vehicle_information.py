"""Endpoints around a car: settings, chargers, alerts, service, options, drivers, invitations."""

from typing import Any

from tests.tesla_sandbox.conftest import OLD_VIN, PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.person import Person

VEHICLE = f"/api/1/vehicles/{PAIRED_VIN}"
INVITATIONS = f"{VEHICLE}/invitations"


async def response(person: Person, path: str, **query: str) -> Any:
    answered = await person.get(path, params=query)
    assert answered.status_code == 200, answered.text
    return answered.json()["response"]


async def test_mobile_access_and_service_show_the_cars_state(person: Person) -> None:
    assert await response(person, f"{VEHICLE}/mobile_enabled") == {"reason": "", "result": True}
    assert await response(person, f"{VEHICLE}/service_data") == {}
    changes = {"mobile_access": False, "in_service": True}
    await person.sandbox.control.patch(f"/cars/{PAIRED_VIN}", changes)
    assert (await response(person, f"{VEHICLE}/mobile_enabled"))["result"] is False
    assert (await response(person, f"{VEHICLE}/service_data"))["service_status"] == "in_service"


async def test_charging_sites_are_sorted_by_distance_from_the_car(person: Person) -> None:
    path = f"{VEHICLE}/nearby_charging_sites"
    before = (await response(person, path))["superchargers"]
    distances = [site["distance_miles"] for site in before]
    assert distances == sorted(distances)
    await person.sandbox.control.patch(f"/cars/{PAIRED_VIN}", {"latitude": 52.58, "longitude": 4.78})
    after = (await response(person, path, count="1"))["superchargers"]
    assert [site["name"] for site in after] == [before[-1]["name"]]
    asleep = await person.get(f"/api/1/vehicles/{UNPAIRED_VIN}/nearby_charging_sites")
    assert asleep.status_code == 408


async def test_notes_alerts_options_and_warranty_answer_without_waking(person: Person) -> None:
    sleeping = f"/api/1/vehicles/{UNPAIRED_VIN}"
    notes = (await response(person, f"{sleeping}/release_notes"))["release_notes"]
    assert notes[0]["customer_version"] == "2026.32.5"
    assert await response(person, f"{sleeping}/recent_alerts") == {"recent_alerts": []}
    options = await response(person, "/api/1/dx/vehicles/options", vin=UNPAIRED_VIN)
    assert {entry["displayName"] for entry in options["codes"]} >= {"model3", "MidnightSilver"}
    eligible = await response(person, "/api/1/dx/vehicles/upgrades/eligibility", vin=UNPAIRED_VIN)
    assert eligible == {"country": "NL", "eligible": [], "vin": UNPAIRED_VIN}
    warranty = await response(person, "/api/1/dx/warranty/details")
    assert {entry["vin"] for entry in warranty["activeWarranty"]} == {PAIRED_VIN, UNPAIRED_VIN}
    missing = await person.get("/api/1/dx/vehicles/options")
    foreign = await person.get("/api/1/dx/vehicles/options", params={"vin": OLD_VIN})
    assert (missing.status_code, foreign.status_code) == (400, 404)


async def test_specifications_take_a_partner_token(person: Person) -> None:
    path = f"/api/1/vehicles/{OLD_VIN}/specs"
    partner = await person.get(path, token=await person.partner_token())
    assert partner.json()["response"]["car_type"] == "model3"
    assert (await person.get(path)).status_code == 403


async def test_an_invited_driver_shares_the_car_until_removed(person: Person) -> None:
    invitation = (await person.post(INVITATIONS)).json()["response"]
    assert (invitation["state"], invitation["vin"]) == ("pending", PAIRED_VIN)

    friend = Person(person.sandbox, person.http, region="na")
    await friend.link(email="alex@example.com")
    code = {"code": invitation["code"]}
    redeemed = (await friend.post("/api/1/invitations/redeem", code)).json()["response"]
    assert redeemed["vin"] == PAIRED_VIN
    assert (await friend.post("/api/1/invitations/redeem", code)).status_code == 404
    shared = await response(friend, VEHICLE)
    assert shared["access_type"] == "DRIVER"
    assert (await friend.get(f"{VEHICLE}/drivers")).status_code == 403

    drivers = await response(person, f"{VEHICLE}/drivers")
    assert [driver["driver_first_name"] for driver in drivers] == ["Sandbox"]
    listed = await response(person, INVITATIONS)
    assert [entry["state"] for entry in listed] == ["accepted"]
    removal = {"share_user_id": drivers[0]["user_id_s"]}
    assert (await person.call("DELETE", f"{VEHICLE}/drivers", params=removal)).status_code == 200
    assert (await friend.get(VEHICLE)).status_code == 404


async def test_invitations_expire_and_can_be_revoked(person: Person) -> None:
    first, second = [(await person.post(INVITATIONS)).json()["response"] for _ in range(2)]
    revoke = f"{INVITATIONS}/{first['id']}/revoke"
    assert (await person.post(revoke)).json()["response"] is True
    assert (await person.post(revoke)).status_code == 404
    await person.sandbox.control.step(6 * 3600)
    states = {entry["id"]: entry["state"] for entry in await response(person, INVITATIONS)}
    assert states == {first["id"]: "revoked", second["id"]: "pending"}
    await person.sandbox.control.step(18 * 3600 + 1)
    await person.link()
    states = {entry["id"]: entry["state"] for entry in await response(person, INVITATIONS)}
    assert states[second["id"]] == "expired"
