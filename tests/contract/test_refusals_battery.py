"""What a site, its owner, installer or utility stands in the way of: one home for each test."""

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from wattbus.v1.action_pb2 import (
    Action,
    ActionKind,
    BatteryMode,
    ChargeBattery,
    DischargeBattery,
    DispatchBattery,
    ExportRule,
    Lock,
    SetBackupReserve,
    SetBatteryMode,
    SetExportRule,
    SetGridCharging,
    SetStormWatch,
)
from wattbus.v1.blocker_pb2 import Actor, Blocker
from wattbus.v1.device_pb2 import Availability, Device, DeviceKind
from wattbus.v1.reason_pb2 import Reason

from tests.contract.asking import (
    check,
    create,
    expect_told,
    open_blockers,
    reasons,
    refresh,
    refused,
    sent,
)
from tests.contract.people import home as house
from tests.contract.people import person, scenario
from tests.processes import Sandbox
from tests.service import Setup, Tenant, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRECONDITION, UNAVAILABLE = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAVAILABLE

HOMES = (
    house("Utility", grid={"net_meter_mode": "pv_only", "export_rule": "pv_only"}),
    house("No export", grid={"non_export": True, "export_rule": "never"}),
    house("Locked", grid={"edit_energy_exports": False, "edit_grid_charging": False, "export_rule": "pv_only"}),
    house("Solar only", grid={"export_rule": "pv_only"}),
    house("No grid charging", grid={"grid_charging": False}),
    house("Plain", grid={"tou_capable": False, "storm_mode_capable": False}),
    house("Storm"),
    house("Event"),
    house("Island"),
    house("Away"),
    house("Free"),
)


def reserve(percent: int) -> Action:
    return Action(set_backup_reserve=SetBackupReserve(reserve_percent=percent))


def mode(wanted: BatteryMode.ValueType) -> Action:
    return Action(set_battery_mode=SetBatteryMode(mode=wanted))


def export(rule: ExportRule.ValueType) -> Action:
    return Action(set_export_rule=SetExportRule(rule=rule))


SOLAR_AND_BATTERY = export(ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY)
LEASE = Duration(seconds=60)
DISCHARGE = Action(
    dispatch_battery=DispatchBattery(discharge=DischargeBattery(export_to_grid=True), lease_duration=LEASE)
)
CHARGE = Action(dispatch_battery=DispatchBattery(charge=ChargeBattery(), lease_duration=LEASE))

