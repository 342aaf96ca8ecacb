"""Files that vendors fetch from the operator's domain, such as the public key of signed commands."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wattbus_server.vendors.contract import HostedFile, VendorAdapter


def hosted_routes(adapters: Iterable[VendorAdapter]) -> list[Route]:
    """Return a route for every file that an adapter wants to be hosted."""
    return [_route(path, file) for adapter in adapters for path, file in adapter.hosted_files().items()]


def _route(path: str, file: HostedFile) -> Route:
    async def serve(request: Request) -> Response:
        return Response(file.content, media_type=file.media_type, headers={"X-Content-Type-Options": "nosniff"})

    return Route(path, serve, methods=["GET"])
