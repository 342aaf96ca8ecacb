"""What GetDevice says of an action is what the server knows already: blocked as CheckCommand says, and free again."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from wattbus.v1 import device_service_pb2
from wattbus.v1.action_pb2 import Action, ActionKind, ExportRule, Lock, SetExportRule
from wattbus.v1.command_pb2 import CommandState
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.device_pb2 import Availability, Capability, Device, DeviceKind
from wattbus.v1.reason_pb2 import Reason

from tests.contract.asking import check, create, reason_name, reasons, refresh, refused, until_resolved
from tests.contract.people import car, person, scenario
from tests.contract.people import home as house
from tests.processes import Json, Sandbox
from tests.service import Setup, Tenant, eventually, free_port

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

AVAILABLE, BLOCKED = Availability.AVAILABILITY_AVAILABLE, Availability.AVAILABILITY_BLOCKED
LITTLE_ACCESS = (Access.ACCESS_READ_VEHICLES, Access.ACCESS_CHARGE_VEHICLES, Access.ACCESS_READ_ENERGY)
K = ActionKind
LOCK = Action(lock=Lock())
EVERYTHING = Action(set_export_rule=SetExportRule(rule=ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY))

ROBIN = person(
    "robin",
    car("Refused", key="unpaired"),
    car("Disabled", key="disabled"),
    car("Private"),
    car("Workshop"),
    house("Locked", grid={"net_meter_mode": "pv_only", "export_rule": "pv_only", "edit_energy_exports": False}),
    house("Capped", grid={"net_meter_mode": "pv_only", "export_rule": "pv_only"}),
    house("No export", grid={"non_export": True, "export_rule": "never"}),
)
PEOPLE = (
    ROBIN,
    person("stingy", car("Stingy car"), house("Stingy home")),
    person("sparing", car("Sparing car")),
    person("newcomer", car("Unpaired", key="unpaired")),
    person("keyless", car("Keyless car")),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    async with setup.sandbox(**scenario(*PEOPLE)) as sandbox:
        yield sandbox


async def capabilities(tenant: Tenant, device: Device) -> dict[int, Capability]:
    """What GetDevice says."""
    request = device_service_pb2.GetDeviceRequest(name=device.name)
    got = (await tenant.devices.GetDevice(request, metadata=tenant.metadata)).device
    return {capability.action: capability for capability in got.capabilities}


async def until(
    tenant: Tenant, device: Device, kind: ActionKind.ValueType, availability: Availability.ValueType
) -> Capability:
    """The capability once it is as expected: what Tesla shows is learnt by polling."""

    async def found() -> Capability | None:
        capability = (await capabilities(tenant, device))[kind]
        return capability if capability.availability == availability else None

    return await eventually(found)


async def battery_of(tenant: Tenant, name: str) -> Device:
    return await tenant.device_named(name, DeviceKind.DEVICE_KIND_BATTERY)


async def test_what_was_not_asked_for_is_blocked_from_the_link_on_and_free_after_the_next(tenant: Tenant) -> None:
    await tenant.link("stingy", LITTLE_ACCESS, email="stingy@example.com")
    stingy, battery = await tenant.device_named("Stingy car"), await battery_of(tenant, "Stingy home")
    shown = await capabilities(tenant, stingy)
    assert shown[K.ACTION_KIND_LOCK].availability == BLOCKED
    assert shown[K.ACTION_KIND_START_CHARGING].availability == AVAILABLE, "charging has a scope of its own"
    assert shown[K.ACTION_KIND_WAKE].availability == AVAILABLE
    (blocker,) = shown[K.ACTION_KIND_LOCK].blockers
    (checked,) = (await check(tenant, stingy, LOCK)).blockers
    assert (blocker.reason, blocker.name) == (Reason.REASON_SCOPE_MISSING, "")
    for field in ("reason", "device", "connection", "message", "end_user_message", "evidence", "state"):
        assert getattr(blocker, field) == getattr(checked, field), field
    for scopes in ("required_scopes", "granted_scopes", "missing_scopes", "blocked_actions"):
        assert list(getattr(blocker, scopes)) == list(getattr(checked, scopes)), scopes
    assert dict(blocker.metadata) == dict(checked.metadata)
    assert blocker.metadata["missingAccess"] == "ACCESS_COMMAND_VEHICLES"
    assert [remedy.link for remedy in blocker.remedies] == [checked.remedies[1].link], "the consent page needs no link"
    assert not blocker.HasField("check_time"), "nobody looked at Tesla"
    assert {
        capability.availability
        for capability in (await capabilities(tenant, battery)).values()
        if capability.availability != Availability.AVAILABILITY_UNSUPPORTED
    } == {BLOCKED}
    listed = {device.name: device for device in await tenant.list_devices()}
    assert listed[stingy.name].capabilities[0].blockers[0] == blocker
    await tenant.link("stingy", email="stingy@example.com")
    healed = await capabilities(tenant, stingy)
    assert {capability.availability for capability in healed.values()} == {AVAILABLE}


async def test_what_the_end_user_unticked_is_blocked_under_the_name_of_its_open_blocker(tenant: Tenant) -> None:
    await tenant.link("sparing", untick=["vehicle_cmds"], email="sparing@example.com")
    sparing = await tenant.device_named("Sparing car")
    shown = (await capabilities(tenant, sparing))[K.ACTION_KIND_LOCK]
    assert (shown.availability, reasons(shown.blockers)) == (BLOCKED, ["SCOPE_MISSING"])
    refusal = await refused(
        create(tenant, sparing, LOCK), grpc.StatusCode.PERMISSION_DENIED, Reason.REASON_SCOPE_MISSING
    )
    (blocker,) = (await capabilities(tenant, sparing))[K.ACTION_KIND_LOCK].blockers
    assert blocker.name == refusal.blockers[0].name
    assert [remedy.link for remedy in blocker.remedies] == refusal.links
    await tenant.link("sparing", email="sparing@example.com")
    assert (await until(tenant, sparing, K.ACTION_KIND_LOCK, AVAILABLE)).blockers == []


async def test_a_locked_setting_of_a_site_is_blocked_by_all_that_its_state_shows(
    home: Tenant, sandbox: Sandbox
) -> None:
    locked = await battery_of(home, "Locked")
    blocked = await until(home, locked, K.ACTION_KIND_SET_EXPORT_RULE, BLOCKED)
    checked = (await check(home, locked, EVERYTHING)).blockers
    assert reasons(blocked.blockers) == reasons(checked) == ["EXPORT_NOT_PERMITTED", "SETTING_LOCKED_BY_INSTALLER"]
    assert [list(one.remedies) for one in blocked.blockers] == [list(one.remedies) for one in checked]
    assert {one.device for one in blocked.blockers} == {locked.name}
    shown = await capabilities(home, locked)
    assert shown[K.ACTION_KIND_SET_BACKUP_RESERVE].availability == AVAILABLE
    assert shown[K.ACTION_KIND_SET_GRID_CHARGING].availability == AVAILABLE
    await sandbox.control.patch(f"/homes/{locked.vendor_id}", {"edit_energy_exports": True})
    await until(home, locked, K.ACTION_KIND_SET_EXPORT_RULE, AVAILABLE)


async def test_a_site_that_may_still_change_to_something_is_bounded_and_not_blocked(home: Tenant) -> None:
    capped, closed = await battery_of(home, "Capped"), await battery_of(home, "No export")
    blocked = await until(home, closed, K.ACTION_KIND_SET_EXPORT_RULE, BLOCKED)
    assert reasons(blocked.blockers) == ["EXPORT_NOT_PERMITTED"], "it could only stay as it is"
    await refresh(home, capped)
    free = (await capabilities(home, capped))[K.ACTION_KIND_SET_EXPORT_RULE]
    assert (free.availability, list(free.blockers)) == (AVAILABLE, [])
    assert list(free.parameter_bounds[0].allowed_names) == ["EXPORT_RULE_NEVER", "EXPORT_RULE_SOLAR_ONLY"]


async def test_a_key_that_is_missing_is_shown_right_after_the_link(tenant: Tenant, sandbox: Sandbox) -> None:
    await tenant.link("newcomer", email="newcomer@example.com")
    unpaired = await tenant.device_named("Unpaired")
    shown = await capabilities(tenant, unpaired)
    checked = (await check(tenant, unpaired, LOCK)).blockers
    assert shown[K.ACTION_KIND_LOCK].availability == BLOCKED
    assert reasons(shown[K.ACTION_KIND_LOCK].blockers) == reasons(checked) == ["VIRTUAL_KEY_NOT_PAIRED"]
    assert shown[K.ACTION_KIND_LOCK].blockers[0].remedies == checked[0].remedies
    assert shown[K.ACTION_KIND_WAKE].availability == AVAILABLE
    await sandbox.control.patch(f"/cars/{unpaired.vendor_id}", {"key": "paired"})

    async def unblocked() -> bool | None:
        return True if not (await check(tenant, unpaired, LOCK)).blockers else None

    assert await eventually(unblocked)
    healed = (await capabilities(tenant, unpaired))[K.ACTION_KIND_LOCK]
    assert (healed.availability, list(healed.blockers)) == (AVAILABLE, [])


@pytest.mark.parametrize(
    ("name", "change", "undo", "reason"),
    [
        ("Private", {"mobile_access": False}, {"mobile_access": True}, Reason.REASON_REMOTE_ACCESS_DISABLED),
        ("Workshop", {"in_service": True}, {"in_service": False}, Reason.REASON_VEHICLE_IN_SERVICE),
    ],
)
async def test_what_closes_a_car_as_a_whole_is_shown_while_it_lasts(
    home: Tenant, sandbox: Sandbox, name: str, change: Json, undo: Json, reason: Reason.ValueType
) -> None:
    device = await home.device_named(name)
    assert (await capabilities(home, device))[K.ACTION_KIND_LOCK].availability == AVAILABLE
    await sandbox.control.patch(f"/cars/{device.vendor_id}", change)
    blocked = await until(home, device, K.ACTION_KIND_LOCK, BLOCKED)
    assert reasons(blocked.blockers) == reasons((await check(home, device, LOCK)).blockers) == [reason_name(reason)]
    await sandbox.control.patch(f"/cars/{device.vendor_id}", undo)
    await until(home, device, K.ACTION_KIND_LOCK, AVAILABLE)


async def test_a_blocker_that_has_resolved_leaves_nothing_behind(home: Tenant, sandbox: Sandbox) -> None:
    device = await home.device_named("Refused")
    precondition = grpc.StatusCode.FAILED_PRECONDITION
    refusal = await refused(create(home, device, LOCK), precondition, Reason.REASON_VIRTUAL_KEY_NOT_PAIRED)
    await sandbox.control.patch(f"/cars/{device.vendor_id}", {"key": "paired"})
    await until_resolved(home, refusal.blockers[0].name)
    capability = (await capabilities(home, device))[K.ACTION_KIND_LOCK]
    assert (capability.availability, list(capability.blockers)) == (AVAILABLE, [])


async def test_what_only_a_command_can_close_is_told_and_does_not_keep_it_from_trying(
    home: Tenant, sandbox: Sandbox
) -> None:
    device = await home.device_named("Disabled")
    precondition = grpc.StatusCode.FAILED_PRECONDITION
    refusal = await refused(create(home, device, LOCK), precondition, Reason.REASON_VIRTUAL_KEY_DISABLED)
    shown = (await capabilities(home, device))[K.ACTION_KIND_LOCK]
    checked = await check(home, device, LOCK)
    told = [one.name for one in (*shown.blockers, *checked.blockers)]
    assert (shown.availability, told) == (BLOCKED, 2 * [refusal.blockers[0].name])
    assert checked.vendor_writes, "it would be sent all the same"
    assert "send the command again" in checked.blockers[0].remedies[0].verification
    await sandbox.control.patch(f"/cars/{device.vendor_id}", {"key": "paired"})
    assert (await create(home, device, LOCK)).state >= CommandState.COMMAND_STATE_ACCEPTED
    await until(home, device, K.ACTION_KIND_LOCK, AVAILABLE)
    assert not (await check(home, device, LOCK)).blockers


async def test_commands_without_a_key_of_the_server_wait_for_its_operator(
    setup: Setup, sandbox: Sandbox, tmp_path: Path
) -> None:
    apart = replace(setup, folder=tmp_path, http_port=free_port())
    redirect = f"http://127.0.0.1:{apart.http_port}/oauth/callback/tesla"
    known = f"http://127.0.0.1:{setup.http_port}/oauth/callback/tesla"
    await sandbox.control.patch("/applications/wattbus-test", {"redirect_uris": [known, redirect]})
    async with apart.service(sandbox, TESLA__COMMAND_KEY_FILE="") as service:
        tenant = await service.new_tenant()
        await tenant.link("keyless", email="keyless@example.com")
        keyless = await tenant.device_named("Keyless car")
        shown = await capabilities(tenant, keyless)
        assert shown[K.ACTION_KIND_LOCK].availability == BLOCKED
        (blocker,) = shown[K.ACTION_KIND_LOCK].blockers
        assert blocker.reason == Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED
        assert blocker.metadata["setting"] == "tesla.command_key_file"
        assert (blocker.device, blocker.connection) == ("", "")
        assert shown[K.ACTION_KIND_WAKE].availability == AVAILABLE
