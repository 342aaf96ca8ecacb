"""The whole surface over plain HTTP, against what the documentation says of each endpoint."""

import base64
from collections.abc import Callable

import pytest

from tesla_sandbox.app import FLEET_API_TABLES
from tests.processes import Json
from tests.tesla_sandbox.conftest import FREE_SITE, OLD_VIN, PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.contract import (
    CHARGING_COMMANDS,
    ENDPOINTS,
    OTHER_COMMANDS,
    PARTNER,
    PROTOCOL_ONLY_COMMANDS,
    Body,
    Documented,
    called,
)
from tests.tesla_sandbox.person import ALL_SCOPES, CLIENT_ID, Person

ALL_COMMANDS: dict[str, Body] = {**CHARGING_COMMANDS, **OTHER_COMMANDS, **PROTOCOL_ONLY_COMMANDS}
FOR_USERS = [entry for entry in ENDPOINTS if entry.token != PARTNER]
LIMITS = {"data": 60, "wake": 3, "command": 30}
MISSING = "Unauthorized missing scopes"

Wrong = dict[str, object]


def command(name: str) -> Documented:
    return Documented("POST", f"/api/1/vehicles/{PAIRED_VIN}/command/{name}", body=ALL_COMMANDS[name])


@pytest.mark.parametrize("entry", ENDPOINTS, ids=lambda entry: entry.name)
async def test_an_endpoint_answers_as_documented(person: Person, entry: Documented) -> None:
    token = await person.partner_token() if entry.token == PARTNER else None
    await person.sandbox.control.delete("/requests")
    answered = await called(person, entry, token=token)
    assert answered.status_code == entry.status, answered.text
    assert answered.headers["content-type"] == "application/json; charset=utf-8"
    body = answered.json()
    if entry.status >= 400:
        assert body["response"] is None
        assert body["error"]
    elif entry.items is not None:
        entries = body["response"]
        assert isinstance(entries, list)
        assert all(entry.items <= set(item) for item in entries)
    else:
        assert entry.keys <= set(body if entry.bare else body["response"])
    (logged,) = await person.sandbox.control.requests("/api/1/")
    assert logged["price"] == entry.price
    assert logged["txid"] == answered.headers["x-txid"]


@pytest.mark.parametrize("name", [*CHARGING_COMMANDS, *OTHER_COMMANDS])
async def test_a_car_without_the_protocol_takes_every_documented_command(stranger: Person, name: str) -> None:
    stranger.region = "na"
    await stranger.link(email="alex@example.com")
    answered = await stranger.post(f"/api/1/vehicles/{OLD_VIN}/command/{name}", ALL_COMMANDS[name])
    assert answered.status_code == 200, answered.text
    result = answered.json()["response"]
    assert set(result) == {"result", "reason"}
    assert result["result"] is (result["reason"] == "")


async def test_unsigned_commands_are_refused_where_the_protocol_is_required(person: Person) -> None:
    wrong: Wrong = {}
    unsigned_allowed = set()
    for name, body in ALL_COMMANDS.items():
        answered = await person.post(f"/api/1/vehicles/{PAIRED_VIN}/command/{name}", body)
        if answered.status_code == 200:
            unsigned_allowed.add(name)
        elif answered.status_code != 403 or "Vehicle Command Protocol required" not in answered.json()["error"]:
            wrong[name] = answered.text
    assert not wrong
    assert unsigned_allowed >= {"navigation_request", "set_managed_charger_location"}
    assert not unsigned_allowed & {"door_lock", "charge_start", "set_temps", "flash_lights"}


async def test_commands_that_need_the_protocol_are_refused_unsigned_everywhere(stranger: Person) -> None:
    stranger.region = "na"
    await stranger.link(email="alex@example.com")
    for name, body in PROTOCOL_ONLY_COMMANDS.items():
        answered = await stranger.post(f"/api/1/vehicles/{OLD_VIN}/command/{name}", body)
        assert answered.status_code == 403, name


async def test_every_scope_opens_what_the_documentation_names_and_nothing_else(person: Person) -> None:
    wanted = {
        **{entry: set(entry.scopes) for entry in FOR_USERS},
        **{command(name): {"vehicle_cmds", "vehicle_charging_cmds"} for name in CHARGING_COMMANDS},
        **{command(name): {"vehicle_cmds"} for name in (*OTHER_COMMANDS, *PROTOCOL_ONLY_COMMANDS)},
    }
    wrong: Wrong = {}
    for scope in ALL_SCOPES.split():
        await person.link(f"openid {scope}")
        for entry, scopes in wanted.items():
            answered = await called(person, entry)
            refused = answered.status_code == 403 and answered.json()["error"].startswith(MISSING)
            if refused is (not scopes or scope in scopes):
                wrong[f"{entry.name} with {scope}"] = answered.text
    assert not wrong


