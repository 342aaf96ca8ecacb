"""Blockers close by themselves once their cause is gone at Tesla, and then the same command works."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from wattbus.v1 import device_service_pb2
from wattbus.v1.action_pb2 import (
    Action,
    BatteryMode,
    ChargeBattery,
    DischargeBattery,
    DispatchBattery,
    ExportRule,
    HonkHorn,
    SetBackupReserve,
    SetBatteryMode,
    SetExportRule,
    SetGridCharging,
)
from wattbus.v1.blocker_pb2 import BlockerState
from wattbus.v1.command_pb2 import Command, CommandState
from wattbus.v1.connection_service_pb2 import SyncConnectionRequest
from wattbus.v1.device_pb2 import Device, DeviceKind
from wattbus.v1.reason_pb2 import Reason

from tests.contract.asking import check, create, finished, open_blockers, reasons, until_resolved
from tests.contract.people import car, person, scenario
from tests.contract.people import home as house
from tests.processes import Sandbox
from tests.rich_errors import Refusal, refusal_of
from tests.service import CLIENT_ID, Setup, Tenant
from wattbus_server.cli.demo.browser import Browser

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

HONK = Action(honk_horn=HonkHorn())
LEASE = Duration(seconds=60)
CHARGE = Action(dispatch_battery=DispatchBattery(charge=ChargeBattery(), lease_duration=LEASE))
DISCHARGE = Action(
    dispatch_battery=DispatchBattery(discharge=DischargeBattery(export_to_grid=True), lease_duration=LEASE)
)
BACKUP = Action(set_battery_mode=SetBatteryMode(mode=BatteryMode.BATTERY_MODE_BACKUP))
TIME_BASED = Action(set_battery_mode=SetBatteryMode(mode=BatteryMode.BATTERY_MODE_TIME_BASED_CONTROL))
EXPORT_ALL = Action(set_export_rule=SetExportRule(rule=ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY))
RESERVE = Action(set_backup_reserve=SetBackupReserve(reserve_percent=35))
NO_GRID_CHARGING = Action(set_grid_charging=SetGridCharging(allowed=False))


@dataclass(frozen=True)
class Case:
    """Something that blocks, and how somebody removes it at Tesla."""

    reason: Reason.ValueType
    action: Action
    fixed: Mapping[str, object]
    """The change at the car or home that removes the cause."""
    spec: Mapping[str, object]
    """What the car or home is like before."""
    change: Mapping[str, object] | None = None
    """What happens to it before, if it cannot begin like that."""

    @property
    def name(self) -> str:
        return Reason.Name(self.reason).removeprefix("REASON_").lower()


CARS = (
    Case(Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, HONK, {"key": "paired"}, {"key": "unpaired"}),
    Case(Reason.REASON_VEHICLE_IN_SERVICE, HONK, {"in_service": False}, {"in_service": True}),
    Case(Reason.REASON_REMOTE_ACCESS_DISABLED, HONK, {"mobile_access": True}, {"mobile_access": False}),
)
ON_USE = (Case(Reason.REASON_VIRTUAL_KEY_DISABLED, HONK, {"key": "paired"}, {"key": "disabled"}),)
HOMES = (
    Case(
        Reason.REASON_EXPORT_NOT_PERMITTED,
        EXPORT_ALL,
        {"net_meter_mode": "battery_ok"},
        {"grid": {"net_meter_mode": "pv_only", "export_rule": "pv_only"}},
    ),
    Case(
        Reason.REASON_SETTING_LOCKED_BY_INSTALLER,
        NO_GRID_CHARGING,
        {"edit_grid_charging": True},
        # The other lock stays; it has a blocker of its own.
        {"grid": {"edit_grid_charging": False, "edit_energy_exports": False}},
    ),
    Case(
        Reason.REASON_TIME_BASED_CONTROL_UNSUPPORTED,
        TIME_BASED,
        {"tou_capable": True},
        {"grid": {"tou_capable": False}},
    ),
    Case(Reason.REASON_STORM_WATCH_ACTIVE, BACKUP, {"storm": None}, {}, {"storm": {"seconds": 3600}}),
    Case(
        Reason.REASON_GRID_SERVICES_ACTIVE,
        BACKUP,
        {"grid_services_event": None},
        {"grid_services": True},
        {"grid_services_event": {"power_w": 1000, "seconds": 3600}},
    ),
)
NOT_OFFERED = (
    Case(
        Reason.REASON_EXPORT_RULE_EXCLUDES_BATTERY,
        DISCHARGE,
        {"export_rule": "battery_ok"},
        {"grid": {"export_rule": "pv_only"}},
    ),
    Case(Reason.REASON_GRID_CHARGING_DISABLED, CHARGE, {"grid_charging": True}, {"grid": {"grid_charging": False}}),
    Case(Reason.REASON_OFF_GRID, DISCHARGE, {"outage": "none"}, {}, {"outage": "intentional"}),
)
"""They block dispatch, which Tesla does not offer to anybody."""

ROBIN = person(
    "robin",
    *(car(case.name, **case.spec) for case in (*CARS, *ON_USE)),
    *(house(case.name, **case.spec) for case in (*HOMES, *NOT_OFFERED)),
    house("ignoring"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    people = (ROBIN, person("consenting", car("consenting")), person("waiting", car("waiting")))
    async with setup.sandbox(**scenario(*people)) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def ignored_write(home: Tenant, sandbox: Sandbox) -> Command:
    """A write that Tesla accepts and the gateway ignores. Reading it back takes long, so it begins first of all."""
    ignoring = await home.device_named("ignoring", DeviceKind.DEVICE_KIND_BATTERY)
    await sandbox.control.inject_fault("ignored_energy_write", target=ignoring.vendor_id, count=None)
    return await create(home, ignoring, RESERVE)


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def scope_given_back(home: Tenant, sandbox: Sandbox) -> str:
    """The name of a blocker whose cause is gone at Tesla already. Tokens are renewed seldom, so it begins early too."""
    await home.link("waiting", email="waiting@example.com")
    waiting = await home.device_named("waiting")
    return (await scope_taken_and_given_back(home, sandbox, waiting)).blockers[0].name


async def scope_taken_and_given_back(home: Tenant, sandbox: Sandbox, device: Device) -> Refusal:
    """The end user switches the permission off at Tesla, a command is refused, and they switch it on again."""
    email = f"{device.display_name}@example.com"
    await switch_off(sandbox, email, "vehicle_cmds", "vehicle_charging_cmds")
    await sync(home, device)
    refusal = await refusal_of(create(home, device, HONK))
    assert refusal.reason == "SCOPE_MISSING"
    assert reasons(refusal.blockers) == ["SCOPE_MISSING"]
    page = refusal.blockers[0].remedies[1].link
    async with Browser() as browser:
        await browser.open(page)
        await browser.submit(email=email)
        await browser.submit(button=("granted", "vehicle_cmds"), decision="save")
    return refusal


async def switch_off(sandbox: Sandbox, email: str, *taken: str) -> None:
    """Switch off permissions as the consent page at Tesla would."""
    grants = (await sandbox.control.get("/grants"))["grants"]
    scopes = next(list(grant["scopes"]) for grant in grants if grant["email"] == email)
    kept = [scope for scope in scopes if scope not in (*taken, "openid", "offline_access")]
    await sandbox.control.put(f"/grants/{email}/{CLIENT_ID}", {"scopes": kept})


async def sync(tenant: Tenant, device: Device) -> None:
    request = SyncConnectionRequest(name=device.connection)
    await tenant.connections.SyncConnection(request, metadata=tenant.metadata)


async def blocked(tenant: Tenant, sandbox: Sandbox, case: Case, kind: DeviceKind.ValueType) -> tuple[Device, str]:
    """The device of a case, and the name of the blocker that its action met."""
    device = await tenant.device_named(case.name, kind)
    place = "cars" if kind == DeviceKind.DEVICE_KIND_VEHICLE else "homes"
    if case.change is not None:
        await sandbox.control.patch(f"/{place}/{device.vendor_id}", case.change)
        request = device_service_pb2.RefreshDeviceStateRequest(name=device.name)
        await tenant.devices.RefreshDeviceState(request, metadata=tenant.metadata)
    refusal = await refusal_of(create(tenant, device, case.action))
    blocker = refusal.blocker(case.reason)
    assert blocker.name in [one.name for one in await open_blockers(tenant)]
    return device, blocker.name


@pytest.mark.parametrize("case", CARS, ids=lambda case: case.name)
async def test_what_blocked_a_car_closes_by_itself(home: Tenant, sandbox: Sandbox, case: Case) -> None:
    device, name = await blocked(home, sandbox, case, DeviceKind.DEVICE_KIND_VEHICLE)
    await sandbox.control.patch(f"/cars/{device.vendor_id}", case.fixed)
    healed = await until_resolved(home, name)
    assert healed.HasField("resolve_time")
    assert (await create(home, device, case.action)).state >= CommandState.COMMAND_STATE_ACCEPTED


@pytest.mark.parametrize("case", ON_USE, ids=lambda case: case.name)
async def test_what_only_a_command_can_tell_closes_when_one_gets_through(
    home: Tenant, sandbox: Sandbox, case: Case
) -> None:
    device, name = await blocked(home, sandbox, case, DeviceKind.DEVICE_KIND_VEHICLE)
    await sandbox.control.patch(f"/cars/{device.vendor_id}", case.fixed)
    assert (await create(home, device, case.action)).state >= CommandState.COMMAND_STATE_ACCEPTED
    await until_resolved(home, name)


@pytest.mark.parametrize("case", HOMES, ids=lambda case: case.name)
async def test_what_blocked_a_home_closes_by_itself(home: Tenant, sandbox: Sandbox, case: Case) -> None:
    device, name = await blocked(home, sandbox, case, DeviceKind.DEVICE_KIND_BATTERY)
    await sandbox.control.patch(f"/homes/{device.vendor_id}", case.fixed)
    await until_resolved(home, name)
    command = await create(home, device, case.action)
    assert (await finished(home, command.name)).state == CommandState.COMMAND_STATE_SUCCEEDED


@pytest.mark.parametrize("case", NOT_OFFERED, ids=lambda case: case.name)
async def test_what_blocked_a_dispatch_closes_by_itself(home: Tenant, sandbox: Sandbox, case: Case) -> None:
    device, name = await blocked(home, sandbox, case, DeviceKind.DEVICE_KIND_BATTERY)
    await sandbox.control.patch(f"/homes/{device.vendor_id}", case.fixed)
    await until_resolved(home, name)
    assert reasons((await check(home, device, case.action)).blockers) == ["NOT_EXPOSED_BY_VENDOR"]


async def test_the_caller_removes_what_the_caller_may_remove(home: Tenant, sandbox: Sandbox) -> None:
    """The first remedy of a wrong export rule is another command."""
    battery = await home.device_named("off_grid", DeviceKind.DEVICE_KIND_BATTERY)
    await sandbox.control.patch(f"/homes/{battery.vendor_id}", {"export_rule": "pv_only"})
    request = device_service_pb2.RefreshDeviceStateRequest(name=battery.name)
    await home.devices.RefreshDeviceState(request, metadata=home.metadata)
    refusal = await refusal_of(create(home, battery, DISCHARGE))
    blocker = refusal.blocker(Reason.REASON_EXPORT_RULE_EXCLUDES_BATTERY)
    await create(home, battery, EXPORT_ALL)
    await until_resolved(home, blocker.name)


async def test_a_blocker_that_opens_again_is_another_one(home: Tenant, sandbox: Sandbox) -> None:
    device = await home.device_named(CARS[0].name)
    await sandbox.control.patch(f"/cars/{device.vendor_id}", {"key": "unpaired"})
    first = await refusal_of(create(home, device, HONK))
    await sandbox.control.patch(f"/cars/{device.vendor_id}", {"key": "paired"})
    resolved = await until_resolved(home, first.blockers[0].name)
    await sandbox.control.patch(f"/cars/{device.vendor_id}", {"key": "unpaired"})
    second = await refusal_of(create(home, device, HONK))
    assert second.reason == "VIRTUAL_KEY_NOT_PAIRED"
    assert second.blockers[0].name != resolved.name
    known = {one.name: one.state for one in await open_blockers(home, include_resolved=True)}
    assert known[resolved.name] == BlockerState.BLOCKER_STATE_RESOLVED
    assert known[second.blockers[0].name] == BlockerState.BLOCKER_STATE_OPEN


async def test_a_sync_sees_at_once_that_a_permission_was_given_back(home: Tenant, sandbox: Sandbox) -> None:
    await home.link("consenting", email="consenting@example.com")
    consenting = await home.device_named("consenting")
    refusal = await scope_taken_and_given_back(home, sandbox, consenting)
    await sync(home, consenting)
    # By itself the server would renew the token later only.
    await until_resolved(home, refusal.blockers[0].name, 20)
    assert (await create(home, consenting, HONK)).state >= CommandState.COMMAND_STATE_ACCEPTED


async def test_a_permission_that_was_given_back_at_tesla_shows_by_itself(home: Tenant, scope_given_back: str) -> None:
    await until_resolved(home, scope_given_back, 100)
    waiting = await home.device_named("waiting")
    assert (await create(home, waiting, HONK)).state >= CommandState.COMMAND_STATE_ACCEPTED


async def test_a_write_that_the_gateway_ignores_is_not_believed(home: Tenant, ignored_write: Command) -> None:
    assert ignored_write.state == CommandState.COMMAND_STATE_ACCEPTED
    command = await finished(home, ignored_write.name, 90)
    assert command.state == CommandState.COMMAND_STATE_FAILED
    assert command.failure.reason == Reason.REASON_WRITE_NOT_APPLIED
    assert command.failure.may_have_run
    assert "set_backup_reserve reserve_percent=35" in command.failure.message
    assert "=20" in command.failure.message
    assert reasons(await open_blockers(home)).count("WRITE_NOT_APPLIED") == 0
