"""Vehicle endpoints over HTTP against a real sandbox process."""

from typing import Any

import pytest

from tests.tesla_sandbox.conftest import OLD_VIN, PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.person import Person

Json = dict[str, Any]
ASLEEP = {
    "response": None,
    "error": "vehicle unavailable: vehicle is offline or asleep",
    "error_description": "",
}
JSON_KIND = {"content-type": "application/json"}


def vehicle(path: str = "", vin: str = PAIRED_VIN) -> str:
    return f"/api/1/vehicles/{vin}{path}"


async def live_data(person: Person, endpoints: str = "", vin: str = PAIRED_VIN) -> Json:
    query = {"endpoints": endpoints} if endpoints else {}
    answered = await person.get(vehicle("/vehicle_data", vin), params=query)
    assert answered.status_code == 200, answered.text
    data: Json = answered.json()["response"]
    return data


async def test_the_list_is_paged(person: Person) -> None:
    everything = (await person.get("/api/1/vehicles")).json()
    assert [car["vin"] for car in everything["response"]] == [PAIRED_VIN, UNPAIRED_VIN]
    assert [car["state"] for car in everything["response"]] == ["online", "asleep"]
    second = (await person.get("/api/1/vehicles", params={"page": "2", "page_size": "1"})).json()
    assert [car["vin"] for car in second["response"]] == [UNPAIRED_VIN]
    assert second["pagination"] == {
        "previous": 1,
        "next": None,
        "current": 2,
        "per_page": 1,
        "count": 2,
        "pages": 2,
    }
    assert (await person.get("/api/1/vehicles", params={"page": "0"})).status_code == 400


async def test_a_record_is_found_by_vin_and_by_number_and_does_not_wake(person: Person) -> None:
    by_vin = (await person.get(vehicle(vin=UNPAIRED_VIN))).json()["response"]
    by_number = (await person.get(vehicle(vin=by_vin["id_s"]))).json()["response"]
    assert by_vin == by_number
    assert by_vin["state"] == "asleep"
    assert (await person.get(vehicle(vin=OLD_VIN))).status_code == 404


async def test_live_data_has_its_classic_groups_and_no_position(person: Person) -> None:
    data = await live_data(person)
    groups = {name for name, value in data.items() if isinstance(value, dict)} - {"granular_access"}
    assert groups == {
        "charge_state",
        "climate_state",
        "drive_state",
        "gui_settings",
        "vehicle_config",
        "vehicle_state",
    }
    assert "latitude" not in data["drive_state"]
    assert (data["vin"], data["charge_state"]["battery_level"]) == (PAIRED_VIN, 60)


async def test_asked_groups_only_and_position_with_its_scope(person: Person) -> None:
    data = await live_data(person, "charge_state;location_data")
    assert "climate_state" not in data
    assert data["drive_state"]["latitude"] == 52.37
    unknown = await person.get(vehicle("/vehicle_data"), params={"endpoints": "nonsense"})
    assert unknown.status_code == 400


async def test_position_without_its_scope_is_refused(stranger: Person) -> None:
    await stranger.link("openid offline_access vehicle_device_data")
    refused = await stranger.get(vehicle("/vehicle_data"), params={"endpoints": "location_data"})
    assert refused.status_code == 403
    assert refused.json()["error"] == "Unauthorized missing scopes vehicle_location"
    assert "charge_state" in await live_data(stranger)


async def test_a_sleeping_car_answers_408_until_it_was_woken(person: Person) -> None:
    asleep = await person.get(vehicle("/vehicle_data", UNPAIRED_VIN))
    assert (asleep.status_code, asleep.json()) == (408, ASLEEP)
    woken = await person.post(vehicle("/wake_up", UNPAIRED_VIN))
    assert woken.json()["response"]["state"] == "asleep"
    await person.sandbox.control.step(21)
    assert (await person.get(vehicle(vin=UNPAIRED_VIN))).json()["response"]["state"] == "online"
    await live_data(person, vin=UNPAIRED_VIN)


async def test_tesla_s_own_library_wakes_a_car_with_null(person: Person) -> None:
    woken = await person.call("POST", vehicle("/wake_up", UNPAIRED_VIN), content=b"null", headers=JSON_KIND)
    assert woken.json()["response"]["vin"] == UNPAIRED_VIN


async def test_null_is_an_empty_body_where_no_parameter_is_required(alex: Person) -> None:
    locked = await alex.call("POST", vehicle("/command/door_lock", OLD_VIN), content=b"null", headers=JSON_KIND)
    assert locked.json() == {"response": {"result": True, "reason": ""}}
    limited = await alex.call("POST", vehicle("/command/set_charge_limit", OLD_VIN), content=b"null", headers=JSON_KIND)
    assert (limited.status_code, limited.json()["error"]) == (400, "invalid_request")


async def test_live_data_keeps_a_car_awake_and_the_record_does_not(person: Person) -> None:
    for path in ("/vehicle_data", "/vehicle_data", ""):
        assert (await person.get(vehicle(path))).json()["response"]["state"] == "online"
        await person.sandbox.control.step(700)
    assert (await person.get(vehicle())).json()["response"]["state"] == "asleep"