async def test_position_needs_a_scope_of_its_own(person: Person) -> None:
    path = f"/api/1/vehicles/{PAIRED_VIN}/vehicle_data?endpoints=location_data%3Bdrive_state"
    assert "latitude" in (await person.get(path)).json()["response"]["drive_state"]
    await person.link("openid vehicle_device_data")
    refused = await person.get(path)
    assert (refused.status_code, refused.json()["error"]) == (403, f"{MISSING} vehicle_location")
    without = await person.get(f"/api/1/vehicles/{PAIRED_VIN}/vehicle_data")
    assert "latitude" not in without.json()["response"]["drive_state"]


async def test_each_group_of_live_data_comes_alone(person: Person) -> None:
    classic = ["charge_state", "climate_state", "drive_state", "gui_settings", "vehicle_config", "vehicle_state"]
    groups = [*classic, "closures_state", "charge_schedule_data", "preconditioning_schedule_data"]
    for name in groups:
        shown = (await person.get(f"/api/1/vehicles/{PAIRED_VIN}/vehicle_data?endpoints={name}")).json()["response"]
        assert [group for group in groups if group in shown] == [name]
        assert shown[name]


async def test_invitations_come_in_pages_of_25(person: Person) -> None:
    path = f"/api/1/vehicles/{PAIRED_VIN}/invitations"
    made = [(await person.post(path)).json()["response"]["id"] for _ in range(28)]
    pages = [(await person.get(f"{path}?page={page}")).json() for page in (1, 2, 3)]
    assert [page["count"] for page in pages] == [25, 3, 0]
    assert sorted(entry["id"] for page in pages for entry in page["response"]) == sorted(made)
    assert [page["pagination"]["next"] for page in pages] == [2, None, None]


async def test_no_token_a_strange_one_and_a_partner_s_are_refused(person: Person) -> None:
    partner = await person.partner_token()
    wrong: Wrong = {}
    for entry in ENDPOINTS:
        strange = await called(person, entry, token="nonsense")
        other = await called(person, entry, token=person.tokens["access_token"] if entry.token == PARTNER else partner)
        if strange.status_code != 401 or not strange.json()["error"]:
            wrong[f"{entry.name} with nonsense"] = strange.text
        takes_both = "fleet_telemetry_config" in entry.path and entry.method == "DELETE"
        if other.status_code != (200 if takes_both else 403):
            wrong[f"{entry.name} with the wrong kind"] = other.text
    assert not wrong


async def test_the_other_region_is_421_everywhere_but_where_regions_are_asked(person: Person) -> None:
    wrong: Wrong = {}
    right = person.sandbox.fleet_api("eu")
    for entry in FOR_USERS:
        answered = await called(person, entry, region="na")
        if entry.any_region:
            assert answered.status_code == 200
        elif answered.status_code != 421 or answered.headers.get("alt-svc") != f"h2={right}":
            wrong[entry.name] = answered.text
    assert not wrong


async def test_an_unregistered_application_is_412_everywhere(person: Person) -> None:
    await person.sandbox.control.patch(f"/applications/{CLIENT_ID}", {"registered_regions": []})
    answers = {entry.name: (await called(person, entry)).status_code for entry in FOR_USERS}
    assert set(answers.values()) == {412}, answers


async def test_beyond_the_billing_limit_everything_is_403(person: Person) -> None:
    change = {"billing_limit_usd": 0, "billing_discount_usd": 0}
    await person.sandbox.control.patch(f"/applications/{CLIENT_ID}", change)
    partner = await person.partner_token()
    for entry in ENDPOINTS:
        answered = await called(person, entry, token=partner if entry.token == PARTNER else None)
        assert answered.status_code == 403, entry.name
        assert answered.json() == {"error": "account disabled: EXCEEDED_LIMIT"}, entry.name


