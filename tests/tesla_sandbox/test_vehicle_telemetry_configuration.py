"""Telemetry configurations: signed with Schnorr by hand, verified by the sandbox."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tesla_sandbox.cars.security.schnorr import verify
from tests.processes import Json
from tests.tesla_sandbox.conftest import PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.person import Person
from tests.tesla_sandbox.signed_requests import point

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CONFIG = f"/api/1/vehicles/{PAIRED_VIN}/fleet_telemetry_config"
CREATE = "/api/1/vehicles/fleet_telemetry_config_jws"
SETTINGS: dict[str, Any] = {
    "hostname": "telemetry.example.com",
    "port": 443,
    "ca": "-----BEGIN CERTIFICATE-----",
    "fields": {"Soc": {"interval_seconds": 60, "minimum_delta": 0.5}},
}


def schnorr(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """A signature with a nonce derived from the message, which is enough for a test."""
    nonce = int.from_bytes(hashlib.sha512(message).digest()) % ORDER
    parts = (
        point(ec.derive_private_key(1, ec.SECP256R1())),
        point(ec.derive_private_key(nonce, ec.SECP256R1())),
        point(key),
        message,
    )
    hashed = hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts))
    challenge = int.from_bytes(hashed.digest(), "big")
    response = (nonce - challenge * key.private_numbers().private_value) % ORDER
    return parts[1][1:] + response.to_bytes(32, "big")


def token(key: ec.EllipticCurvePrivateKey, settings: dict[str, Any], **overrides: object) -> str:
    claims = {
        **settings,
        "iss": base64.b64encode(point(key)).decode(),
        "aud": "com.tesla.fleet.TelemetryClient",
        **overrides,
    }
    header = {"alg": "Tesla.SS256", "typ": "JWT"}
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{base64url(schnorr(key, signed.encode()))}"


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def request(key: ec.EllipticCurvePrivateKey, *vins: str, **overrides: object) -> dict[str, object]:
    return {"vins": list(vins), "token": token(key, SETTINGS, **overrides)}


def test_a_signature_holds_for_its_key_and_message_only() -> None:
    key, other = (ec.derive_private_key(scalar, ec.SECP256R1()) for scalar in (5, 6))
    signature = schnorr(key, b"message")
    assert verify(point(key), b"message", signature)
    assert not verify(point(other), b"message", signature)
    assert not verify(point(key), b"Message", signature)
    assert not verify(b"\x04" + bytes(64), b"message", signature)
    for position in range(0, 96, 7):
        changed = bytearray(signature)
        changed[position] ^= 1
        assert not verify(point(key), b"message", bytes(changed))


async def test_a_signed_configuration_is_left_read_and_deleted(
    person: Person, application_key: ec.EllipticCurvePrivateKey
) -> None:
    none = (await person.get(CONFIG)).json()["response"]
    assert none == {"synced": False, "config": None, "limit_reached": False, "key_paired": True}
    created = await person.post(CREATE, request(application_key, PAIRED_VIN, UNPAIRED_VIN))
    assert created.json()["response"] == {
        "updated_vehicles": 1,
        "skipped_vehicles": {
            "missing_key": [UNPAIRED_VIN],
            "unsupported_hardware": [],
            "unsupported_firmware": [],
            "max_configs": [],
        },
    }
    read = (await person.get(CONFIG)).json()["response"]
    assert (read["synced"], read["config"]) == (True, SETTINGS)
    partner = await person.partner_token()
    deleted = await person.call("DELETE", CONFIG, token=partner)
    assert deleted.json()["response"] == {"updated_vehicles": 1}
    assert (await person.get(CONFIG)).json()["response"]["config"] is None
    errors = await person.get(f"/api/1/vehicles/{PAIRED_VIN}/fleet_telemetry_errors")
    assert errors.json()["response"] == {"fleet_telemetry_errors": []}


async def test_a_configuration_for_a_car_of_somebody_else_configures_none(
    person: Person, application_key: ec.EllipticCurvePrivateKey
) -> None:
    refused = await person.post(CREATE, request(application_key, PAIRED_VIN, "5YJ3E1EA7KF999999"))
    assert (refused.status_code, refused.json()["error"]) == (404, "not_found")
    assert (await person.get(CONFIG)).json()["response"]["config"] is None


async def test_a_sleeping_car_adopts_its_configuration_when_it_wakes(
    person: Person, application_key: ec.EllipticCurvePrivateKey
) -> None:
    control = person.sandbox.control
    await control.patch(f"/cars/{PAIRED_VIN}", {"state": "asleep"})
    await person.post(CREATE, request(application_key, PAIRED_VIN))
    assert (await person.get(CONFIG)).json()["response"]["synced"] is False
    await control.patch(f"/cars/{PAIRED_VIN}", {"state": "online"})
    assert (await person.get(CONFIG)).json()["response"]["synced"] is True


async def test_the_firmware_and_the_hardware_must_be_able(
    person: Person, application_key: ec.EllipticCurvePrivateKey
) -> None:
    unsigned = await person.post("/api/1/vehicles/fleet_telemetry_config", {"vins": []})
    assert unsigned.status_code == 400
    stranger = ec.derive_private_key(7, ec.SECP256R1())
    assert (await person.post(CREATE, request(stranger, PAIRED_VIN))).status_code == 403


@pytest.mark.parametrize(
    "overrides",
    [
        {"aud": "com.tesla.fleet.Other"},
        {"iss": "bm8ga2V5"},
        {"hostname": ""},
        {"fields": {}},
        {"fields": {"Soc": {"interval_seconds": 0}}},
        {"fields": {"NoSuchField": {"interval_seconds": 1}}},
        {"exp": 5},
    ],
)
async def test_unfit_configurations_are_refused(
    person: Person, application_key: ec.EllipticCurvePrivateKey, overrides: dict[str, object]
) -> None:
    refused = await person.post(CREATE, request(application_key, PAIRED_VIN, **overrides))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_field")


async def test_a_changed_token_is_refused(person: Person, application_key: ec.EllipticCurvePrivateKey) -> None:
    good = token(application_key, SETTINGS)
    header, claims, signature = good.split(".")
    changed = base64url(base64.urlsafe_b64decode(claims + "==").replace(b"443", b"444"))
    for bad in (f"{header}.{changed}.{signature}", good[:-8], "a.b", "", "€.€.€"):
        answered = await person.post(CREATE, {"vins": [PAIRED_VIN], "token": bad})
        assert answered.status_code == 400


async def test_a_car_streams_and_errs_also_where_nobody_listens(
    person: Person, application_key: ec.EllipticCurvePrivateKey
) -> None:
    """Streamed values are billed, and errors are told, without any output of the telemetry server."""
    control = person.sandbox.control
    await person.post(CREATE, request(application_key, PAIRED_VIN, fields={"Soc": {"interval_seconds": 1}}))
    await control.step(1)
    (application,) = (await control.get("/applications"))["applications"]
    assert application["billing"]["units"]["streaming_signal"] == 1
    parameters = {"name": "no_route", "body": "to the server"}
    await control.post("/faults", {"name": "telemetry_error", "target": PAIRED_VIN, "parameters": parameters})
    await control.step(2)
    told = (await person.get(f"/api/1/vehicles/{PAIRED_VIN}/fleet_telemetry_errors")).json()["response"]
    (error,) = told["fleet_telemetry_errors"]
    assert (error["vin"], error["error"]) == (PAIRED_VIN, "no_route: to the server")
    partner = await person.partner_token()
    vins = await person.get("/api/1/partner_accounts/fleet_telemetry_error_vins", token=partner)
    assert vins.json()["response"] == [PAIRED_VIN]


async def streamed(person: Person) -> int:
    """How many values were streamed so far."""
    (application,) = (await person.sandbox.control.get("/applications"))["applications"]
    return int(application["billing"]["units"].get("streaming_signal", 0))


async def test_a_car_without_the_protocol_streams_while_its_driver_allows_it(
    stranger: Person, scenario: Callable[[], Json], application_key: ec.EllipticCurvePrivateKey
) -> None:
    control = stranger.sandbox.control
    description = scenario()
    old = {"model": "models", "speaks_protocol": False, "protocol_required": False, "firmware": "2025.14.3"}
    description["users"][0]["cars"][0] |= {**old, "key": "unpaired"}
    await control.put("/scenario", description)
    await stranger.link()
    body = request(application_key, PAIRED_VIN, fields={"ChargeLimitSoc": {"interval_seconds": 1}})

    async def skipped() -> list[str]:
        answered = (await stranger.post(CREATE, body)).json()["response"]
        return [reason for reason, vins in answered["skipped_vehicles"].items() if vins == [PAIRED_VIN]]

    async def shown() -> object:
        status = (await stranger.post("/api/1/vehicles/fleet_status", {"vins": [PAIRED_VIN]})).json()["response"]
        return status["vehicle_info"][PAIRED_VIN]["safety_screen_streaming_toggle_enabled"]

    async def switch(on: bool) -> None:
        await control.patch(f"/cars/{PAIRED_VIN}", {"safety_screen_streaming_toggle": on})

    assert await skipped() == ["unsupported_firmware"]
    await control.patch(f"/cars/{PAIRED_VIN}", {"firmware": "2025.20"})
    assert await shown() is False
    assert await skipped() == ["missing_key"]
    await switch(True)
    assert await shown() is True
    assert await skipped() == []
    assert (await stranger.get(CONFIG)).json()["response"]["synced"] is True
    await control.step(1)
    assert await streamed(stranger) == 1

    await switch(False)
    await control.patch(f"/cars/{PAIRED_VIN}", {"charge_limit": 90})
    await control.step(10)
    assert await streamed(stranger) == 1
    await switch(True)
    await control.step(1)
    assert await streamed(stranger) == 2


async def test_other_cars_have_no_switch_for_streaming(person: Person) -> None:
    status = (await person.post("/api/1/vehicles/fleet_status", {"vins": [PAIRED_VIN]})).json()["response"]
    assert status["vehicle_info"][PAIRED_VIN]["safety_screen_streaming_toggle_enabled"] is None
    with pytest.raises(httpx.HTTPStatusError):
        await person.sandbox.control.patch(f"/cars/{PAIRED_VIN}", {"safety_screen_streaming_toggle": True})


async def test_location_fields_need_the_location_scope(
    stranger: Person, application_key: ec.EllipticCurvePrivateKey
) -> None:
    await stranger.link("openid offline_access vehicle_device_data")
    fields = {"Location": {"interval_seconds": 10}}
    refused = await stranger.post(CREATE, request(application_key, PAIRED_VIN, fields=fields))
    assert (refused.status_code, refused.json()["error"]) == (
        403,
        "Unauthorized missing scopes vehicle_location",
    )
