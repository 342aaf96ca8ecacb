"""`wattbus demo`: the main story, told with a sandbox, on one machine."""

import asyncio
from typing import Annotated

import grpc
import httpx
import typer

from wattbus_server.cli.demo.browser import BrowserError
from wattbus_server.cli.demo.environment import DemoWorld, demo_world
from wattbus_server.cli.demo.narration import Narrator
from wattbus_server.cli.demo.processes import StartError
from wattbus_server.cli.demo.story import Story, StoryError

EXPECTED_FAILURES = (StoryError, StartError, BrowserError, httpx.HTTPError, grpc.aio.AioRpcError, TimeoutError)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the story, with an exit status.")] = False,
) -> None:
    """Run service and sandbox together with a linked sample home, tell the main story, and stay up."""
    narrator = Narrator()
    try:
        asyncio.run(_tell(narrator, once))
    except EXPECTED_FAILURES as error:
        narrator.failed(str(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        return


async def _tell(narrator: Narrator, once: bool) -> None:
    async with demo_world() as world:
        await Story(world, narrator).play()
        if once:
            return
        narrator.lines("Try it yourself:", _ready_lines(world))
        narrator.lines("The server and the sandbox stay up. Press Ctrl+C to stop.", [])
        await asyncio.Event().wait()


def _ready_lines(world: DemoWorld) -> list[str]:
    address, service = world.grpc_address, "wattbus.v1.DeviceService"
    call = 'grpcurl -plaintext -H "authorization: Bearer $KEY"'
    return [
        f"  export KEY={world.api_key}",
        f"  {call} {address} list",
        f"  {call} {address} describe {service}",
        f"  {call} {address} {service}/ListDevices",
        f"  {call} {address} {service}/WatchDeviceStates",
        f"  {call} {address} {service}/ListBlockers",
        f"  the simulated cars and homes: {world.sandbox_page_url}",
    ]
