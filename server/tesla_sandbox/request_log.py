"""Remembers every request that a client of Tesla made, so that tests can ask for it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tesla_sandbox.world import LoggedRequest, World

LOG_KEY = "tesla_sandbox.log"
"""Where the gate leaves, in the ASGI scope, what it knows about the request."""

UNLOGGED_PREFIXES = ("/sandbox/", "/status")


class RequestLogMiddleware:
    """ASGI middleware that appends one `LoggedRequest` per answered request."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request and log it when its answer begins."""
        details: dict[str, str | None] = {}
        scope[LOG_KEY] = details
        if scope["type"] != "http" or scope["path"].startswith(UNLOGGED_PREFIXES):
            await self._app(scope, receive, send)
            return
        path = scope["path"]

        async def logging_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._world.requests.append(
                    LoggedRequest(
                        time=self._world.clock.time(),
                        method=scope["method"],
                        path=path,
                        query=scope["query_string"].decode("latin-1"),
                        status=message["status"],
                        price=details.get("price") or "free",
                        client_id=details.get("client_id"),
                        user_id=details.get("user_id"),
                        device=details.get("device"),
                        txid=details.get("txid"),
                    )
                )
            await send(message)

        await self._app(scope, receive, logging_send)
