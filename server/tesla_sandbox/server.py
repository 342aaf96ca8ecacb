"""Runs the sandbox's HTTP server on one socket and says on stdout where it listens."""

import json
import os
import re
import socket
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from tesla_sandbox.sandbox import Sandbox
from tesla_sandbox.scenario import Scenario
from tesla_sandbox.scenario_overrides import ScenarioOverrides
from tesla_sandbox.world import REGIONS

PATIENCE_SECONDS = 5
"""How long requests under way may take to end once the sandbox stops."""

_HOST_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files with the certificate (chain) and its private key, both PEM."""

    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Door:
    """Where the sandbox listens and by which names clients reach it.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.
        public_url: How clients reach the sandbox, if not by the address it listens on.
        fleet_hosts: Hosts of the Fleet API by region; the others have paths only.
        certificate: Serve by TLS with it; None serves plain HTTP.
    """

    host: str
    port: int
    public_url: str | None = None
    fleet_hosts: Mapping[str, str] = field(default_factory=dict)
    certificate: Certificate | None = None

    def base_url(self, bound_port: int) -> str:
        """How clients reach it, without a slash at the end."""
        shown_host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "http" if self.certificate is None else "https"
        return (self.public_url or f"{scheme}://{shown_host}:{bound_port}").rstrip("/")


def fleet_hosts(assignments: Iterable[str]) -> dict[str, str]:
    """Hosts by region from texts such as `eu=fleet-api.prd.eu.vn.cloud.tesla.com`.

    Raises:
        ValueError: For an unknown region, what is no host name, or a name for two regions.
    """
    hosts: dict[str, str] = {}
    for assignment in assignments:
        region, _, host = assignment.partition("=")
        host = host.lower()
        if region not in REGIONS:
            raise ValueError(f"a Fleet API host is given as REGION=HOST with one of the regions {', '.join(REGIONS)}")
        if not _HOST_NAME.fullmatch(host) or host in hosts.values():
            raise ValueError(f"{host!r} is no host name, or one of another region")
        hosts[region] = host
    return hosts


def serve(scenario: Scenario, door: Door, *, overrides: ScenarioOverrides, open_control: bool) -> None:
    """Serve until SIGINT or SIGTERM.

    The first line on stdout is a JSON object with `event`, `url`, `pid` and the base URLs that a
    client is configured with; it appears once the socket accepts connections.

    Args:
        scenario: What to serve.
        door: Where to listen.
        overrides: What replaces parts of every scenario.
        open_control: Whether other computers may use the control surface too.

    Raises:
        ScenarioError: If the parts of the scenario contradict each other.
        OSError: If the address is taken or the certificate does not fit.
    """
    with _listen(door) as listener:
        app = Sandbox(
            scenario,
            door.base_url(listener.getsockname()[1]),
            fleet_hosts=door.fleet_hosts,
            overrides=overrides,
            open_control=open_control,
        )
        app.on_startup = lambda: _announce(app)
        _Server(_configuration(app, door.certificate), app).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server at whose end nobody waits for the virtual clock."""

    def __init__(self, config: uvicorn.Config, sandbox: Sandbox) -> None:
        super().__init__(config)
        self._sandbox = sandbox

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, after the requests under way have ended."""
        self._sandbox.end()
        await super().shutdown(sockets)


def _configuration(app: Sandbox, certificate: Certificate | None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=PATIENCE_SECONDS,
        ssl_certfile=certificate.chain if certificate is not None else None,
        ssl_keyfile=certificate.key if certificate is not None else None,
    )
    config.load()
    return config


def _listen(door: Door) -> socket.socket:
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    # With the protocol named, asyncio switches off Nagle's algorithm on accepted connections.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((door.host, door.port))
    listener.listen(1024)
    return listener


def _announce(sandbox: Sandbox) -> None:
    world = sandbox.world
    line = {
        "event": "listening",
        "url": world.base_url,
        "pid": os.getpid(),
        "auth_base_url": world.base_url,
        "pairing_base_url": world.base_url,
        "fleet_api_base_urls": {region: world.region_url(region) for region in REGIONS},
        "control_url": f"{world.base_url}/sandbox/v1",
        "page_url": f"{world.base_url}/sandbox/",
        "telemetry": dict(sandbox.outputs.addresses()),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
