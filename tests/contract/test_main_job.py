"""The main job over a real channel: list, read, refresh, stream, command, and what each rung proves."""

import asyncio
from collections.abc import AsyncIterable

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from wattbus.v1 import device_service_pb2 as pb
from wattbus.v1.action_pb2 import (
    Action,
    BatteryMode,
    ExportRule,
    Lock,
    SetBackupReserve,
    SetBatteryMode,
    SetChargeLimit,
    SetChargingCurrent,
    SetExportRule,
    SetGridCharging,
    SetStormWatch,
    StartCharging,
    StartClimate,
    StopCharging,
    StopClimate,
    Unlock,
)
from wattbus.v1.command_pb2 import Command, CommandState, Rung
from wattbus.v1.connection_pb2 import ConnectionState
from wattbus.v1.device_pb2 import Availability, Device, DeviceKind
from wattbus.v1.state_pb2 import ConnectivityStatus, DeviceState

from tests.processes import Sandbox
from tests.rich_errors import refusal_of
from tests.service import Tenant, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE = 60


async def state_of(tenant: Tenant, device: Device) -> DeviceState:
    request = pb.GetDeviceStateRequest(name=device.name)
    return (await tenant.devices.GetDeviceState(request, metadata=tenant.metadata)).state


async def finished(tenant: Tenant, command: Command) -> Command:
    async def look() -> Command | None:
        request = pb.GetCommandRequest(name=command.name)
        seen = (await tenant.devices.GetCommand(request, metadata=tenant.metadata)).command
        return seen if seen.state >= CommandState.COMMAND_STATE_SUCCEEDED else None

    return await eventually(look)


async def command(tenant: Tenant, device: Device, action: Action, **fields: object) -> Command:
    request = pb.CreateCommandRequest(parent=device.name, action=action, **fields)  # type: ignore[arg-type] # by name
    created = (await tenant.devices.CreateCommand(request, metadata=tenant.metadata, timeout=PATIENCE)).command
    return await finished(tenant, created)


def reached(command: Command) -> list[str]:
    return [Rung.Name(rung.rung).removeprefix("RUNG_") for rung in command.rungs]


async def test_linking_finds_the_region_the_scopes_and_every_device(home: Tenant) -> None:
    devices = await home.list_devices()
    kinds = sorted(DeviceKind.Name(device.kind).removeprefix("DEVICE_KIND_") for device in devices)
    assert kinds.count("VEHICLE") == 2
    assert {"BATTERY", "SOLAR_INVERTER", "CHARGER", "METER"} <= set(kinds)
    connection = await home.connection(devices[0].connection)
    assert connection.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert connection.region == "eu"
    assert "vehicle_cmds" in connection.granted_scopes
    assert not connection.missing_access


async def test_devices_of_one_home_share_a_site(home: Tenant, free_battery: Device) -> None:
    same_site = [device for device in await home.list_devices() if device.site == free_battery.site]
    assert {device.kind for device in same_site} == {
        DeviceKind.DEVICE_KIND_BATTERY,
        DeviceKind.DEVICE_KIND_SOLAR_INVERTER,
        DeviceKind.DEVICE_KIND_CHARGER,
        DeviceKind.DEVICE_KIND_METER,
    }


async def test_pages_cover_every_device_once(home: Tenant) -> None:
    seen: list[str] = []
    token = ""
    while True:
        request = pb.ListDevicesRequest(page_size=2, page_token=token)
        page = await home.devices.ListDevices(request, metadata=home.metadata)
        assert len(page.devices) <= 2
        seen += [device.name for device in page.devices]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted(seen)
    assert seen == [device.name for device in await home.list_devices()]


async def test_power_flows_arrive_by_polling_and_balance(home: Tenant, free_battery: Device) -> None:
    by_kind = {one.kind: one for one in await home.list_devices() if one.site == free_battery.site}

    async def balance() -> float | None:
        meter = (await state_of(home, by_kind[DeviceKind.DEVICE_KIND_METER])).meter.flows
        solar = (await state_of(home, by_kind[DeviceKind.DEVICE_KIND_SOLAR_INVERTER])).solar_inverter.production
        battery = (await state_of(home, by_kind[DeviceKind.DEVICE_KIND_BATTERY])).battery.energy
        times = {one.observe_time.ToJsonString() for one in (meter, solar, battery)}
        if len(times) > 1 or not battery.HasField("power_w"):
            return None
        return meter.consumption_w + battery.power_w - solar.production_w - meter.grid_power_w

    difference = await eventually(balance)
    # Tesla rounds each power to whole watts, and batteries to ten.
    assert abs(difference) <= 15


async def test_batch_reads_keep_the_order_of_the_request(home: Tenant) -> None:
    names = [device.name for device in reversed(await home.list_devices())]
    request = pb.BatchGetDeviceStatesRequest(names=names)
    states = (await home.devices.BatchGetDeviceStates(request, metadata=home.metadata)).states
    assert [state.device for state in states] == names


