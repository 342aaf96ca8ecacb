"""Keeps the control surface closed to everything but this computer."""

import re
from ipaddress import ip_address

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tesla_sandbox.control.answers import ControlError

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

_PORT = re.compile(r":\d*$")


class LoopbackOnly:
    """ASGI wrapper that answers 403 unless the request comes from this computer.

    A browser that a foreign page talked into calling gives itself away by a foreign `Origin` or `Host`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and not _local(Request(scope)):
            refused = ControlError(403, "the control surface answers to this computer only")
            await refused.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _local(request: Request) -> bool:
    if request.client is None or not _is_loopback(request.client.host):
        return False
    if _PORT.sub("", request.headers.get("host", "")).lower() not in LOCAL_NAMES:
        return False
    origin = request.headers.get("origin")
    return origin is None or origin == f"{request.url.scheme}://{request.headers.get('host', '')}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
