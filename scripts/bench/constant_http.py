"""The baseline of the sandbox: the same web framework and server, answering a constant body to everything."""

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scripts.bench.process import serve_commands


async def main(body: bytes) -> None:
    """Serve the body until standard input ends."""

    async def constant(_: Request) -> Response:
        return Response(body, media_type="application/json; charset=utf-8")

    app = Starlette(routes=[Route("/{path:path}", constant)])
    # With the protocol named, asyncio switches off Nagle's algorithm, as the sandbox does.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await serve_commands({"port": listener.getsockname()[1]}, {})
        server.should_exit = True
        await serving


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_bytes()))
