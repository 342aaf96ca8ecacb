"""Serves the HTTP application in the event loop of the gRPC server."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from wattbus_server.settings import ConfigurationError

_LARGEST_HEAD_BYTES = 16 * 1024
_CONCURRENT_REQUESTS = 500
_IDLE_SECONDS = 15
_BACKLOG = 128


class _QuietServer(uvicorn.Server):
    """uvicorn without its own signal handling: the process decides when to stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell when requests are answered."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """One HTTP port. It listens from the constructor on, so that its address is known, and answers after `start`."""

    def __init__(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            ConfigurationError: the port is taken, or the host is none of this machine.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # asyncio switches Nagle's delay off only for sockets that name their protocol.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(_BACKLOG)
        except OSError as error:
            self._socket.close()
            raise ConfigurationError(
                "WATTBUS_HTTP_PORT",
                f"{host}:{port} cannot be opened ({error.strerror}); if another program listens there, stop it or "
                "choose another port, and let WATTBUS_HTTP_HOST be an address of this machine",
            ) from error
        self._server: _QuietServer | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port, also if a free one was asked for."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """The listening address as a URL."""
        host = self._socket.getsockname()[0]
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def start(self, app: ASGIApp) -> None:
        """Answer requests from now on. There is no access log: addresses here hold secrets."""
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONCURRENT_REQUESTS,
            h11_max_incomplete_event_size=_LARGEST_HEAD_BYTES,
            timeout_keep_alive=_IDLE_SECONDS,
        )
        # uvicorn logs requests as soon as anybody attaches a handler, whatever `access_log` says.
        logging.getLogger("uvicorn.access").disabled = True
        self._server = _QuietServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._task.done():
            await self._task

    async def close(self, grace_seconds: float) -> None:
        """Stop listening and let requests that run finish, at most `grace_seconds`."""
        if self._server is None or self._task is None:
            self._socket.close()
            return
        self._server.config.timeout_graceful_shutdown = max(1, round(grace_seconds))
        self._server.should_exit = True
        await self._task
