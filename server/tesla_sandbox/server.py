"""Runs the sandbox's HTTP server on one socket and says on stdout where it listens."""

import json
import os
import socket
import sys
from collections.abc import Mapping

import uvicorn

from tesla_sandbox.sandbox import Sandbox
from tesla_sandbox.scenario import Scenario
from tesla_sandbox.telemetry.outputs import TelemetrySpec
from tesla_sandbox.world import REGIONS


def serve(
    scenario: Scenario,
    *,
    host: str,
    port: int,
    public_url: str | None,
    seed: int | None,
    open_control: bool,
    telemetry: TelemetrySpec,
) -> None:
    """Serve until SIGINT or SIGTERM.

    The first line on stdout is a JSON object with `event`, `url`, `pid` and the base URLs that a
    client is configured with; it appears once the socket accepts connections.

    Args:
        scenario: What to serve.
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.
        public_url: How clients reach the sandbox, if not by the address it listens on.
        seed: Replaces the scenario's seed.
        open_control: Whether other computers may use the control surface too.
        telemetry: Outputs that replace those of every scenario.

    Raises:
        ScenarioError: If the parts of the scenario contradict each other.
    """
    listener = _listen(host, port)
    with listener:
        bound_port = listener.getsockname()[1]
        shown_host = f"[{host}]" if ":" in host else host
        base_url = (public_url or f"http://{shown_host}:{bound_port}").rstrip("/")
        app = Sandbox(scenario, base_url, seed=seed, open_control=open_control, telemetry=telemetry)
        app.on_startup = lambda: _announce(base_url, app.outputs.addresses())
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=75)
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches off Nagle's algorithm on accepted connections.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


def _announce(base_url: str, telemetry: Mapping[str, str]) -> None:
    line = {
        "event": "listening",
        "url": base_url,
        "pid": os.getpid(),
        "auth_base_url": base_url,
        "pairing_base_url": base_url,
        "fleet_api_base_urls": {region: f"{base_url}/{region}" for region in REGIONS},
        "control_url": f"{base_url}/sandbox/v1",
        "page_url": f"{base_url}/sandbox/",
        "telemetry": dict(telemetry),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