# What stands in the way of discharging a home that is off the grid and that its utility lets export solar power only.
EVERYTHING = {
    "NOT_EXPOSED_BY_VENDOR",
    "EXPORT_NOT_PERMITTED",
    "EXPORT_RULE_EXCLUDES_BATTERY",
    "TIME_BASED_CONTROL_UNSUPPORTED",
    "OFF_GRID",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    async with setup.sandbox(**scenario(person("robin", *HOMES))) as sandbox:
        yield sandbox


async def battery_of(tenant: Tenant, name: str) -> Device:
    return await tenant.device_named(name, DeviceKind.DEVICE_KIND_BATTERY)


@pytest.mark.parametrize(
    ("name", "evidence"), [("Utility", "export_rule_ceiling"), ("No export", "export_forbidden=true")]
)
async def test_an_export_that_is_not_permitted_names_utility_and_installer(
    home: Tenant, sandbox: Sandbox, name: str, evidence: str
) -> None:
    battery = await battery_of(home, name)
    refusal = await refused(
        create(home, battery, SOLAR_AND_BATTERY),
        PRECONDITION,
        Reason.REASON_EXPORT_NOT_PERMITTED,
        metadata=("device",),
    )
    blocker = refusal.blocker(Reason.REASON_EXPORT_NOT_PERMITTED)
    assert [remedy.actor for remedy in blocker.remedies] == [Actor.ACTOR_UTILITY, Actor.ACTOR_INSTALLER]
    assert evidence in blocker.evidence
    assert blocker.device == battery.name
    assert ActionKind.ACTION_KIND_SET_EXPORT_RULE in blocker.blocked_actions
    assert blocker.name in [one.name for one in await open_blockers(home)]
    never = await check(home, battery, export(ExportRule.EXPORT_RULE_NEVER))
    assert reasons(never.blockers) == [], "less export needs no permission, also after a refusal"
    assert await sent(sandbox, battery) == []


async def test_a_locked_setting_names_the_setting_and_the_installer(home: Tenant, sandbox: Sandbox) -> None:
    locked = await battery_of(home, "Locked")
    for action, setting in (
        (SOLAR_AND_BATTERY, "export rule"),
        (Action(set_grid_charging=SetGridCharging(allowed=False)), "grid charging"),
    ):
        refusal = await refused(
            create(home, locked, action),
            PRECONDITION,
            Reason.REASON_SETTING_LOCKED_BY_INSTALLER,
            metadata=("device", "setting"),
        )
        assert refusal.metadata["setting"] == setting
        assert [remedy.actor for remedy in refusal.blockers[0].remedies] == [Actor.ACTOR_INSTALLER]
    names = {one.name for one in await open_blockers(home) if one.device == locked.name}
    assert len(names) == 2, "two settings are two blockers"
    assert await sent(sandbox, locked) == []


async def test_a_lock_does_not_matter_for_what_is_so_already(home: Tenant) -> None:
    locked = await battery_of(home, "Locked")
    found = await check(home, locked, export(ExportRule.EXPORT_RULE_SOLAR_ONLY))
    assert reasons(found.blockers) == []


async def test_an_export_rule_without_the_battery_stands_in_the_way_of_discharging(
    home: Tenant, sandbox: Sandbox
) -> None:
    solar_only = await battery_of(home, "Solar only")
    refusal = await refused(
        create(home, solar_only, DISCHARGE),
        PRECONDITION,
        Reason.REASON_NOT_EXPOSED_BY_VENDOR,
        metadata=("device", "action"),
    )
    assert refusal.metadata["action"] == "dispatch_battery"
    assert reasons(refusal.blockers) == ["NOT_EXPOSED_BY_VENDOR", "EXPORT_RULE_EXCLUDES_BATTERY"]
    blocker = refusal.blocker(Reason.REASON_EXPORT_RULE_EXCLUDES_BATTERY)
    assert blocker.metadata["exportRule"] == "EXPORT_RULE_SOLAR_ONLY"
    assert [remedy.actor for remedy in blocker.remedies] == [Actor.ACTOR_END_USER, Actor.ACTOR_CALLER]
    assert "Energy Exports" in blocker.remedies[0].place
    assert "SetExportRule" in blocker.remedies[1].steps[0]
    assert await sent(sandbox, solar_only) == []


async def test_grid_charging_that_is_off_stands_in_the_way_of_charging(home: Tenant, sandbox: Sandbox) -> None:
    battery = await battery_of(home, "No grid charging")
    refusal = await refused(create(home, battery, CHARGE), PRECONDITION, Reason.REASON_NOT_EXPOSED_BY_VENDOR)
    blocker = refusal.blocker(Reason.REASON_GRID_CHARGING_DISABLED)
    assert [remedy.actor for remedy in blocker.remedies] == [Actor.ACTOR_END_USER, Actor.ACTOR_CALLER]
    assert "Grid Charging" in blocker.remedies[0].place
    assert "settings" in blocker.remedies[0].verification
    assert "grid_charging_allowed=false" in blocker.evidence
    assert await sent(sandbox, battery) == []


async def test_everything_that_blocks_a_dispatch_is_told_at_once(home: Tenant, sandbox: Sandbox) -> None:
    utility = await battery_of(home, "Utility")
    await sandbox.control.patch(f"/homes/{utility.vendor_id}", {"outage": "grid_failure", "tou_capable": False})

    async def everything() -> list[Blocker] | None:
        told = list((await check(home, utility, DISCHARGE)).blockers)
        return told if EVERYTHING.issubset(reasons(told)) else None

    # The first check may share a read of the settings that began before they changed: blockers are verified meanwhile.
    found = await eventually(everything)
    for blocker in found:
        expect_told(blocker)
    refusal = await refused(create(home, utility, DISCHARGE), PRECONDITION, Reason.REASON_NOT_EXPOSED_BY_VENDOR)
    assert refusal.preconditions == reasons(found)
    await sandbox.control.patch(f"/homes/{utility.vendor_id}", {"outage": "none", "tou_capable": True})


async def test_time_based_control_that_the_site_cannot_run(home: Tenant, sandbox: Sandbox) -> None:
    plain = await battery_of(home, "Plain")
    refusal = await refused(
        create(home, plain, mode(BatteryMode.BATTERY_MODE_TIME_BASED_CONTROL)),
        PRECONDITION,
        Reason.REASON_TIME_BASED_CONTROL_UNSUPPORTED,
        metadata=("device",),
    )
    remedies = refusal.blockers[0].remedies
    assert [remedy.actor for remedy in remedies] == [Actor.ACTOR_INSTALLER, Actor.ACTOR_END_USER]
    assert "Utility Rate Plan" in remedies[1].place
    backup = await check(home, plain, mode(BatteryMode.BATTERY_MODE_BACKUP))
    assert reasons(backup.blockers) == [], "other modes are free, also after a refusal"
    assert await sent(sandbox, plain) == []


async def test_storm_watch_that_the_site_does_not_have(home: Tenant, sandbox: Sandbox) -> None:
    plain = await battery_of(home, "Plain")
    refusal = await refused(
        create(home, plain, Action(set_storm_watch=SetStormWatch(enabled=True))),
        PRECONDITION,
        Reason.REASON_NOT_SUPPORTED_BY_DEVICE,
        metadata=("device", "action"),
    )
    assert refusal.metadata["action"] == "set_storm_watch"

    async def unsupported() -> list[ActionKind.ValueType] | None:
        shown = (await battery_of(home, "Plain")).capabilities
        kinds = [one.action for one in shown if one.availability == Availability.AVAILABILITY_UNSUPPORTED]
        return kinds if ActionKind.ACTION_KIND_SET_STORM_WATCH in kinds else None

    # The capabilities follow as soon as the settings of the site were polled.
    assert ActionKind.ACTION_KIND_DISPATCH_BATTERY in await eventually(unsupported)
    assert await sent(sandbox, plain) == []


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("Storm", {"storm": {"seconds": 3600}}, Reason.REASON_STORM_WATCH_ACTIVE),
        ("Event", {"grid_services_event": {"power_w": 2000, "seconds": 3600}}, Reason.REASON_GRID_SERVICES_ACTIVE),
    ],
)
async def test_what_overrides_mode_and_reserve_passes_with_time(
    home: Tenant, sandbox: Sandbox, name: str, change: dict[str, object], reason: Reason.ValueType
) -> None:
    battery = await battery_of(home, name)
    await sandbox.control.patch(f"/homes/{battery.vendor_id}", {"grid_services": True, **change})
    await refresh(home, battery)
    for action in (mode(BatteryMode.BATTERY_MODE_BACKUP), reserve(40)):
        refusal = await refused(create(home, battery, action), PRECONDITION, reason, metadata=("device",))
        assert refusal.blocker(reason).remedies[0].actor == Actor.ACTOR_NOBODY
        assert refusal.retry_seconds is not None
    assert await sent(sandbox, battery) == []
    allowed = await check(home, battery, Action(set_grid_charging=SetGridCharging(allowed=False)))
    assert reasons(allowed.blockers) == []


