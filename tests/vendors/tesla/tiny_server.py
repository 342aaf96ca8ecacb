"""A real HTTP server in the test's own event loop whose answers the test decides."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Answering = Callable[[Request], Awaitable[Response]]


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    token: str
    body: bytes
    headers: dict[str, str]


@dataclass
class TinyServer:
    """A running server; `seen` holds every request in order."""

    url: str
    seen: list[Seen] = field(default_factory=list)

    @property
    def tokens(self) -> list[str]:
        return [request.token for request in self.seen]


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def tiny_server(answering: Answering) -> AsyncIterator[TinyServer]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    running = TinyServer(f"http://127.0.0.1:{listening.getsockname()[1]}")

    async def serve(request: Request) -> Response:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        seen = Seen(
            request.method, request.url.path, request.url.query, bearer, await request.body(), dict(request.headers)
        )
        running.seen.append(seen)
        return await answering(request)

    app = Starlette(routes=[Route("/{rest:path}", serve, methods=["GET", "POST"])])
    server = _Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await server.listening.wait()
        yield running
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
