"""The one client of all benchmarks: the same code talks to Wattbus and to the baseline."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from wattbus.v1.device_service_pb2 import GetDeviceStateResponse, WatchDeviceStatesResponse

from scripts.bench.process import ServerProcess

SERVICE = "/wattbus.v1.DeviceService"

Call = grpc.aio.UnaryUnaryMultiCallable[bytes, GetDeviceStateResponse]
RawCall = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
Watch = grpc.aio.UnaryStreamMultiCallable[bytes, WatchDeviceStatesResponse]


class Client:
    """A channel to one server, with the key in every call's metadata."""

    def __init__(self, channel: grpc.aio.Channel, server: ServerProcess) -> None:
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {server.ready['key']}"),)
        self._streams: list[Stream] = []

    async def calls_per_second(self, method: str, request: bytes, callers: int, calls: int) -> float:
        """Make calls from several callers at once and return how many were answered in a second."""
        call: Call = self._channel.unary_unary(method, response_deserializer=GetDeviceStateResponse.FromString)

        async def caller() -> None:
            for _ in range(calls // callers):
                await call(request, metadata=self._metadata)

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        return calls / (time.perf_counter() - started)

    async def answer(self, method: str, request: bytes) -> bytes:
        """Make one call and return the bytes of the answer."""
        call: RawCall = self._channel.unary_unary(method)
        return await call(request, metadata=self._metadata)

    def stream(self, method: str, request: bytes) -> "Stream":
        """Open a stream."""
        call: Watch = self._channel.unary_stream(method, response_deserializer=WatchDeviceStatesResponse.FromString)
        stream = Stream(call(request, metadata=self._metadata))
        self._streams.append(stream)
        return stream

    def close(self) -> None:
        """End all streams, so that the server does not have to."""
        for stream in self._streams:
            stream.cancel()


class Stream:
    """An open stream whose events are counted."""

    def __init__(self, call: grpc.aio.UnaryStreamCall[bytes, WatchDeviceStatesResponse]) -> None:
        self._call = call

    async def read_events(self, number: int) -> None:
        """Read until this many events came."""
        while number > 0:
            response = await self._call.read()
            if not isinstance(response, WatchDeviceStatesResponse):
                raise RuntimeError(f"the stream ended: {await self._call.details()}")
            number -= len(response.events)

    def cancel(self) -> None:
        """End the stream."""
        self._call.cancel()


@asynccontextmanager
async def connected(server: ServerProcess) -> AsyncIterator[Client]:
    """Yield a client with a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(server.address, options=options) as channel:
        client = Client(channel, server)
        yield client
        client.close()