async def test_being_off_grid_stands_in_the_way_of_what_needs_the_grid_only(home: Tenant, sandbox: Sandbox) -> None:
    island = await battery_of(home, "Island")
    await sandbox.control.patch(f"/homes/{island.vendor_id}", {"outage": "intentional"})
    await refresh(home, island)
    refusal = await refused(create(home, island, DISCHARGE), PRECONDITION, Reason.REASON_NOT_EXPOSED_BY_VENDOR)
    blocker = refusal.blocker(Reason.REASON_OFF_GRID)
    assert [remedy.actor for remedy in blocker.remedies] == [Actor.ACTOR_END_USER, Actor.ACTOR_NOBODY]
    assert "Go Off-Grid" in blocker.remedies[0].place
    assert "off_grid=true" in blocker.evidence
    assert reasons((await check(home, island, reserve(40))).blockers) == []


async def test_a_reserve_that_tesla_cannot_hold_is_refused_with_the_bounds(home: Tenant, sandbox: Sandbox) -> None:
    free = await battery_of(home, "Free")
    refusal = await refused(
        create(home, free, reserve(90)),
        PRECONDITION,
        Reason.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE,
        metadata=("parameter", "minimum", "maximum", "gapStart", "gapEnd"),
    )
    assert refusal.metadata["parameter"] == "set_backup_reserve.reserve_percent"
    told = {key: refusal.metadata[key] for key in ("minimum", "gapStart", "gapEnd", "maximum")}
    assert told == {"minimum": "0", "gapStart": "80", "gapEnd": "100", "maximum": "100"}
    blocker = refusal.blockers[0]
    assert blocker.remedies[0].actor == Actor.ACTOR_CALLER
    assert "at most 80 or at least 100" in blocker.message
    assert await sent(sandbox, free) == []
    assert reasons((await check(home, free, reserve(80))).blockers) == []
    assert reasons((await check(home, free, reserve(100))).blockers) == []


async def test_a_battery_has_no_doors(home: Tenant, sandbox: Sandbox) -> None:
    free = await battery_of(home, "Free")
    refusal = await refused(
        create(home, free, Action(lock=Lock())),
        PRECONDITION,
        Reason.REASON_NOT_SUPPORTED_BY_DEVICE,
        metadata=("device", "action"),
    )
    assert refusal.metadata["action"] == "lock"
    assert await sent(sandbox, free) == []


async def test_a_site_whose_gateway_is_gone(home: Tenant, sandbox: Sandbox) -> None:
    away = await battery_of(home, "Away")
    await sandbox.control.inject_fault("site_unreachable", target=away.vendor_id, count=None)
    refusal = await refused(refresh(home, away), UNAVAILABLE, Reason.REASON_DEVICE_OFFLINE, metadata=("device",))
    assert refusal.metadata["device"] == away.name
    await sandbox.control.delete("/faults", {"target": away.vendor_id})
    await refresh(home, away)
