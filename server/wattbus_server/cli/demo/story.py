"""The main story: link, list, read, watch, command, a blocked command with its remedy, the fix, the command again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
from google.rpc import status_pb2
from grpc_status import rpc_status
from wattbus.v1 import connection_service_pb2, device_service_pb2
from wattbus.v1.action_pb2 import Action, Lock, SetChargeLimit, SetGridCharging, Wake
from wattbus.v1.blocker_pb2 import Blocker, Blockers
from wattbus.v1.command_pb2 import Command, CommandState, Rung
from wattbus.v1.connection_pb2 import Access, ConnectionState, LinkSessionState
from wattbus.v1.device_pb2 import Device, DeviceKind
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.cli.demo.browser import Browser, forms_of
from wattbus_server.cli.demo.environment import DemoWorld
from wattbus_server.cli.demo.narration import Narrator

EXTERNAL_USER_ID = "robin-1"
WANTED_ACCESS = (
    Access.ACCESS_READ_VEHICLES,
    Access.ACCESS_COMMAND_VEHICLES,
    Access.ACCESS_READ_ENERGY,
    Access.ACCESS_COMMAND_ENERGY,
)
PATIENCE_SECONDS = 60
LOOK_AGAIN_SECONDS = 0.3
WATCHED_CHANGES = 3
NEW_CHARGE_LIMIT_PERCENT = 70

Found = TypeVar("Found")


class StoryError(RuntimeError):
    """A step did not give what the story promises."""


class Story:
    """Plays the story once, through the doors that callers use: gRPC, and a browser for the end user."""

    def __init__(self, world: DemoWorld, narrator: Narrator) -> None:
        self._world = world
        self._narrator = narrator
        self._metadata = world.credentials

    async def play(self) -> Device:
        """Play all chapters, and return a battery that still has a blocker to try.

        Raises:
            StoryError: a step did not give what the story promises.
        """
        async with Browser() as browser:
            connection = await self._link(browser)
            devices = await self._list(connection)
            await self._read(_first(devices, DeviceKind.DEVICE_KIND_BATTERY))
            await self._watch()
            paired, unpaired = await self._cars(devices)
            await self._command(paired)
            blocker = await self._blocked(unpaired)
            await self._fix(browser, unpaired, blocker)
            await self._again(unpaired)
        return await self._locked_battery(devices)

    async def _link(self, browser: Browser) -> str:
        self._narrator.chapter("Link an end user's account")
        request = connection_service_pb2.CreateLinkSessionRequest(
            external_user_id=EXTERNAL_USER_ID, access=WANTED_ACCESS, request_id="demo-link-1"
        )
        created = await self._world.connections.CreateLinkSession(request, metadata=self._metadata)
        session = created.link_session
        self._narrator.say(f"CreateLinkSession gave {session.name}; its link goes to the end user's browser.")
        await browser.open(session.url)
        await browser.submit()
        await browser.submit(button=("decision", "sign_in"))
        await browser.submit(button=("decision", "allow"))
        self._narrator.say("The end user signed in at the sandbox's Tesla page and allowed what was asked for.")
        lookup = connection_service_pb2.GetLinkSessionRequest(name=session.name)
        session = (await self._world.connections.GetLinkSession(lookup, metadata=self._metadata)).link_session
        _expect(session.state == LinkSessionState.LINK_SESSION_STATE_COMPLETED, f"the link session ended as {session}")
        get = connection_service_pb2.GetConnectionRequest(name=session.connection)
        connection = (await self._world.connections.GetConnection(get, metadata=self._metadata)).connection
        _expect(connection.state == ConnectionState.CONNECTION_STATE_ACTIVE, f"the connection is {connection}")
        self._narrator.show(connection, "name", "external_user_id", "state", "granted_access", "region")
        return connection.name

    async def _list(self, connection: str) -> list[Device]:
        self._narrator.chapter("List the devices")
        request = device_service_pb2.ListDevicesRequest()
        request.selection.connection = connection
        devices = list((await self._world.devices.ListDevices(request, metadata=self._metadata)).devices)
        _expect(bool(devices), "no devices were discovered")
        for device in devices:
            kind = DeviceKind.Name(device.kind).removeprefix("DEVICE_KIND_").lower()
            self._narrator.say(f"{device.name}  {kind:14}  {device.display_name}")
        return devices

    async def _read(self, battery: Device) -> None:
        self._narrator.chapter("Read a battery")

        async def state_with_power() -> device_service_pb2.GetDeviceStateResponse | None:
            request = device_service_pb2.GetDeviceStateRequest(name=battery.name)
            answer = await self._world.devices.GetDeviceState(request, metadata=self._metadata)
            return answer if answer.state.battery.energy.HasField("power_w") else None

        self._narrator.show((await _eventually(state_with_power, "the battery's state")).state)

    async def _watch(self) -> None:
        self._narrator.chapter("Watch everything: a snapshot, the marker in_sync, then changes")
        request = device_service_pb2.WatchDeviceStatesRequest()
        call = self._world.devices.WatchDeviceStates(request, metadata=self._metadata)
        snapshot, changes = 0, 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for response in call:
                if response.in_sync:
                    snapshot += len(response.events)
                    self._narrator.say(f"in_sync after {snapshot} devices")
                    continue
                for event in response.events:
                    cause = device_service_pb2.DeviceStateCause.Name(event.cause)
                    if cause.endswith("SNAPSHOT"):
                        snapshot += 1
                        continue
                    changes += 1
                    self._narrator.say(f"{cause}  {event.device}  revision {event.revision}")
                if changes >= WATCHED_CHANGES:
                    break
        call.cancel()

    async def _cars(self, devices: list[Device]) -> tuple[Device, Device]:
        """Return a car that has our virtual key and one that has not, by asking without sending anything."""
        cars = [device for device in devices if device.kind == DeviceKind.DEVICE_KIND_VEHICLE]
        blocked: dict[str, bool] = {}
        for car in cars:
            check = device_service_pb2.CheckCommandRequest(parent=car.name, action=Action(lock=Lock()))
            answer = await self._world.devices.CheckCommand(check, metadata=self._metadata)
            blocked[car.name] = any(one.reason == Reason.REASON_VIRTUAL_KEY_NOT_PAIRED for one in answer.blockers)
        paired = [car for car in cars if not blocked[car.name]]
        unpaired = [car for car in cars if blocked[car.name]]
        _expect(bool(paired and unpaired), "the scenario has no paired and no unpaired car")
        return paired[0], unpaired[0]

    async def _command(self, car: Device) -> None:
        self._narrator.chapter(f"Command: set the charge limit of {car.display_name!r} and prove it")
        action = Action(set_charge_limit=SetChargeLimit(limit_percent=NEW_CHARGE_LIMIT_PERCENT))
        command = await self._create(car, action, "demo-limit-1")
        self._tell(command)

    async def _blocked(self, car: Device) -> Blocker:
        self._narrator.chapter(f"A blocked command: lock {car.display_name!r}")
        try:
            await self._create(car, Action(lock=Lock()), "demo-lock-1")
        except grpc.aio.AioRpcError as error:
            status = rpc_status.from_call(error)
            _expect(status is not None, f"the refusal has no details: {error}")
            self._narrator.show_status(status, error.code().name)
            blocker = _first_blocker(status)
            _expect(blocker.reason == Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, f"the blocker is {blocker}")
            return blocker
        raise StoryError("the command was not refused")

    async def _fix(self, browser: Browser, car: Device, blocker: Blocker) -> None:
        self._narrator.chapter("The fix: the end user follows the link of the remedy")
        self._narrator.say("The vehicle must be online for it, and it sleeps. Waking needs no key:")
        self._tell(await self._create(car, Action(wake=Wake()), "demo-wake-1"))
        html = await browser.open(blocker.remedies[0].link)
        _expect(bool(forms_of(html)), "the pairing page has no form")
        await browser.submit(button=("decision", "pair"))
        self._narrator.say(
            f"The end user added the virtual key. Nobody tells the server; {blocker.name} must close itself."
        )

        async def resolved() -> Blocker | None:
            request = device_service_pb2.ListBlockersRequest(include_resolved=True)
            answer = await self._world.devices.ListBlockers(request, metadata=self._metadata)
            return next(
                (one for one in answer.blockers if one.name == blocker.name and one.HasField("resolve_time")), None
            )

        self._narrator.show(
            await _eventually(resolved, "the blocker to close"), "name", "reason", "state", "resolve_time"
        )

    async def _again(self, car: Device) -> None:
        self._narrator.chapter("The same command again")
        self._tell(await self._create(car, Action(lock=Lock()), "demo-lock-2"))

    async def _locked_battery(self, devices: list[Device]) -> Device:
        action = Action(set_grid_charging=SetGridCharging(allowed=True))
        for battery in (one for one in devices if one.kind == DeviceKind.DEVICE_KIND_BATTERY):
            check = device_service_pb2.CheckCommandRequest(parent=battery.name, action=action)
            answer = await self._world.devices.CheckCommand(check, metadata=self._metadata)
            if any(one.reason == Reason.REASON_SETTING_LOCKED_BY_INSTALLER for one in answer.blockers):
                return battery
        raise StoryError("the scenario has no battery with a locked setting")

    async def _create(self, car: Device, action: Action, request_id: str) -> Command:
        request = device_service_pb2.CreateCommandRequest(
            parent=car.name, action=action, request_id=request_id, wait_for=Rung.RUNG_EFFECTIVE
        )
        command = (await self._world.devices.CreateCommand(request, metadata=self._metadata, timeout=60)).command

        async def finished() -> Command | None:
            get = device_service_pb2.GetCommandRequest(name=command.name)
            seen = (await self._world.devices.GetCommand(get, metadata=self._metadata)).command
            return seen if seen.state >= CommandState.COMMAND_STATE_SUCCEEDED else None

        return await _eventually(finished, "the command to end")

    def _tell(self, command: Command) -> None:
        for rung in command.rungs:
            name = Rung.Name(rung.rung).removeprefix("RUNG_")
            self._narrator.say(f"{rung.reach_time.ToJsonString()}  {name:10}  {rung.evidence}")
        self._narrator.say(f"{command.name}: {CommandState.Name(command.state).removeprefix('COMMAND_STATE_')}")
        _expect(command.state == CommandState.COMMAND_STATE_SUCCEEDED, f"the command ended as {command}")


def _first(devices: list[Device], kind: DeviceKind.ValueType) -> Device:
    found = next((device for device in devices if device.kind == kind), None)
    if found is None:
        raise StoryError(f"no {DeviceKind.Name(kind)} was discovered")
    return found


def _first_blocker(status: status_pb2.Status) -> Blocker:
    for detail in status.details:
        blockers = Blockers()
        if detail.Unpack(blockers) and blockers.blockers:
            return blockers.blockers[0]
    raise StoryError("the refusal names no blocker")


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise StoryError(otherwise)


async def _eventually(look: Callable[[], Awaitable[Found | None]], what: str) -> Found:
    """Look again and again until something is found."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = await look()
                if found is not None:
                    return found
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
    except TimeoutError:
        raise StoryError(f"waited {PATIENCE_SECONDS} seconds for {what}") from None