async def test_a_vehicle_is_read_in_full_only_on_request(home: Tenant, sandbox: Sandbox, paired_car: Device) -> None:
    before = len(await sandbox.control.requests("vehicle_data"))
    request = pb.RefreshDeviceStateRequest(name=paired_car.name)
    state = (await home.devices.RefreshDeviceState(request, metadata=home.metadata)).state
    assert state.vehicle.charge.charge_percent == pytest.approx(54, abs=5)
    assert state.vehicle.drive.HasField("position")
    assert state.connectivity.status == ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE
    assert len(await sandbox.control.requests("vehicle_data")) == before + 1


async def test_a_sleeping_vehicle_is_never_woken_to_read_it(
    home: Tenant, sandbox: Sandbox, unpaired_car: Device
) -> None:
    request = pb.RefreshDeviceStateRequest(name=unpaired_car.name)
    refusal = await refusal_of(home.devices.RefreshDeviceState(request, metadata=home.metadata))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "VEHICLE_ASLEEP")
    assert refusal.retry_seconds
    state = await state_of(home, unpaired_car)
    assert state.connectivity.status == ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP
    assert not await sandbox.control.requests("wake_up")


async def test_a_value_is_set_and_read_back(home: Tenant, paired_car: Device) -> None:
    done = await command(home, paired_car, Action(set_charge_limit=SetChargeLimit(limit_percent=75)))
    assert done.state == CommandState.COMMAND_STATE_SUCCEEDED
    assert reached(done) == ["RECEIVED", "QUEUED", "SENT", "ACCEPTED", "APPLIED"]
    assert "75" in done.rungs[-1].evidence
    assert (await state_of(home, paired_car)).vehicle.charge.limit_percent == 75


@pytest.mark.parametrize(
    "action",
    [
        Action(unlock=Unlock()),
        Action(lock=Lock()),
        Action(set_charging_current=SetChargingCurrent(current_amps=10)),
        Action(start_climate=StartClimate()),
        Action(stop_climate=StopClimate()),
    ],
    ids=lambda action: action.WhichOneof("action"),
)
async def test_vehicle_commands_are_signed_and_applied(
    home: Tenant, sandbox: Sandbox, paired_car: Device, action: Action
) -> None:
    done = await command(home, paired_car, action)
    assert done.state == CommandState.COMMAND_STATE_SUCCEEDED, done
    assert reached(done)[-1] == "APPLIED"
    assert await sandbox.control.requests("signed_command")


async def test_charging_is_proven_by_current(home: Tenant, paired_car: Device) -> None:
    stopped = await command(home, paired_car, Action(stop_charging=StopCharging()))
    assert (stopped.state, reached(stopped)[-1]) == (CommandState.COMMAND_STATE_SUCCEEDED, "EFFECTIVE"), stopped
    started = await command(home, paired_car, Action(start_charging=StartCharging()))
    assert (started.state, reached(started)[-1]) == (CommandState.COMMAND_STATE_SUCCEEDED, "EFFECTIVE"), started


@pytest.mark.parametrize(
    "action",
    [
        Action(set_battery_mode=SetBatteryMode(mode=BatteryMode.BATTERY_MODE_TIME_BASED_CONTROL)),
        Action(set_backup_reserve=SetBackupReserve(reserve_percent=35)),
        Action(set_export_rule=SetExportRule(rule=ExportRule.EXPORT_RULE_SOLAR_ONLY)),
        Action(set_grid_charging=SetGridCharging(allowed=False)),
        Action(set_storm_watch=SetStormWatch(enabled=False)),
        Action(set_export_rule=SetExportRule(rule=ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY)),
        Action(set_grid_charging=SetGridCharging(allowed=True)),
    ],
    ids=lambda action: action.WhichOneof("action"),
)
async def test_energy_writes_are_read_back(home: Tenant, free_battery: Device, action: Action) -> None:
    done = await command(home, free_battery, action)
    assert done.state == CommandState.COMMAND_STATE_SUCCEEDED, done
    assert reached(done)[-1] == "APPLIED"


async def test_the_same_request_id_gives_the_same_command(home: Tenant, paired_car: Device) -> None:
    action = Action(set_charge_limit=SetChargeLimit(limit_percent=66))
    first = await command(home, paired_car, action, request_id="same-1")
    second = await command(home, paired_car, action, request_id="same-1")
    assert first.name == second.name
    other = Action(set_charge_limit=SetChargeLimit(limit_percent=67))
    request = pb.CreateCommandRequest(parent=paired_car.name, action=other, request_id="same-1")
    refusal = await refusal_of(home.devices.CreateCommand(request, metadata=home.metadata))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_a_caller_who_does_not_wait_gets_the_stored_command(home: Tenant, paired_car: Device) -> None:
    request = pb.CreateCommandRequest(
        parent=paired_car.name,
        action=Action(set_charge_limit=SetChargeLimit(limit_percent=71)),
        wait_for=Rung.RUNG_RECEIVED,
    )
    created = (await home.devices.CreateCommand(request, metadata=home.metadata)).command
    assert created.state < CommandState.COMMAND_STATE_ACCEPTED
    assert (await finished(home, created)).state == CommandState.COMMAND_STATE_SUCCEEDED


