"""Cars too old for signed commands: how they show and what they answer."""

import base64
from collections.abc import AsyncIterator

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.processes import PATIENCE_SECONDS, sandbox_process
from tests.tesla_sandbox.person import CLIENT_ID, CLIENT_SECRET, DOMAIN, REDIRECT_URI, Person
from tests.tesla_sandbox.signed_requests import SignedClient

VIN = "5YJSA1E26HF000337"
ALERT = {"name": "VCFRONT_a192", "audience": ["customer", "service"], "user_text": "Low washer fluid"}
SCENARIO: dict[str, object] = {
    "name": "Old cars",
    "applications": [
        {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "domain": DOMAIN,
            "redirect_uris": [REDIRECT_URI],
        }
    ],
    "users": [
        {
            "email": "robin@example.com",
            "cars": [
                {
                    "vin": VIN,
                    "model": "models",
                    "speaks_protocol": False,
                    "protocol_required": False,
                    "telemetry_version": None,
                    "alerts": [ALERT],
                }
            ],
        }
    ],
}


@pytest.fixture
async def person() -> AsyncIterator[Person]:
    async with (
        sandbox_process(scenario=SCENARIO) as sandbox,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        linked = Person(sandbox, client)
        await linked.link()
        yield linked


async def test_an_old_car_shows_that_it_cannot_be_signed_to(person: Person) -> None:
    product = (await person.get("/api/1/products")).json()["response"][0]
    assert (product["vin"], product["command_signing"]) == (VIN, "off")
    status = (await person.post("/api/1/vehicles/fleet_status", {"vins": [VIN]})).json()["response"]
    info = status["vehicle_info"][VIN]
    assert info["vehicle_command_protocol_required"] is False
    assert info["fleet_telemetry_version"] == "unknown"
    assert info["safety_screen_streaming_toggle_enabled"] is False
    data = (await person.get(f"/api/1/vehicles/{VIN}/vehicle_data")).json()["response"]
    assert data["vehicle_config"]["car_type"] == "models"
    alerts = (await person.get(f"/api/1/vehicles/{VIN}/recent_alerts")).json()["response"]
    assert alerts["recent_alerts"][0]["user_text"] == "Low washer fluid"


async def test_a_signed_message_is_unprocessable_and_the_unsigned_command_works(person: Person) -> None:
    message = SignedClient(ec.derive_private_key(5, ec.SECP256R1()), VIN).handshake()
    encoded = base64.b64encode(message.SerializeToString()).decode()
    refused = await person.post(f"/api/1/vehicles/{VIN}/signed_command", {"routable_message": encoded})
    assert refused.status_code == 422
    body = refused.json()
    assert body["error"].startswith("vehicle does not support the Tesla Vehicle Command Protocol, please refer to ")
    assert (body["response"], body["txid"]) == (None, refused.headers["x-txid"])
    done = await person.post(f"/api/1/vehicles/{VIN}/command/honk_horn")
    assert done.json() == {"response": {"result": True, "reason": ""}}
