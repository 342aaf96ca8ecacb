"""The charging endpoints: Supercharger history and invoices.

Source: Tesla Fleet API documentation, charging-endpoints. Nobody in a sandbox has paid a Supercharger, so the history
is empty, there is no invoice, and no account belongs to a business.
"""

from starlette.responses import Response

from tesla_sandbox.fleet_api.answers import invalid_field, json_answer, not_found, refusal
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable
from tesla_sandbox.scopes import Scope

CHARGING_ENDPOINTS = EndpointTable()

CHARGING = (Scope.VEHICLE_CHARGING_CMDS,)
SORT_ORDERS = ("ASC", "DESC")


@CHARGING_ENDPOINTS.endpoint("GET", "/api/1/dx/charging/history", all_of=CHARGING)
async def history(call: FleetCall) -> Response:
    """Paid charging sessions of the account's cars."""
    for name in ("pageNo", "pageSize"):
        text = call.query.get(name, "1")
        if not text.isascii() or not text.isdigit() or len(text) > 6:
            raise invalid_field(name, "must be a number")
    if call.query.get("sortOrder", "DESC") not in SORT_ORDERS:
        raise invalid_field("sortOrder", f"must be one of {', '.join(SORT_ORDERS)}")
    vin = call.query.get("vin")
    if vin is not None and call.world.car_of(call.require_user(), vin) is None:
        raise not_found()
    return json_answer({"data": [], "totalResults": 0, "hasMoreData": False})


@CHARGING_ENDPOINTS.endpoint("GET", "/api/1/dx/charging/invoice/{content_id}", all_of=CHARGING)
async def invoice(call: FleetCall) -> Response:
    """The PDF of an invoice."""
    call.require_user()
    raise not_found()


@CHARGING_ENDPOINTS.endpoint("GET", "/api/1/dx/charging/sessions", all_of=CHARGING)
async def sessions(call: FleetCall) -> Response:
    """Charging sessions of a business fleet."""
    call.require_user()
    raise refusal(403, "Unauthorized", "this endpoint is for business accounts")
