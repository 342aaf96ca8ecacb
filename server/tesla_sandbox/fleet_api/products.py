"""`GET /products`: cars and homes of the account in one list, each kind only with its scope."""

from starlette.responses import Response

from tesla_sandbox.cars.rendering import product_record
from tesla_sandbox.fleet_api.answers import list_answer
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable
from tesla_sandbox.homes.rendering import product
from tesla_sandbox.scopes import Scope

PRODUCT_ENDPOINTS = EndpointTable()


@PRODUCT_ENDPOINTS.endpoint("GET", "/api/1/products", any_of=(Scope.VEHICLE_DEVICE_DATA, Scope.ENERGY_DEVICE_DATA))
async def products(call: FleetCall) -> Response:
    """All products that the token's scopes reveal: cars first, then energy sites."""
    world, user = call.world, call.require_user()
    entries: list[dict[str, object]] = []
    if Scope.VEHICLE_DEVICE_DATA in call.scopes:
        for vin in user.vins:
            world.cars[vin].advance()
            entries.append(product_record(world.cars[vin], user))
    if Scope.ENERGY_DEVICE_DATA in call.scopes:
        for site_id in user.site_ids:
            home = world.homes[site_id]
            home.advance()
            entries.append(product(home, with_energy=not world.faults.peek("no_energy_left", site_id)))
    return list_answer(entries)
