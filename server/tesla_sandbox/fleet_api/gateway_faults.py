"""Faults of the gateway in front of the Fleet API: what breaks on the way in and on the way out."""

import json

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tesla_sandbox.fleet_api.answers import JSON, ApiRefusal, refusal, service_unavailable
from tesla_sandbox.fleet_api.call import FleetCall

GATEWAY_PAGE = (
    "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n"
    "<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>"
)


class CutResponse(Response):
    """An answer whose connection closes after the headers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers only; the server then closes the incomplete connection."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


async def before(call: FleetCall) -> None:
    """Faults that keep the request from being carried out.

    Raises:
        ApiRefusal: The answer that the fault gives instead.
    """
    faults = call.world.faults
    if not faults:
        return
    targets = _targets(call)
    if slow := faults.take("slow_answer", *targets):
        await call.wait(slow.seconds)
    if faults.take("html_from_gateway", *targets):
        raise ApiRefusal(503, GATEWAY_PAGE, {"content-type": "text/html"})
    if faults.take("service_unavailable", *targets):
        raise service_unavailable()
    if faults.take("upstream_error", *targets):
        raise refusal(500, "upstream internal error")
    if faults.take("account_locked", *targets):
        raise ApiRefusal(423, None)
    if faults.take("unknown_refusal", *targets):
        raise refusal(403, "operation not permitted by policy 7")


def after(call: FleetCall, response: Response) -> Response:
    """Faults that spoil the answer to a request that was carried out."""
    faults = call.world.faults
    if not faults:
        return response
    targets = _targets(call)
    if faults.take("lost_answer", *targets):
        return ApiRefusal(504, "upstream request timeout").response()
    if faults.take("connection_cut", *targets):
        return CutResponse(bytes(response.body), response.status_code, media_type=JSON)
    if faults.take("truncated_json", *targets):
        body = bytes(response.body)
        return Response(body[: len(body) // 2], response.status_code, media_type=JSON)
    if response.media_type == JSON and faults.take("unknown_fields", *targets):
        widened = json.dumps(_widened(json.loads(bytes(response.body))), separators=(",", ":"))
        return Response(widened, response.status_code, media_type=JSON)
    return response


def _targets(call: FleetCall) -> tuple[str | None, ...]:
    return call.device, call.path_params.get("site_id"), call.api_path


def _widened(value: object) -> object:
    if isinstance(value, dict):
        inner = {name: _widened(entry) for name, entry in value.items()}
        return {**inner, "sandbox_unknown_field": {"nested": ["value"]}}
    if isinstance(value, list):
        return [_widened(entry) for entry in value]
    return value