async def test_fleet_status_tells_paired_from_unpaired(person: Person) -> None:
    both = [PAIRED_VIN, UNPAIRED_VIN]
    status = (await person.post("/api/1/vehicles/fleet_status", {"vins": both})).json()["response"]
    assert status["key_paired_vins"] == [PAIRED_VIN]
    assert status["unpaired_vins"] == [UNPAIRED_VIN]
    info = status["vehicle_info"][PAIRED_VIN]
    assert (info["vehicle_command_protocol_required"], info["total_number_of_keys"]) == (True, 3)
    assert "discounted_device_data" not in info
    alone = (await person.post("/api/1/vehicles/fleet_status", {"vins": [PAIRED_VIN]})).json()
    assert alone["response"]["vehicle_info"][PAIRED_VIN]["discounted_device_data"] is False


async def test_unsigned_commands_are_refused_by_cars_that_want_signatures(person: Person) -> None:
    refused = await person.post(vehicle("/command/door_unlock"))
    assert refused.status_code == 403
    assert refused.json()["error"].startswith("Tesla Vehicle Command Protocol required")


@pytest.fixture
async def alex(stranger: Person) -> Person:
    """A person with an old car in the other region."""
    stranger.region = "na"
    await stranger.link(email="alex@example.com")
    return stranger


async def test_unsigned_commands_work_on_cars_without_the_requirement(alex: Person) -> None:
    results = []
    for name, body in (
        ("door_unlock", {}),
        ("set_charge_limit", {"percent": 70}),
        ("set_charge_limit", {"percent": 70}),
        ("charge_start", {}),
        ("auto_conditioning_start", {}),
    ):
        answered = await alex.post(vehicle(f"/command/{name}", OLD_VIN), body)
        results.append((answered.status_code, answered.json()["response"]))
    done = {"result": True, "reason": ""}
    assert results == [
        (200, done),
        (200, done),
        (200, {"result": False, "reason": "already_set"}),
        (200, {"result": False, "reason": "disconnected"}),
        (200, done),
    ]
    data = await live_data(alex, vin=OLD_VIN)
    assert data["vehicle_state"]["locked"] is False
    assert data["charge_state"]["charge_limit_soc"] == 70
    assert data["climate_state"]["is_climate_on"] is True


async def test_unfit_command_requests_are_named(alex: Person) -> None:
    missing = await alex.post(vehicle("/command/set_charge_limit", OLD_VIN))
    assert (missing.status_code, missing.json()["messages"]) == (400, {"percent": ["Field required"]})
    unknown = await alex.post(vehicle("/command/fly", OLD_VIN))
    assert (unknown.status_code, unknown.json()["error"]) == (400, "invalid_command")
    only_signed = await alex.post(vehicle("/command/set_vehicle_name", OLD_VIN), {"vehicle_name": "X"})
    assert only_signed.status_code == 403


async def test_the_charging_scope_covers_charging_commands_only(stranger: Person) -> None:
    stranger.region = "na"
    await stranger.link("openid offline_access vehicle_device_data vehicle_charging_cmds", email="alex@example.com")
    allowed = await stranger.post(vehicle("/command/set_charge_limit", OLD_VIN), {"percent": 60})
    refused = await stranger.post(vehicle("/command/door_unlock", OLD_VIN))
    assert (allowed.status_code, refused.status_code) == (200, 403)
    assert refused.json()["error"] == "Unauthorized missing scopes"


async def test_service_and_mobile_access_close_a_car(person: Person) -> None:
    control = person.sandbox.control
    await control.patch(f"/cars/{PAIRED_VIN}", {"in_service": True})
    assert (await person.get(vehicle("/vehicle_data"))).status_code == 405
    await control.patch(f"/cars/{PAIRED_VIN}", {"in_service": False, "mobile_access": False})
    closed = await person.get(vehicle("/vehicle_data"))
    assert (closed.status_code, closed.json()["error"]) == (401, "mobile_access_disabled")


async def test_faults_make_a_car_unavailable(person: Person) -> None:
    await person.sandbox.control.inject_fault("phantom_sleep", target=PAIRED_VIN)
    await person.sandbox.control.inject_fault("vehicle_error", target=PAIRED_VIN)
    answers = [(await person.get(vehicle("/vehicle_data"))).status_code for _ in range(3)]
    assert answers == [408, 540, 200]


async def test_the_control_interface_changes_a_car(person: Person) -> None:
    control = person.sandbox.control
    path = f"/cars/{PAIRED_VIN}"
    await control.patch(path, {"charging": True, "battery_level": 30})
    await control.step(60)
    assert (await live_data(person))["charge_state"]["charging_state"] == "Charging"
    await control.patch(path, {"plugged_in": False})
    assert (await live_data(person))["charge_state"]["charging_state"] == "Disconnected"
    await control.patch(path, {"state": "asleep"})
    assert (await person.get(vehicle("/vehicle_data"))).status_code == 408
    with pytest.raises(Exception, match="400"):
        await control.patch(path, {"battery_level": 300})
