"""`wattbus demo`: the main story, told with a sandbox, on one machine."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import grpc
import httpx
import typer
from wattbus.v1.device_pb2 import Device

from wattbus_server.cli.demo.browser import BrowserError
from wattbus_server.cli.demo.environment import DemoWorld, demo_world
from wattbus_server.cli.demo.narration import Narrator
from wattbus_server.cli.demo.processes import StartError
from wattbus_server.cli.demo.story import Story, StoryError

SERVICE = "wattbus.v1.DeviceService"
# Between single quotes the shell leaves a variable alone, so they end before it.
BATTERY = "'$BATTERY'"

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
    except (KeyboardInterrupt, asyncio.CancelledError):
        return


async def _tell(narrator: Narrator, once: bool) -> None:
    # Being told to stop must stop server and sandbox too, not only by Ctrl+C.
    if (telling := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, telling.cancel)
    async with demo_world() as world:
        battery = await Story(world, narrator).play()
        if once:
            return
        narrator.lines(
            "Try it yourself. Copy these lines into another terminal, in this folder:", _names(world, battery)
        )
        narrator.lines("List, read, watch:", _first_calls())
        narrator.lines(
            "A blocked command, the fix (you are the installer), and the command again:", _locked(battery.vendor_id)
        )
        narrator.lines(f"The simulated cars and homes: {world.sandbox_page_url}", [])
        narrator.lines("The server and the sandbox stay up. Press Ctrl+C to stop.", [])
        await asyncio.Event().wait()


def _names(world: DemoWorld, battery: Device) -> list[str]:
    names = {"KEY": world.api_key, "ADDRESS": world.grpc_address, "BATTERY": battery.name, "SANDBOX": world.sandbox_url}
    return [f"  export {name}={value}" for name, value in names.items()]


def _call(rest: str, data: str = "") -> str:
    body = f" -d '{data}'" if data else ""
    return f'  grpcurl -plaintext -H "authorization: Bearer $KEY"{body} $ADDRESS {rest}'


def _first_calls() -> list[str]:
    return [
        _call("list"),
        _call(f"describe {SERVICE}"),
        _call(f"{SERVICE}/ListDevices"),
        _call(f"{SERVICE}/GetDeviceState", json.dumps({"name": BATTERY})),
        _call(f"{SERVICE}/WatchDeviceStates"),
        _call(f"{SERVICE}/ListBlockers"),
    ]


def _locked(home: str) -> list[str]:
    wanted = {"parent": BATTERY, "action": {"set_grid_charging": {"allowed": True}}, "wait_for": "RUNG_APPLIED"}
    command = _call(f"{SERVICE}/CreateCommand", json.dumps(wanted))
    program = os.path.relpath(Path(sys.executable).with_name("wattbus"))
    unlock = f"  {program} sandbox ctl --url $SANDBOX home {home} edit_grid_charging=true"
    return [command, unlock, command]
