"""How the contract tests ask for commands and blockers, and what every refusal must carry."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc
from wattbus.v1 import device_service_pb2
from wattbus.v1.action_pb2 import Action
from wattbus.v1.blocker_pb2 import Actor, Blocker, BlockerState
from wattbus.v1.command_pb2 import Command, CommandState
from wattbus.v1.device_pb2 import Device
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState

from tests.processes import PATIENCE_SECONDS, Json, Sandbox
from tests.rich_errors import Refusal, refusal_of
from tests.service import Tenant, eventually

LONGEST_DETAILS_BYTES = 4096


async def create(tenant: Tenant, device: Device, action: Action, **fields: Any) -> Command:
    request = device_service_pb2.CreateCommandRequest(parent=device.name, action=action, **fields)
    return (await tenant.devices.CreateCommand(request, metadata=tenant.metadata, timeout=60)).command


async def check(
    tenant: Tenant, device: Device, action: Action, **fields: Any
) -> device_service_pb2.CheckCommandResponse:
    request = device_service_pb2.CheckCommandRequest(parent=device.name, action=action, **fields)
    return await tenant.devices.CheckCommand(request, metadata=tenant.metadata)


async def refresh(tenant: Tenant, device: Device) -> DeviceState:
    request = device_service_pb2.RefreshDeviceStateRequest(name=device.name)
    return (await tenant.devices.RefreshDeviceState(request, metadata=tenant.metadata)).state


async def get_command(tenant: Tenant, name: str) -> Command:
    request = device_service_pb2.GetCommandRequest(name=name)
    return (await tenant.devices.GetCommand(request, metadata=tenant.metadata)).command


async def finished(tenant: Tenant, name: str, seconds: float = PATIENCE_SECONDS) -> Command:
    """The command once it is at its end."""

    async def ended() -> Command | None:
        command = await get_command(tenant, name)
        return command if command.state >= CommandState.COMMAND_STATE_SUCCEEDED else None

    return await eventually(ended, seconds)


async def open_blockers(tenant: Tenant, *, include_resolved: bool = False) -> list[Blocker]:
    request = device_service_pb2.ListBlockersRequest(include_resolved=include_resolved, page_size=1000)
    return list((await tenant.devices.ListBlockers(request, metadata=tenant.metadata)).blockers)


async def until_resolved(tenant: Tenant, name: str, seconds: float = PATIENCE_SECONDS) -> Blocker:
    """The blocker as WatchBlockers tells of its end, whether that is past or still to come."""
    request = device_service_pb2.WatchBlockersRequest()
    call = tenant.devices.WatchBlockers(request, metadata=tenant.metadata)
    async with asyncio.timeout(seconds):
        async for response in call:
            for blocker in response.blockers:
                if blocker.name == name and blocker.state == BlockerState.BLOCKER_STATE_RESOLVED:
                    call.cancel()
                    return blocker
            if response.in_sync:
                known = {blocker.name: blocker for blocker in await open_blockers(tenant, include_resolved=True)}
                if known[name].state == BlockerState.BLOCKER_STATE_RESOLVED:
                    call.cancel()
                    return known[name]
    raise AssertionError("the stream ended")


async def refused(
    call: Awaitable[object], code: grpc.StatusCode, reason: Reason.ValueType, *, metadata: tuple[str, ...] = ()
) -> Refusal:
    """The refusal of a call, after a look at what every refusal must carry.

    Args:
        call: the call.
        code: the gRPC code that it must have.
        reason: the reason that it must have.
        metadata: keys that `reason.proto` promises; each must be there and filled.
    """
    refusal = await refusal_of(call)
    assert (refusal.code, refusal.reason) == (code, reason_name(reason)), refusal
    assert refusal.details_bytes <= LONGEST_DETAILS_BYTES
    assert len(refusal.detail_types) == len(set(refusal.detail_types)), refusal.detail_types
    assert refusal.message
    assert refusal.end_user_message
    assert refusal.request_id
    missing = [key for key in metadata if not refusal.metadata.get(key)]
    assert not missing, (missing, refusal.metadata)
    if code is grpc.StatusCode.FAILED_PRECONDITION:
        assert reason_name(reason) in refusal.preconditions
        assert all(refusal.precondition_subjects)
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
        assert refusal.retry_seconds is not None
        assert refusal.retry_seconds > 0
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        assert all(refusal.quota_subjects)
        assert refusal.quota_subjects
    assert reason in [blocker.reason for blocker in refusal.blockers], "who must act is always stated"
    for blocker in refusal.blockers:
        expect_told(blocker)
    return refusal


def expect_told(blocker: Blocker) -> None:
    """Look whether a blocker tells everything that a person needs to remove it."""
    assert blocker.message, blocker
    assert blocker.end_user_message, blocker
    assert blocker.state == BlockerState.BLOCKER_STATE_OPEN, blocker
    assert blocker.HasField("check_time"), blocker
    assert blocker.remedies, blocker
    for remedy in blocker.remedies:
        assert remedy.actor != Actor.ACTOR_UNSPECIFIED, blocker
        assert remedy.place, blocker
        assert list(filter(None, remedy.steps)), blocker
        assert remedy.verification, blocker


def reasons(blockers: list[Blocker] | Any) -> list[str]:
    """The reasons of blockers by name, in order."""
    return [reason_name(blocker.reason) for blocker in blockers]


def reason_name(reason: Reason.ValueType) -> str:
    return Reason.Name(reason).removeprefix("REASON_")


async def sent(sandbox: Sandbox, device: Device) -> list[str]:
    """Everything that asked this device for a change or was billed for it, by the sandbox's own log, oldest first."""
    logged = await sandbox.control.requests(device=device.vendor_id)
    return [f"{entry['method']} {entry['path']}" for entry in logged if entry["price"] != "free" or _writes(entry)]


def _writes(entry: Json) -> bool:
    return bool(entry["method"] == "POST" and not entry["path"].endswith("/fleet_status"))