async def test_posts_without_a_json_body_are_406(person: Person) -> None:
    partner = await person.partner_token()
    for entry in ENDPOINTS:
        if entry.method != "POST":
            continue
        token = partner if entry.token == PARTNER else person.tokens["access_token"]
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            empty = await person.call("POST", entry.path, token=token, content=b"", headers={"content-type": kind})
            assert (empty.status_code, empty.json()["error"]) == (406, "not_a_JSON_request"), entry.name


async def test_strange_devices_and_methods(person: Person) -> None:
    for entry in FOR_USERS:
        if PAIRED_VIN in entry.path or str(FREE_SITE) in entry.path:
            path = entry.path.replace(PAIRED_VIN, OLD_VIN).replace(str(FREE_SITE), "99")
            foreign = await called(person, entry, path=path)
            assert (foreign.status_code, foreign.json()["error"]) == (404, "not_found"), entry.name
        patched = await person.call("PATCH", entry.path, json={})
        assert (patched.status_code, patched.json()["error"]) == (405, "invalid_method"), entry.name


async def test_what_needs_an_awake_car_is_408_while_it_sleeps_and_does_not_wake_it(person: Person) -> None:
    for entry in FOR_USERS:
        if PAIRED_VIN not in entry.path or "wake_up" in entry.path:
            continue
        answered = await called(person, entry, path=entry.path.replace(PAIRED_VIN, UNPAIRED_VIN))
        assert (answered.status_code == 408) is entry.live, entry.name
        if entry.live:
            assert answered.json()["error"] == "vehicle unavailable: vehicle is offline or asleep"
    message = base64.b64encode(b"\x32\x02\x08\x02\x3a\x02\x12\x00\x72\x00").decode()
    signed = await person.post(f"/api/1/vehicles/{UNPAIRED_VIN}/signed_command", {"routable_message": message})
    assert signed.status_code == 408, signed.text
    record = await person.get(f"/api/1/vehicles/{UNPAIRED_VIN}")
    assert record.json()["response"]["state"] != "online"


@pytest.mark.parametrize("rate", LIMITS)
async def test_rate_limits_are_the_documented_ones_per_device(
    person: Person, scenario: Callable[[], Json], rate: str
) -> None:
    await person.sandbox.control.put("/scenario", {**scenario(), "rate_limits": {}})
    await person.link()
    (entry, *others) = [entry for entry in FOR_USERS if entry.rate == rate]
    statuses = [(await called(person, entry)).status_code for _ in range(LIMITS[rate] + 1)]
    assert statuses == [200] * LIMITS[rate] + [429]
    refused = await called(person, entry)
    assert refused.headers["ratelimit-limit"] == str(LIMITS[rate])
    assert refused.text == f"Retry in {refused.headers['retry-after']} seconds\n"
    other_device = [other for other in others if other.path.split("/")[4] != entry.path.split("/")[4]]
    for other in other_device:
        assert (await called(person, other)).status_code == 200, other.name


def test_every_endpoint_of_the_sandbox_is_in_the_documented_surface() -> None:
    documented = {f"/api/1/vehicles/{PAIRED_VIN}/command/{name}" for name in ALL_COMMANDS}
    documented |= {entry.path for entry in ENDPOINTS}
    elsewhere = {
        # Signed messages and signed configurations have tests of their own.
        "/api/1/vehicles/{vin}/signed_command",
        "/api/1/vehicles/fleet_telemetry_config",
        "/api/1/vehicles/fleet_telemetry_config_jws",
        # Names that only the vehicle-command proxy or the owner's app knows.
        "/api/1/vehicles/{vin}/command/{name}",
    }
    unknown = set()
    for endpoint in (endpoint for table in FLEET_API_TABLES for endpoint in table):
        path = endpoint.path.replace("{vin}", PAIRED_VIN).replace("{site_id}", str(FREE_SITE))
        path = path.replace("{invitation_id}", "1").replace("{content_id}", "none")
        if path not in documented and endpoint.path not in elsewhere:
            unknown.add(path.rpartition("/")[2])
    assert unknown == {
        "batch_remove_charge_schedules",
        "batch_remove_precondition_schedules",
        "close_tonneau",
        "keep_accessory_power_mode",
        "media_volume_up",
        "open_tonneau",
        "parental_controls_activate",
        "parental_controls_clear_pin",
        "parental_controls_clear_pin_admin",
        "parental_controls_deactivate",
        "parental_controls_enable_setting",
        "parental_controls_set_speed_limit",
        "ping",
        "set_low_power_mode",
        "set_recirculation",
        "stop_tonneau",
        "update_calendar_entries",
    }
