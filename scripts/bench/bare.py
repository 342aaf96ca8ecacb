"""The baseline: grpc.aio with handlers that do nothing but send bytes of the same sizes."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from wattbus.v1.device_service_pb2 import DeviceStateCause, DeviceStateEvent, WatchDeviceStatesResponse

from scripts.bench.process import serve_commands
from scripts.bench.samples import discovered, observation
from wattbus_server.devices.registry import device_name

ECHO = "/bench.Bare/Echo"
WATCH = "/bench.Bare/Watch"
IDLE = "/bench.Bare/Idle"

STOP_SECONDS = 5.0

_TOKEN = "A" * 68
_SEQUENCE = 1_700_000_000_000_000

Context = grpc.aio.ServicerContext[bytes, bytes]


class Bare:
    """Three methods: a call that returns what it got, a stream of single events, a stream that says one thing."""

    def __init__(self) -> None:
        self._events = [_event(number) for number in range(len(discovered()))]
        self._changed = asyncio.Condition()
        self._turn = 0

    async def echo(self, request: bytes, _context: Context) -> bytes:
        """Return the request."""
        return request

    async def watch(self, _request: bytes, context: Context) -> None:
        """Send every event as a message of its own, once at the start and once for each change."""
        sent = -1
        while True:
            while sent == self._turn:
                async with self._changed:
                    await self._changed.wait()
            sent = self._turn
            for event in self._events:
                await context.write(event)

    async def idle(self, _request: bytes, context: Context) -> None:
        """Send one message and wait for the end."""
        await context.write(self._events[0])
        await asyncio.get_running_loop().create_future()

    async def change(self) -> int:
        """Let every watcher send every event once more."""
        async with self._changed:
            self._turn += 1
            self._changed.notify_all()
        return len(self._events)

    def handlers(self) -> dict[str, Any]:
        """Return the methods without serializers."""
        return {
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Watch": grpc.unary_stream_rpc_method_handler(self.watch),
            "Idle": grpc.unary_stream_rpc_method_handler(self.idle),
        }


def _event(number: int) -> bytes:
    device = discovered()[number]
    state = observation(device_name("connections/bench", device.key), device.kind, number)
    state.revision = _SEQUENCE + number
    state.update_time.GetCurrentTime()
    event = DeviceStateEvent(
        device=state.device,
        state=state,
        revision=state.revision,
        cause=DeviceStateCause.DEVICE_STATE_CAUSE_CHANGE,
    )
    response = WatchDeviceStatesResponse(events=[event], resume_token=_TOKEN)
    response.server_time.GetCurrentTime()
    return response.SerializeToString()


async def main(options: Sequence[tuple[str, int]] = (("grpc.so_reuseport", 0),)) -> None:
    """Serve until standard input ends."""
    bare = Bare()
    server = grpc.aio.server(options=list(options))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Bare", bare.handlers())])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await serve_commands({"port": port, "key": "none"}, {"change": bare.change})
    await server.stop(STOP_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
