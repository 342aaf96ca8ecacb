"""DeviceService: list, read, stream and control devices."""

import asyncio
from collections.abc import AsyncIterator

from wattbus.v1 import device_service_pb2 as pb

from wattbus_server.blockers.ledger import BlockerLedger
from wattbus_server.commands.service import CommandService
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.devices.selection import Selection
from wattbus_server.paging import PageRequest
from wattbus_server.problem import Problem
from wattbus_server.rpc.caller import calling_tenant, seconds_left
from wattbus_server.rpc.device_view import DeviceView
from wattbus_server.state.hub import StateHub
from wattbus_server.state.poller import Poller
from wattbus_server.state.watch import watch
from wattbus_server.wire import length_delimited


class DeviceService:
    """Answers the methods of `wattbus.v1.DeviceService`. States leave as the bytes that the hub stored.

    What only reads memory is a plain function.
    """

    def __init__(
        self,
        registry: DeviceRegistry,
        view: DeviceView,
        hub: StateHub,
        poller: Poller,
        commands: CommandService,
        ledger: BlockerLedger,
        draining: asyncio.Event,
    ) -> None:
        self._registry = registry
        self._view = view
        self._hub = hub
        self._poller = poller
        self._commands = commands
        self._ledger = ledger
        self._draining = draining

    def ListDevices(self, request: pb.ListDevicesRequest) -> pb.ListDevicesResponse:
        """List devices."""
        selection = Selection.from_message(calling_tenant(), request.selection)
        page = PageRequest.parse(request.page_size, request.page_token, selection.digest())
        following = (record for record in self._registry.select(selection) if record.name > page.after)
        devices, token = page.cut(following, lambda record: record.name, self._view.device)
        return pb.ListDevicesResponse(devices=devices, next_page_token=token)

    def GetDevice(self, request: pb.GetDeviceRequest) -> pb.GetDeviceResponse:
        """Get a device."""
        record = self._registry.get(calling_tenant(), request.name)
        return pb.GetDeviceResponse(device=self._view.device(record))

    def GetDeviceState(self, request: pb.GetDeviceStateRequest) -> bytes:
        """Get the latest known state."""
        self._registry.get(calling_tenant(), request.name)
        return _state_field(self._hub.encoded(request.name))

    def BatchGetDeviceStates(self, request: pb.BatchGetDeviceStatesRequest) -> bytes:
        """Get the latest known states, in the order of the request."""
        tenant = calling_tenant()
        for name in request.names:
            self._registry.get(tenant, name)
        return b"".join(_state_field(self._hub.encoded(name)) for name in request.names)

    async def RefreshDeviceState(self, request: pb.RefreshDeviceStateRequest) -> bytes:
        """Read the device from the vendor now."""
        record = self._registry.get(calling_tenant(), request.name)
        try:
            await self._poller.read_now(record)
        except Problem as problem:
            # The poller had it recorded; the caller is told what stands open, with names and remedies.
            raise await self._ledger.record_problem(record.tenant, problem) from problem
        return _state_field(self._hub.encoded(request.name))

    async def CheckCommand(self, request: pb.CheckCommandRequest) -> pb.CheckCommandResponse:
        """Say what CreateCommand would meet."""
        return await self._commands.check(calling_tenant(), request)

    async def CreateCommand(self, request: pb.CreateCommandRequest) -> pb.CreateCommandResponse:
        """Create a command and wait as asked."""
        command = await self._commands.create(calling_tenant(), request, seconds_left(), self._draining)
        return pb.CreateCommandResponse(command=command)

    async def GetCommand(self, request: pb.GetCommandRequest) -> pb.GetCommandResponse:
        """Get a command."""
        return pb.GetCommandResponse(command=await self._commands.get(calling_tenant(), request.name))

    async def ListCommands(self, request: pb.ListCommandsRequest) -> pb.ListCommandsResponse:
        """List commands, newest first."""
        return await self._commands.list(calling_tenant(), request)

    async def CancelCommand(self, request: pb.CancelCommandRequest) -> pb.CancelCommandResponse:
        """Cancel a command that was not sent yet."""
        return pb.CancelCommandResponse(command=await self._commands.cancel(calling_tenant(), request.name))

    async def ListBlockers(self, request: pb.ListBlockersRequest) -> pb.ListBlockersResponse:
        """List blockers, oldest first."""
        return await self._ledger.list(Selection.from_message(calling_tenant(), request.selection), request)

    def WatchDeviceStates(self, request: pb.WatchDeviceStatesRequest) -> AsyncIterator[bytes]:
        """Stream states."""
        selection = Selection.from_message(calling_tenant(), request.selection)
        return watch(self._hub, selection, request, self._draining)

    def WatchCommands(self, request: pb.WatchCommandsRequest) -> AsyncIterator[pb.WatchCommandsResponse]:
        """Stream every transition of commands."""
        selection = Selection.from_message(calling_tenant(), request.selection)
        return self._commands.watch(calling_tenant(), selection, request, self._draining)

    def WatchBlockers(self, request: pb.WatchBlockersRequest) -> AsyncIterator[pb.WatchBlockersResponse]:
        """Stream blockers."""
        selection = Selection.from_message(calling_tenant(), request.selection)
        return self._ledger.watch(selection, request, self._draining)


def _state_field(encoded_state: bytes) -> bytes:
    """Encode the field `state` (or one of `states`), number 1 in each of the responses that carry states."""
    return length_delimited(1, encoded_state)
