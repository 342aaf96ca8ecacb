"""Runs the sandbox's HTTP server on one socket and says on stdout where it listens."""

import json
import os
import socket
import sys

import uvicorn

from tesla_sandbox.app import build_app
from tesla_sandbox.world import REGIONS, World


def serve(world: World, *, host: str, port: int, public_url: str | None) -> None:
    """Serve until SIGINT or SIGTERM.

    The first line on stdout is a JSON object with `event`, `url`, `pid` and the base URLs that a
    client is configured with; it appears once the socket accepts connections.

    Args:
        world: What to serve.
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.
        public_url: How clients reach the sandbox, if not by the address it listens on.
    """
    listener = _listen(host, port)
    with listener:
        bound_port = listener.getsockname()[1]
        shown_host = f"[{host}]" if ":" in host else host
        world.base_url = (public_url or f"http://{shown_host}:{bound_port}").rstrip("/")
        app = build_app(world, on_startup=lambda: _announce(world))
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=75)
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


def _announce(world: World) -> None:
    line = {
        "event": "listening",
        "url": world.base_url,
        "pid": os.getpid(),
        "auth_base_url": world.base_url,
        "pairing_base_url": world.base_url,
        "fleet_api_base_urls": {region: world.region_url(region) for region in REGIONS},
        "control_url": f"{world.base_url}/sandbox/v1",
        "page_url": f"{world.base_url}/sandbox/",
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