async def test_commands_are_listed_newest_first(home: Tenant, paired_car: Device) -> None:
    request = pb.ListCommandsRequest(parent=paired_car.name, page_size=5)
    commands = (await home.devices.ListCommands(request, metadata=home.metadata)).commands
    times = [one.create_time.ToDatetime() for one in commands]
    assert len(times) > 1
    assert times == sorted(times, reverse=True)
    everywhere = pb.ListCommandsRequest(parent="devices/-", page_size=1000)
    answer = await home.devices.ListCommands(everywhere, metadata=home.metadata)
    assert {one.name for one in commands} <= {one.name for one in answer.commands}


async def test_every_transition_of_a_command_is_streamed_in_order(home: Tenant, paired_car: Device) -> None:
    call = home.devices.WatchCommands(
        pb.WatchCommandsRequest(heartbeat_interval=Duration(seconds=1)), metadata=home.metadata
    )
    responses = call.__aiter__()
    await anext(responses)
    done = await command(home, paired_car, Action(set_charge_limit=SetChargeLimit(limit_percent=62)))
    states: list[int] = []
    async with asyncio.timeout(PATIENCE):
        while CommandState.COMMAND_STATE_SUCCEEDED not in states:
            response = await anext(responses)
            states += [one.command.state for one in response.events if one.command.name == done.name]
    call.cancel()
    assert states == sorted(states)
    assert len(states) == len(set(states)) == 6


async def snapshot(call: AsyncIterable[pb.WatchDeviceStatesResponse]) -> tuple[list[pb.DeviceStateEvent], str]:
    events: list[pb.DeviceStateEvent] = []
    async with asyncio.timeout(PATIENCE):
        async for response in call:
            events += response.events
            if response.in_sync:
                return events, response.resume_token
    raise AssertionError("the stream ended before in_sync")


async def test_a_stream_begins_with_a_snapshot_then_brings_changes_and_resumes(
    home: Tenant, free_battery: Device
) -> None:
    selection = pb.DeviceSelection(devices=[free_battery.name])
    request = pb.WatchDeviceStatesRequest(selection=selection, state_mask=FieldMask(paths=["battery.energy"]))
    call = home.devices.WatchDeviceStates(request, metadata=home.metadata)
    events, token = await snapshot(call)
    assert [event.cause for event in events] == [pb.DeviceStateCause.DEVICE_STATE_CAUSE_SNAPSHOT]
    assert not events[0].state.battery.HasField("settings")
    async with asyncio.timeout(PATIENCE):
        async for response in call:
            if response.events:
                break
    assert response.events[0].cause == pb.DeviceStateCause.DEVICE_STATE_CAUSE_CHANGE
    assert response.events[0].revision > events[0].revision
    call.cancel()
    request.resume_token = token
    resumed = home.devices.WatchDeviceStates(request, metadata=home.metadata)
    first = await anext(resumed.__aiter__())
    assert not first.reset
    resumed.cancel()


async def test_an_unknown_mask_and_a_foreign_token_are_refused(home: Tenant, free_battery: Device) -> None:
    bad_mask = pb.WatchDeviceStatesRequest(state_mask=FieldMask(paths=["battery.nonsense"]))
    refusal = await refusal_of(anext(home.devices.WatchDeviceStates(bad_mask, metadata=home.metadata).__aiter__()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    call = home.devices.WatchDeviceStates(pb.WatchDeviceStatesRequest(), metadata=home.metadata)
    _, token = await snapshot(call)
    call.cancel()
    other = pb.WatchDeviceStatesRequest(selection=pb.DeviceSelection(devices=[free_battery.name]), resume_token=token)
    refusal = await refusal_of(anext(home.devices.WatchDeviceStates(other, metadata=home.metadata).__aiter__()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "RESUME_TOKEN_INVALID")


async def test_capabilities_tell_bounds_and_blockers(home: Tenant, paired_car: Device, unpaired_car: Device) -> None:
    check = pb.CheckCommandRequest(parent=unpaired_car.name, action=Action(lock=Lock()))
    answer = await home.devices.CheckCommand(check, metadata=home.metadata)
    assert answer.needs_wake
    assert answer.blockers
    request = pb.CreateCommandRequest(parent=unpaired_car.name, action=Action(lock=Lock()))
    await refusal_of(home.devices.CreateCommand(request, metadata=home.metadata))
    seen = (await home.devices.GetDevice(pb.GetDeviceRequest(name=unpaired_car.name), metadata=home.metadata)).device
    lock = next(one for one in seen.capabilities if one.action == 1)
    assert lock.availability == Availability.AVAILABILITY_BLOCKED
    assert lock.blockers
    limits = next(one for one in paired_car.capabilities if one.action == 5)
    assert (limits.parameter_bounds[0].minimum, limits.parameter_bounds[0].maximum) == (50, 100)
