"""The HTTP application."""

from collections.abc import Callable, Iterable

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.connections.link_flow import LinkFlow
from wattbus_server.problem import Problem
from wattbus_server.settings import Settings
from wattbus_server.vendors.contract import VendorAdapter
from wattbus_server.web.hosted_files import hosted_routes
from wattbus_server.web.link_pages import LinkPages
from wattbus_server.web.operations import operation_routes
from wattbus_server.web.pages import page

log = structlog.get_logger()

_NOTICES = {
    400: ("This request is not valid", "Please open the link again."),
    403: ("This is not allowed", "Please open the link yourself and use the button on the page."),
    404: ("This page does not exist", "Please check the address."),
    405: ("This is not how this page is used", "Please open the link again."),
}
_FAULT = ("Something went wrong here", "It is not your fault. Please try again in a few minutes.")


def create_web(
    flow: LinkFlow,
    settings: Settings,
    public_url: str,
    adapters: Iterable[VendorAdapter],
    ready: Callable[[], bool],
) -> Starlette:
    """Return the application.

    Args:
        flow: the link flow.
        settings: of these, `metrics_access`.
        public_url: how browsers reach this application; cookies are secure if it begins with `https://`.
        adapters: their hosted files are served.
        ready: says whether the server takes work; `/healthz` tells.
    """
    return Starlette(
        routes=[
            *LinkPages(flow, public_url).routes(),
            *hosted_routes(adapters),
            *operation_routes(ready, settings.metrics_access),
        ],
        exception_handlers={HTTPException: _http_error, Problem: _problem, Exception: _defect},
    )


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    heading, message = _NOTICES.get(status, _FAULT)
    response = page("notice.html", status, heading=heading, message=message)
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


async def _problem(request: Request, error: Exception) -> Response:
    """Answer a problem that no page expected: the operator's to solve, so the browser learns nothing of it."""
    reason = error.reason if isinstance(error, Problem) else Reason.REASON_INTERNAL
    log.error("web_request_failed", route=_route(request), reason=Reason.Name(reason))
    return page("notice.html", 503, heading=_FAULT[0], message=_FAULT[1])


async def _defect(request: Request, error: Exception) -> Response:
    return page("notice.html", 500, heading=_FAULT[0], message=_FAULT[1])


def _route(request: Request) -> str:
    """Return the pattern of the address; the address itself holds secrets."""
    return str(getattr(request.scope.get("route"), "path", ""))
