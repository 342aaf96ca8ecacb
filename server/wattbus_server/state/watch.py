"""The stream of WatchDeviceStates, as serialised responses."""

import asyncio
from collections.abc import AsyncGenerator

from google.protobuf.duration_pb2 import Duration
from wattbus.v1.device_service_pb2 import WatchDeviceStatesRequest
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.devices.selection import Selection
from wattbus_server.problem import Problem
from wattbus_server.state.hub import StateHub
from wattbus_server.state.mask import StateMask
from wattbus_server.state.watcher import Watcher

DEFAULT_HEARTBEAT_SECONDS = 30.0


async def watch(
    hub: StateHub, selection: Selection, request: WatchDeviceStatesRequest, draining: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    """Yield serialised WatchDeviceStatesResponse messages until the server drains or the generator is closed.

    The generator holds no more than what one response needs: while the reader is slow, changes merge.

    Args:
        hub: where the states are.
        selection: which devices, with the caller's tenant.
        request: mask, token and intervals; its fields are validated, but for the mask and the token.
        draining: set when the server shuts down.

    Raises:
        Problem: FIELD_INVALID for the mask, RESUME_TOKEN_INVALID, and SERVER_DRAINING after the last response.
    """
    mask = StateMask.parse(request.state_mask)
    heartbeat = _seconds(request.heartbeat_interval) or DEFAULT_HEARTBEAT_SECONDS
    clock = asyncio.get_running_loop().time
    watcher = Watcher(hub, selection, mask, request.resume_token, _seconds(request.minimum_interval))
    drain = asyncio.create_task(draining.wait())
    drain.add_done_callback(lambda _: watcher.ring())
    silent_since = clock()
    try:
        while not draining.is_set():
            response = watcher.response()
            if response is None and clock() >= silent_since + heartbeat:
                response = watcher.heartbeat()
            if response is None:
                await watcher.sleep(silent_since + heartbeat)
                continue
            silent_since = clock()
            yield response
        watcher.seal()
        while response := watcher.response():
            yield response
        raise Problem(Reason.REASON_SERVER_DRAINING, "The server is shutting down. Connect again with the last token.")
    finally:
        watcher.close()
        drain.cancel()


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9
