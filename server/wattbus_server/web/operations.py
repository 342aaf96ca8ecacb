"""For operators: health and numbers."""

from collections.abc import Callable
from typing import Literal

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from wattbus_server.settings import is_loopback

_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def operation_routes(ready: Callable[[], bool], access: Literal["loopback", "everyone", "nobody"]) -> list[Route]:
    """Return `/healthz`, which is 200 while the server takes work and 503 otherwise, and `/metrics`."""

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n") if ready() else PlainTextResponse("not serving\n", 503)

    async def metrics(request: Request) -> Response:
        if access == "nobody" or (access == "loopback" and not _is_from_loopback(request)):
            raise HTTPException(404)
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [Route("/healthz", health), Route("/metrics", metrics)]


def _is_from_loopback(request: Request) -> bool:
    """Say whether the request was made on this machine, and not handed on by a proxy that runs here."""
    if request.client is None or any(header in request.headers for header in _PROXY_HEADERS):
        return False
    return is_loopback(request.client.host)
