"""The partner endpoints: registration of an application in a region, and its public key.

Source: Tesla Fleet API documentation, partner-endpoints.
"""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.responses import Response

from tesla_sandbox.fleet_api import fields
from tesla_sandbox.fleet_api.answers import answer, not_found, refusal
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable, TokenKind
from tesla_sandbox.hosted_key import KeyMissingError, fetch_hosted_key

PARTNER_ENDPOINTS = EndpointTable()

KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem"


@PARTNER_ENDPOINTS.endpoint("POST", "/api/1/partner_accounts", token=TokenKind.PARTNER, unregistered=True)
async def register(call: FleetCall) -> Response:
    """Register the application in this region; fetches its public key where the scenario says so."""
    application, world = call.application, call.world
    domain = fields.text(await call.json(), "domain", longest=253)
    if domain != application.domain:
        raise refusal(422, "invalid_resource", "domain does not match the application's allowed origins")
    if application.hosted_key_url is not None:
        application.public_key = await _hosted_key(application.hosted_key_url, domain)
    if application.public_key is None:
        raise refusal(424, "public key not found", f"expected at https://{domain}{KEY_PATH}")
    application.registered_regions.add(call.region)
    world.put_waiting_keys()
    now = datetime.fromtimestamp(int(world.clock.time()), UTC).isoformat().replace("+00:00", "Z")
    return answer(
        {
            "client_id": application.client_id,
            "name": application.name,
            "description": "",
            "domain": domain,
            "ca": None,
            "created_at": now,
            "updated_at": now,
            "enterprise_tier": "free",
            "public_key": public_key_hex(application.public_key),
        }
    )


@PARTNER_ENDPOINTS.endpoint("GET", "/api/1/partner_accounts/public_key", token=TokenKind.PARTNER, unregistered=True)
async def public_key(call: FleetCall) -> Response:
    """The public key that is registered for a domain in this region."""
    domain = call.query.get("domain", "")
    for application in call.world.applications.values():
        registered = call.region in application.registered_regions
        if application.domain == domain and registered and application.public_key is not None:
            return answer({"public_key": public_key_hex(application.public_key)})
    raise not_found()


@PARTNER_ENDPOINTS.endpoint("GET", "/api/1/partner_accounts/fleet_telemetry_error_vins", token=TokenKind.PARTNER)
async def telemetry_error_vins(call: FleetCall) -> Response:
    """VINs that reported telemetry errors to this application."""
    return answer(sorted({str(error["vin"]) for error in _telemetry_errors(call)}))


@PARTNER_ENDPOINTS.endpoint("GET", "/api/1/partner_accounts/fleet_telemetry_errors", token=TokenKind.PARTNER)
async def telemetry_errors(call: FleetCall) -> Response:
    """Telemetry errors of all cars that this application configured."""
    return answer({"fleet_telemetry_errors": _telemetry_errors(call)})


def public_key_hex(key: EllipticCurvePublicKey) -> str:
    """The uncompressed point of a public key in hexadecimal."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()


async def _hosted_key(url: str, domain: str) -> EllipticCurvePublicKey:
    try:
        return await fetch_hosted_key(url, domain)
    except KeyMissingError as missing:
        raise refusal(424, "public key not found", str(missing)) from missing
    except ValueError as unfit:
        raise refusal(422, "invalid_resource", str(unfit)) from unfit


def _telemetry_errors(call: FleetCall) -> list[dict[str, object]]:
    client_id = call.application.client_id
    return [
        {"name": error.name, "error": error.error, "vin": car.vin}
        for car in call.world.cars.values()
        if car.telemetry.of(client_id) is not None
        for error in car.telemetry.errors
    ]
