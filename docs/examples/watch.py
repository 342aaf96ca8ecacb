"""Follows the states of all devices of a tenant for ever, across restarts of the server.

    KEY=wbk_… python docs/examples/watch.py 127.0.0.1:50051

Needs grpcio, protobuf, grpcio-status and the stubs in `generated/`. Prints one JSON object a line: `synced`, `state`,
`removed`, `reset`, `lost`. A real program puts its own work in the place of `tell`.
"""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from wattbus.v1.device_service_pb2 import DeviceStateCause, WatchDeviceStatesRequest, WatchDeviceStatesResponse
from wattbus.v1.device_service_pb2_grpc import DeviceServiceStub
from wattbus.v1.state_pb2 import DeviceState

# This name exists in the type hints of the stubs only.
if TYPE_CHECKING:
    from wattbus.v1.device_service_pb2_grpc import DeviceServiceAsyncStub

HEARTBEAT_SECONDS = 10
# The server is never silent for longer than the heartbeat and a tenth of it. After this the connection is dead.
SILENCE_SECONDS = HEARTBEAT_SECONDS * 1.5
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0
# Connecting again does not help against these; somebody has to change something.
HOPELESS = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
CHANNEL_OPTIONS = (("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 10_000))


@dataclass
class Picture:
    """What is known, and the token that belongs to it. A program that stores one stores both, in one transaction."""

    states: dict[str, DeviceState] = field(default_factory=dict)
    resume_token: str = ""

    def take_over(self, response: WatchDeviceStatesResponse) -> None:
        """Take over one response."""
        if response.reset:
            self.states.clear()
            tell("reset")
        for event in response.events:
            if event.cause == DeviceStateCause.DEVICE_STATE_CAUSE_REMOVED:
                self.states.pop(event.device, None)
                tell("removed", device=event.device)
            else:
                self.states[event.device] = event.state
                tell("state", cause=DeviceStateCause.Name(event.cause), state=json_format.MessageToDict(event.state))
        if response.in_sync:
            tell("synced", devices=len(self.states))
        # Only now: if this process dies in between, the same response comes once more.
        self.resume_token = response.resume_token


async def watch(address: str, key: str) -> None:
    """Watch for ever.

    Raises:
        grpc.aio.AioRpcError: connecting again would not help.
    """
    picture, failures = Picture(), 0
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        stub: DeviceServiceAsyncStub = DeviceServiceStub(channel)
        while True:
            try:
                async for response in _responses(stub, key, picture.resume_token):
                    picture.take_over(response)
                    failures = 0
                why = "the server ended the stream"
            except TimeoutError:
                why = "silence"
            except grpc.aio.AioRpcError as error:
                why = reason_of(error)
                if why == "RESUME_TOKEN_INVALID":
                    picture = Picture()
                elif error.code() in HOPELESS:
                    raise
            failures += 1
            seconds = wait_seconds(failures)
            tell("lost", why=why, wait_seconds=round(seconds, 1))
            await asyncio.sleep(seconds)


async def _responses(
    stub: "DeviceServiceAsyncStub", key: str, resume_token: str
) -> AsyncIterator[WatchDeviceStatesResponse]:
    """Yield the responses of one stream; TimeoutError if it falls silent."""
    request = WatchDeviceStatesRequest(resume_token=resume_token)
    request.heartbeat_interval.FromSeconds(HEARTBEAT_SECONDS)
    call = stub.WatchDeviceStates(request, metadata=(("authorization", f"Bearer {key}"),))
    responses = call.__aiter__()
    try:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                try:
                    response = await anext(responses)
                except StopAsyncIteration:
                    return
            yield response
    finally:
        call.cancel()


def wait_seconds(failures: int) -> float:
    """Return a random time up to a bound that doubles, so that not all clients of a server come back at once."""
    bound = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(failures - 1, 10))
    return random.uniform(0, bound)  # noqa: S311 - spreads load, guards nothing


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason in the details of a refusal, or gRPC's own code if the server could not be asked."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    if status is not None and any(detail.Unpack(info) for detail in status.details):
        return str(info.reason)
    return str(error.code().name)


def tell(event: str, **facts: object) -> None:
    """Print what happened."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run until interrupted."""
    if len(sys.argv) != 2 or not os.environ.get("KEY"):
        sys.stderr.write("usage: KEY=wbk_… watch.py HOST:PORT\n")
        return 2
    try:
        asyncio.run(watch(sys.argv[1], os.environ["KEY"]))
    except grpc.aio.AioRpcError as error:
        sys.stderr.write(f"{reason_of(error)}: {error.details()}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
