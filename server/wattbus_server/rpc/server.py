"""The gRPC server: services, gate, health, reflection, and the order of shutting down."""

import asyncio
from dataclasses import dataclass

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from wattbus_server.rpc.caller import Caller
from wattbus_server.rpc.credentials import bind, bind_channelz
from wattbus_server.rpc.gate import Gate
from wattbus_server.rpc.handlers import Limits, service_handler
from wattbus_server.rpc.quota import StreamQuota
from wattbus_server.rpc.reflection import add_reflection
from wattbus_server.rpc.running_calls import RunningCalls
from wattbus_server.settings import Settings
from wattbus_server.tenants.directory import TenantDirectory

log = structlog.get_logger()

MAXIMUM_REQUEST_BYTES = 1 << 20

SHARE_FOR_CALLS = 0.8
"""Of the drain grace: what runs then still is ended with SERVER_DRAINING; at the end gRPC would cut it off."""

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    # After a restart every client reconnects at once; beyond the default of 1,000 waiting calls some fail as CANCELLED.
    ("grpc.server.max_pending_requests", 10_000),
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
    # Two servers must not silently share a port.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAXIMUM_REQUEST_BYTES),
    # Find dead peers, and let clients ping every 20 seconds.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    # Spread long-lived connections over replicas.
    ("grpc.max_connection_age_ms", 1_800_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
)


@dataclass(frozen=True)
class Service:
    """A service and who answers it."""

    descriptor: ServiceDescriptor
    servicer: object


class RpcServer:
    """Serves the API on one port until it is drained."""

    def __init__(
        self, settings: Settings, tenants: TenantDirectory, services: tuple[Service, ...], draining: asyncio.Event
    ) -> None:
        self._settings = settings
        self._draining = draining
        self._server = grpc.aio.server(
            interceptors=[Gate(tenants, settings.admin_key, draining)], options=list(SERVER_OPTIONS)
        )

        def still_admitted(caller: Caller) -> bool:
            return caller.is_operator or tenants.is_working(caller.key)

        streams = StreamQuota(settings.streams_per_tenant)
        self._running = RunningCalls()
        limits = Limits(
            settings.default_deadline, settings.stream_write_timeout, streams, self._running, still_admitted
        )
        handlers = [service_handler(one.descriptor, one.servicer, limits) for one in services]
        self._server.add_generic_rpc_handlers(handlers)
        self._names = [service.descriptor.full_name for service in services]
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if settings.reflection:
            add_reflection(self._server, [*self._names, health.SERVICE_NAME])
        self.port = bind(self._server, settings)
        self._channelz, self.channelz_port = _channelz_server(settings.channelz_port)

    async def start(self) -> None:
        """Accept calls, and say so in the health service."""
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        if self._channelz is not None:
            await self._channelz.start()
        await self._server.start()

    async def stop(self) -> None:
        """Drain: tell balancers, refuse new calls, let streams send their last token, then close.

        `grpc.aio.Server.stop` alone would cut streams without a last token.
        """
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.drain_delay.total_seconds())
        self._draining.set()
        grace = self._settings.drain_grace.total_seconds()
        ending = asyncio.get_running_loop().call_later(grace * SHARE_FOR_CALLS, self._running.end_all)
        await self._server.stop(grace)
        ending.cancel()
        if self._channelz is not None:
            await self._channelz.stop(None)

    async def wait_closed(self) -> None:
        """Wait until the server has stopped."""
        await self._server.wait_for_termination()


def _channelz_server(port: int | None) -> tuple[grpc.aio.Server | None, int]:
    """Serve channelz on a port of its own."""
    if port is None:
        return None, 0
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    channelz.add_channelz_servicer(server)
    return server, bind_channelz(server, port)
