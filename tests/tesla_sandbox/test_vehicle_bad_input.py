"""Bad input to the vehicle endpoints gets an answer of Tesla's kind, never a broken server."""

import json
from itertools import product

import pytest

from tesla_sandbox.cars.commands import COMMANDS
from tests.tesla_sandbox.conftest import OLD_VIN
from tests.tesla_sandbox.person import Person

HUGE = 10**400
VALUES: list[object] = [None, True, -1, 1.5, HUGE, 2**63, 1e308, "", "x" * 5_000, "\ud800", [], {"a": [1]}]
ACCEPTED = {200, 400, 403}
VEHICLE = f"/api/1/vehicles/{OLD_VIN}"


@pytest.fixture
async def alex(stranger: Person) -> Person:
    stranger.region = "na"
    await stranger.link(email="alex@example.com")
    return stranger


async def test_no_value_of_any_parameter_breaks_a_command(alex: Person) -> None:
    seen = set()
    for command in COMMANDS.values():
        names = list(command.parameters.model_fields) or ["unknown"]
        for value in VALUES:
            body = json.dumps(dict.fromkeys(names, value))
            answered = await alex.call(
                "POST",
                f"{VEHICLE}/command/{command.name}",
                content=body,
                headers={"content-type": "application/json"},
            )
            assert answered.status_code in ACCEPTED, (command.name, value, answered.text)
            seen.add(answered.status_code)
    assert seen == ACCEPTED
    assert (await alex.get(f"{VEHICLE}/vehicle_data")).status_code == 200


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/1/vehicles/fleet_status", ["vins"]),
        ("/api/1/vehicles/fleet_telemetry_config_jws", ["vins", "token"]),
        ("/api/1/invitations/redeem", ["code"]),
        (f"{VEHICLE}/signed_command", ["routable_message"]),
    ],
)
async def test_other_bodies_are_checked_as_well(alex: Person, path: str, fields: list[str]) -> None:
    for values in product(VALUES, repeat=len(fields)):
        body = json.dumps(dict(zip(fields, values, strict=True)))
        headers = {"content-type": "application/json"}
        answered = await alex.call("POST", path, content=body, headers=headers)
        assert answered.status_code in {200, 400, 404, 422}, (values, answered.text)


@pytest.mark.parametrize(
    "path",
    [
        "/api/1/vehicles?page=-1",
        "/api/1/vehicles?page=99999999999999999999",
        "/api/1/vehicles?page_size=1000",
        "/api/1/vehicles?page=²",
        f"{VEHICLE}/vehicle_data?endpoints=%00",
        f"{VEHICLE}/vehicle_data?endpoints=charge_state,climate_state",
        f"{VEHICLE}/nearby_charging_sites?count=many",
        "/api/1/dx/vehicles/options",
    ],
)
async def test_bad_queries_are_named(alex: Person, path: str) -> None:
    answered = await alex.get(path)
    assert (answered.status_code, answered.json()["error"]) == (400, "invalid_field")
