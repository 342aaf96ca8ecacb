"""What happens to every Fleet API request before and after its endpoint.

Order: token, billing, registration, region, scopes, device, rate limit. A request that carries no
usable token is not billed to anyone; every other one is billed by its endpoint's price if its
status is below 500.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from tesla_sandbox.auth.token_store import AccessToken
from tesla_sandbox.billing import Price
from tesla_sandbox.fleet_api import gateway_faults
from tesla_sandbox.fleet_api.answers import (
    ApiRefusal,
    billing_limit_exceeded,
    not_registered,
    out_of_region,
    rate_limited,
    refusal,
)
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import Endpoint, TokenKind
from tesla_sandbox.request_log import LOG_KEY
from tesla_sandbox.world import World


def guarded(world: World, endpoint: Endpoint, region: str) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint behind the gate, as a Starlette endpoint for one region."""

    async def serve(request: Request) -> Response:
        txid = world.hex_id(32)
        log: dict[str, str | None] = request.scope[LOG_KEY]
        log["txid"] = txid
        try:
            call = _identified(world, request, endpoint, region, txid)
            log["client_id"] = call.application.client_id
            log["user_id"] = call.user.user_id if call.user is not None else None
        except ApiRefusal as refused:
            return with_txid(refused.response(), txid)
        try:
            response = await _served(call, log)
        except ApiRefusal as refused:
            response = refused.response()
        _bill(call, response, log)
        return with_txid(response, txid)

    return serve


async def _served(call: FleetCall, log: dict[str, str | None]) -> Response:
    _check_application(call)
    call.require_scopes(all_of=call.endpoint.all_of, any_of=call.endpoint.any_of)
    _find_device(call)
    log["device"] = call.device
    _check_rate(call)
    await gateway_faults.before(call)
    if call.endpoint.method == "POST":
        await call.json()
    response = await call.endpoint.handler(call)
    return gateway_faults.after(call, response)


def _identified(world: World, request: Request, endpoint: Endpoint, region: str, txid: str) -> FleetCall:
    token = _access_token(world, request, txid)
    if endpoint.token is TokenKind.PARTNER and token.user_id is not None:
        raise refusal(403, "Expected partner account")
    if endpoint.token is TokenKind.USER and token.user_id is None:
        raise refusal(403, "Expected user account")
    return FleetCall(
        world=world,
        request=request,
        endpoint=endpoint,
        region=region,
        application=world.applications[token.client_id],
        user=world.users[token.user_id] if token.user_id is not None else None,
        scopes=token.scopes,
        path_params=request.path_params,
        txid=txid,
    )


def _access_token(world: World, request: Request, txid: str) -> AccessToken:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise ApiRefusal(401, None)
    token = world.tokens.access(text.strip())
    if token is None or token.revoked or token.client_id not in world.applications:
        raise refusal(401, "invalid bearer token", txid=txid)
    if world.faults.take("token_revoked_early", token.client_id):
        token.revoked = True
        raise refusal(401, "invalid bearer token", txid=txid)
    if token.expires_at <= world.clock.time():
        raise refusal(401, "token expired (401)", txid=txid)
    return token


def _check_application(call: FleetCall) -> None:
    application, world = call.application, call.world
    if world.stop_beyond_limit(application):
        raise billing_limit_exceeded()
    if not call.endpoint.unregistered and call.region not in application.registered_regions:
        raise not_registered(application.client_id, world.region_url(call.region))
    if call.user is not None and not call.endpoint.any_region and call.user.region != call.region:
        raise out_of_region(world.region_url(call.user.region), call.txid)


def _find_device(call: FleetCall) -> None:
    if call.user is not None and "vin" in call.path_params:
        call.device = call.car().vin
    elif "site_id" in call.path_params:
        call.device = str(call.home().site_id)
    else:
        call.device = call.path_params.get("vin")


def _check_rate(call: FleetCall) -> None:
    rate = call.endpoint.rate
    if rate is None:
        return
    account = call.user.user_id if call.user is not None else call.application.client_id
    seconds = call.world.rate_limits.retry_after(account, call.device or "", rate)
    if seconds is not None:
        raise rate_limited(call.world.rate_limits.limits[rate] or 0, seconds)


def _bill(call: FleetCall, response: Response, log: dict[str, str | None]) -> None:
    price = call.endpoint.price if response.status_code < 500 else Price.FREE
    if price is not Price.FREE:
        call.application.billing.count(price, call.world.clock.now())
    log["price"] = price.value


def with_txid(response: Response, txid: str) -> Response:
    """The answer with the number that Tesla's support asks for."""
    response.raw_headers.append((b"x-txid", txid.encode("ascii")))
    return response
