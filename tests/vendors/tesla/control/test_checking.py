"""Checks: everything that blocks, at once, without cost and without waking."""

from dataclasses import replace

import pytest
from wattbus.v1.action_pb2 import Action, ActionKind, BatteryMode, ExportRule
from wattbus.v1.blocker_pb2 import Actor, Blocker
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import Connectivity, ConnectivityStatus, DeviceState

from tests.processes import Sandbox
from tests.tesla_sandbox.person import CLIENT_ID, EMAIL
from tests.vendors.tesla.control.conftest import CAR, FULL_CAR, LOCKED_SITE, SITE, STRANGE_CAR
from tests.vendors.tesla.control.examples import (
    DISPATCH_CHARGE,
    DISPATCH_EXPORT,
    EXAMPLES,
    LOCK,
    START_CHARGING,
    WAKE,
    charge_limit,
    charging_current,
    export_rule,
    grid_charging,
    mode,
    reserve,
    storm_watch,
    temperature,
)
from tests.vendors.tesla.control.linked_account import LinkedAccount
from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.contract import CommandCheck, DeviceRecord
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.control import TeslaControl
from wattbus_server.vendors.tesla.oauth import TeslaOAuth
from wattbus_server.vendors.tesla.polling import TeslaReader
from wattbus_server.vendors.tesla.remedies import TeslaRemedies

R = Reason
EVERYTHING = ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY


def reasons(check: CommandCheck) -> list[int]:
    return [blocker.reason for blocker in check.blockers]


def only(check: CommandCheck) -> Blocker:
    assert len(check.blockers) == 1, check.blockers
    return check.blockers[0]


async def known(reader: TeslaReader, account: LinkedAccount, device: DeviceRecord) -> DeviceState:
    """The state that the hub would have."""
    merged = DeviceState()
    for state in await reader.read(account, device, ()):
        merged.MergeFrom(state)
    return merged


async def test_nothing_blocks_a_paired_vehicle(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord
) -> None:
    check = await control.check(account, car, DeviceState(), LOCK)
    assert check.blockers == []
    assert list(check.vendor_writes) == ["POST signed_command door_lock"]
    assert check.cost_micros_usd == 1_000
    assert not check.needs_wake


async def test_a_sleeping_vehicle_needs_a_wake_that_costs_and_is_not_blocked(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.patch(f"/cars/{CAR}", {"state": "asleep"})
    for status in (ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP, ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE):
        state = DeviceState(connectivity=Connectivity(status=status))
        check = await control.check(account, car, state, LOCK)
        assert check.blockers == []
        assert check.needs_wake
        assert check.cost_micros_usd == 21_000
        assert list(check.vendor_writes) == ["POST wake_up", "POST signed_command door_lock"]
        waking = await control.check(account, car, state, WAKE)
        assert (waking.needs_wake, waking.cost_micros_usd, list(waking.vendor_writes)) == (
            False,
            20_000,
            ["POST wake_up"],
        )
    await sandbox.control.patch(f"/cars/{CAR}", {"state": "online"})
    remembered = DeviceState(connectivity=Connectivity(status=ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP))
    assert not (await control.check(account, car, remembered, LOCK)).needs_wake, "it woke since the last poll"


async def test_checking_is_free_and_wakes_nothing(
    control: TeslaControl, account: LinkedAccount, sandbox: Sandbox, devices: dict[str, DeviceRecord]
) -> None:
    await sandbox.control.patch(f"/cars/{STRANGE_CAR}", {"state": "asleep"})
    await sandbox.control.delete("/requests")
    for action in EXAMPLES:
        for device in devices.values():
            await control.check(account, device, DeviceState(), action)
    asked = await sandbox.control.requests("/api/1/")
    assert asked
    assert {entry["price"] for entry in asked} == {"free"}
    assert (await sandbox.control.get(f"/cars/{STRANGE_CAR}"))["state"] == "asleep"


async def test_an_unpaired_key_blocks_every_command_with_its_link_and_pairing_shows_at_once(
    control: TeslaControl,
    account: LinkedAccount,
    strange_car: DeviceRecord,
    sandbox: Sandbox,
    settings: TeslaSettings,
) -> None:
    blocker = only(await control.check(account, strange_car, DeviceState(), LOCK))
    assert blocker.reason == R.REASON_VIRTUAL_KEY_NOT_PAIRED
    assert blocker.device == strange_car.name
    assert blocker.metadata["domain"] == settings.domain
    assert ActionKind.ACTION_KIND_SET_CHARGE_LIMIT in blocker.blocked_actions
    assert ActionKind.ACTION_KIND_WAKE not in blocker.blocked_actions
    assert blocker.remedies[0].actor == Actor.ACTOR_END_USER
    assert blocker.remedies[0].link == f"{settings.pairing_url}/{settings.domain}?vin={STRANGE_CAR}"
    await sandbox.control.patch(f"/cars/{STRANGE_CAR}", {"key": "paired"})
    assert not await control.still_blocked(account, strange_car, blocker)
    assert (await control.check(account, strange_car, DeviceState(), LOCK)).blockers == []


async def test_what_could_not_be_looked_at_is_told_and_blocks_nothing(
    control: TeslaControl, account: LinkedAccount, strange_car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.inject_fault("service_unavailable", target="/api/1/vehicles/fleet_status", count=None)
    check = await control.check(account, strange_car, DeviceState(), LOCK)
    assert check.blockers == [], "nobody knows whether the key is paired"
    assert [blocker.reason for blocker in check.unseen] == [R.REASON_VENDOR_UNAVAILABLE]
    await sandbox.control.delete("/faults", {"target": "/api/1/vehicles/fleet_status"})
    check = await control.check(account, strange_car, DeviceState(), LOCK)
    assert (only(check).reason, check.unseen) == (R.REASON_VIRTUAL_KEY_NOT_PAIRED, [])


async def test_several_blockers_are_told_at_once(
    settings: TeslaSettings,
    oauth: TeslaOAuth,
    api: FleetApi,
    reader: TeslaReader,
    remedies: TeslaRemedies,
    account: LinkedAccount,
    strange_car: DeviceRecord,
) -> None:
    keyless = TeslaControl(settings, oauth, api, reader, remedies, None)
    await account.person.link("openid offline_access vehicle_device_data")
    state = DeviceState()
    state.vehicle.charge.limit_maximum_percent = 90
    check = await keyless.check(account, strange_car, state, charge_limit(95))
    assert reasons(check) == [
        R.REASON_SCOPE_MISSING,
        R.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE,
        R.REASON_VENDOR_APPLICATION_NOT_CONFIGURED,
        R.REASON_VIRTUAL_KEY_NOT_PAIRED,
    ]


async def test_a_missing_scope_tells_required_granted_and_missing(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, settings: TeslaSettings
) -> None:
    await account.person.link("openid offline_access vehicle_device_data vehicle_charging_cmds")
    assert (await control.check(account, car, DeviceState(), START_CHARGING)).blockers == []
    blocker = only(await control.check(account, car, DeviceState(), LOCK))
    assert blocker.reason == R.REASON_SCOPE_MISSING
    assert list(blocker.required_scopes) == ["vehicle_cmds"]
    assert list(blocker.missing_scopes) == ["vehicle_cmds"]
    assert "vehicle_charging_cmds" in blocker.granted_scopes
    assert blocker.device == ""
    assert blocker.connection == account.connection
    assert ActionKind.ACTION_KIND_HONK_HORN in blocker.blocked_actions
    assert ActionKind.ACTION_KIND_START_CHARGING not in blocker.blocked_actions
    assert blocker.remedies[0].link.startswith(f"{settings.consent_url}?revoke_client_id={CLIENT_ID}&")
    assert "Vehicle Commands" in blocker.remedies[0].steps[1]


async def test_of_two_scopes_that_would_do_the_narrower_is_called_missing(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord
) -> None:
    await account.person.link("openid offline_access vehicle_device_data")
    blocker = only(await control.check(account, car, DeviceState(), START_CHARGING))
    assert list(blocker.missing_scopes) == ["vehicle_charging_cmds"]
    await account.person.link("openid offline_access vehicle_device_data vehicle_cmds")
    assert not await control.still_blocked(account, None, blocker)


async def test_values_outside_of_what_the_vehicle_tells_are_refused(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord
) -> None:
    state = DeviceState()
    state.vehicle.charge.requested_current_maximum_amps = 16
    state.vehicle.climate.target_minimum_celsius = 16
    blocker = only(await control.check(account, car, state, charging_current(32)))
    assert blocker.reason == R.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE
    assert blocker.metadata["maximum"] == "16"
    assert blocker.remedies[0].actor == Actor.ACTOR_CALLER
    assert (await control.check(account, car, state, charging_current(16))).blockers == []
    assert (await control.check(account, car, DeviceState(), charging_current(32))).blockers == []
    assert reasons(await control.check(account, car, state, temperature(15))) == [
        R.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE
    ]


async def test_service_and_switched_off_mobile_access_are_confirmed_before_they_are_told(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    state = DeviceState()
    state.vehicle.information.in_service = True
    assert (await control.check(account, car, state, LOCK)).blockers == []
    await sandbox.control.patch(f"/cars/{CAR}", {"in_service": True})
    blocker = only(await control.check(account, car, state, LOCK))
    assert blocker.reason == R.REASON_VEHICLE_IN_SERVICE
    assert await control.still_blocked(account, car, blocker)
    await sandbox.control.patch(f"/cars/{CAR}", {"in_service": False})
    assert not await control.still_blocked(account, car, blocker)


async def test_mobile_access_that_is_switched_off_blocks_until_it_is_on_again(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    told_off = replace(car, vendor_facts={**car.vendor_facts, "mobile_access_disabled": "true"})
    assert (await control.check(account, told_off, DeviceState(), LOCK)).blockers == []
    await sandbox.control.patch(f"/cars/{CAR}", {"mobile_access": False})
    blocker = only(await control.check(account, told_off, DeviceState(), LOCK))
    assert blocker.reason == R.REASON_REMOTE_ACCESS_DISABLED
    assert await control.still_blocked(account, car, blocker)
    await sandbox.control.patch(f"/cars/{CAR}", {"mobile_access": True})
    assert not await control.still_blocked(account, car, blocker)


async def test_a_full_keychain_is_told_beside_the_key_that_does_not_fit(
    control: TeslaControl, account: LinkedAccount, devices: dict[str, DeviceRecord]
) -> None:
    full_car = devices[f"vehicle/{FULL_CAR}"]
    check = await control.check(account, full_car, DeviceState(), LOCK)
    assert reasons(check) == [R.REASON_VIRTUAL_KEY_NOT_PAIRED, R.REASON_KEYCHAIN_FULL]
    assert check.blockers[1].evidence == "fleet_status: total_number_of_keys=20"
    assert await control.still_blocked(account, full_car, check.blockers[1])


async def test_the_wrong_kind_of_device_cannot_do_it(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, battery: DeviceRecord
) -> None:
    assert reasons(await control.check(account, car, DeviceState(), reserve(20))) == [R.REASON_NOT_SUPPORTED_BY_DEVICE]
    assert reasons(await control.check(account, battery, DeviceState(), LOCK)) == [R.REASON_NOT_SUPPORTED_BY_DEVICE]


@pytest.mark.parametrize(
    ("percent", "accepted"), [(0, True), (80, True), (81, False), (90, False), (99, False), (100, True)]
)
async def test_a_reserve_that_the_site_cannot_hold_is_refused(
    control: TeslaControl, account: LinkedAccount, battery: DeviceRecord, percent: int, accepted: bool
) -> None:
    check = await control.check(account, battery, DeviceState(), reserve(percent))
    assert reasons(check) == ([] if accepted else [R.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE])
    assert check.cost_micros_usd == 0
    assert list(check.vendor_writes) == ["POST backup"]


LOCKED_SITE_CASES = [
    (export_rule(EVERYTHING), [R.REASON_EXPORT_NOT_PERMITTED, R.REASON_SETTING_LOCKED_BY_INSTALLER]),
    (export_rule(ExportRule.EXPORT_RULE_NEVER), [R.REASON_SETTING_LOCKED_BY_INSTALLER]),
    (export_rule(ExportRule.EXPORT_RULE_SOLAR_ONLY), []),
    (grid_charging(True), [R.REASON_SETTING_LOCKED_BY_INSTALLER]),
    (grid_charging(False), []),
    (mode(BatteryMode.BATTERY_MODE_TIME_BASED_CONTROL), [R.REASON_TIME_BASED_CONTROL_UNSUPPORTED]),
    (mode(BatteryMode.BATTERY_MODE_BACKUP), []),
    (reserve(100), []),
    (storm_watch(True), []),
    (
        DISPATCH_CHARGE,
        [R.REASON_NOT_EXPOSED_BY_VENDOR, R.REASON_SETTING_LOCKED_BY_INSTALLER, R.REASON_GRID_CHARGING_DISABLED],
    ),
    (
        DISPATCH_EXPORT,
        [
            R.REASON_NOT_EXPOSED_BY_VENDOR,
            R.REASON_EXPORT_NOT_PERMITTED,
            R.REASON_SETTING_LOCKED_BY_INSTALLER,
            R.REASON_EXPORT_RULE_EXCLUDES_BATTERY,
            R.REASON_TIME_BASED_CONTROL_UNSUPPORTED,
        ],
    ),
]


@pytest.mark.parametrize(("action", "expected"), LOCKED_SITE_CASES, ids=str)
async def test_a_locked_site_tells_everything_that_blocks_and_nothing_else(
    control: TeslaControl,
    reader: TeslaReader,
    account: LinkedAccount,
    locked_battery: DeviceRecord,
    action: Action,
    expected: list[int],
) -> None:
    for state in (DeviceState(), await known(reader, account, locked_battery)):
        assert reasons(await control.check(account, locked_battery, state, action)) == expected


async def test_site_blockers_name_the_actor_the_field_and_the_metadata(
    control: TeslaControl, account: LinkedAccount, locked_battery: DeviceRecord
) -> None:
    check = await control.check(account, locked_battery, DeviceState(), DISPATCH_EXPORT)
    found = {blocker.reason: blocker for blocker in check.blockers}
    assert found[R.REASON_EXPORT_NOT_PERMITTED].remedies[0].actor == Actor.ACTOR_UTILITY
    assert found[R.REASON_SETTING_LOCKED_BY_INSTALLER].remedies[0].actor == Actor.ACTOR_INSTALLER
    assert found[R.REASON_SETTING_LOCKED_BY_INSTALLER].metadata["setting"] == "export rule"
    excluded = found[R.REASON_EXPORT_RULE_EXCLUDES_BATTERY]
    assert excluded.evidence == "settings.export_rule=EXPORT_RULE_SOLAR_ONLY"
    assert excluded.metadata["exportRule"] == "EXPORT_RULE_SOLAR_ONLY"


async def test_a_change_that_the_owner_just_made_is_seen_in_spite_of_an_old_state(
    control: TeslaControl, reader: TeslaReader, account: LinkedAccount, locked_battery: DeviceRecord, sandbox: Sandbox
) -> None:
    old = await known(reader, account, locked_battery)
    await sandbox.control.patch(f"/homes/{LOCKED_SITE}", {"edit_grid_charging": True, "tou_capable": True})
    for action in (grid_charging(True), mode(BatteryMode.BATTERY_MODE_TIME_BASED_CONTROL)):
        assert (await control.check(account, locked_battery, old, action)).blockers == []


async def test_an_open_site_blocks_only_dispatch(
    control: TeslaControl, account: LinkedAccount, battery: DeviceRecord
) -> None:
    for action in EXAMPLES:
        check = await control.check(account, battery, DeviceState(), action)
        if action.HasField("dispatch_battery"):
            assert reasons(check) == [R.REASON_NOT_EXPOSED_BY_VENDOR]
        elif list(check.vendor_writes):
            assert check.blockers == []


@pytest.mark.parametrize(
    ("change", "undo", "reason", "blocked", "free"),
    [
        (
            {"storm": {"seconds": 86_400}},
            {"storm": None},
            R.REASON_STORM_WATCH_ACTIVE,
            (reserve(50), mode(BatteryMode.BATTERY_MODE_SELF_CONSUMPTION), DISPATCH_CHARGE),
            (storm_watch(False), grid_charging(False), export_rule(EVERYTHING)),
        ),
        (
            {"grid_services_event": {"power_w": 3000, "seconds": 7200}},
            {"grid_services_event": None},
            R.REASON_GRID_SERVICES_ACTIVE,
            (reserve(50), mode(BatteryMode.BATTERY_MODE_SELF_CONSUMPTION), DISPATCH_CHARGE),
            (storm_watch(False), grid_charging(False)),
        ),
        (
            {"outage": "grid_failure"},
            {"outage": "none"},
            R.REASON_OFF_GRID,
            (DISPATCH_CHARGE, DISPATCH_EXPORT),
            (reserve(50), grid_charging(False)),
        ),
    ],
    ids=["storm watch", "grid services", "off grid"],
)
async def test_what_overrides_a_site_blocks_what_it_overrides_until_it_ends(
    control: TeslaControl,
    account: LinkedAccount,
    battery: DeviceRecord,
    sandbox: Sandbox,
    change: dict[str, object],
    undo: dict[str, object],
    reason: int,
    blocked: tuple[Action, ...],
    free: tuple[Action, ...],
) -> None:
    await sandbox.control.patch(f"/homes/{SITE}", {"grid_services": True})
    await sandbox.control.patch(f"/homes/{SITE}", change)
    found: list[Blocker] = []
    for action in blocked:
        check = await control.check(account, battery, DeviceState(), action)
        found += [blocker for blocker in check.blockers if blocker.reason == reason]
    assert len(found) == len(blocked)
    for action in free:
        assert reason not in reasons(await control.check(account, battery, DeviceState(), action))
    assert await control.still_blocked(account, battery, found[0])
    await sandbox.control.patch(f"/homes/{SITE}", undo)
    assert not await control.still_blocked(account, battery, found[0])


async def test_a_billing_stop_is_found_by_the_free_reads_of_a_check(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, battery: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.patch(f"/applications/{CLIENT_ID}", {"billing_limit_usd": 0, "billing_discount_usd": 0})
    for device, action in ((car, LOCK), (battery, reserve(20))):
        blocker = only(await control.check(account, device, DeviceState(), action))
        assert blocker.reason == R.REASON_VENDOR_BILLING_LIMIT_EXCEEDED
        assert blocker.connection == ""
        assert blocker.remedies[0].actor == Actor.ACTOR_OPERATOR
    assert await control.still_blocked(account, None, blocker)
    await sandbox.control.patch(f"/applications/{CLIENT_ID}", {"billing_limit_usd": None})
    assert not await control.still_blocked(account, None, blocker)


async def test_an_unregistered_region_is_found_and_heals(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.patch(f"/applications/{CLIENT_ID}", {"registered_regions": ["na"]})
    blocker = only(await control.check(account, car, DeviceState(), LOCK))
    assert blocker.reason == R.REASON_APPLICATION_NOT_REGISTERED_IN_REGION
    assert blocker.metadata["region"] == "eu"
    assert await control.still_blocked(account, None, blocker)
    await sandbox.control.patch(f"/applications/{CLIENT_ID}", {"registered_regions": ["eu", "na"]})
    assert not await control.still_blocked(account, None, blocker)


async def test_a_permission_that_was_switched_off_and_on_again_is_found_by_a_new_token(
    control: TeslaControl, account: LinkedAccount, battery: DeviceRecord, sandbox: Sandbox
) -> None:
    grant = f"/grants/{EMAIL}/{CLIENT_ID}"
    await sandbox.control.put(grant, {"scopes": ["energy_device_data"]})
    await account.replace_token(await account.access_token())
    blocker = only(await control.check(account, battery, DeviceState(), reserve(20)))
    await sandbox.control.put(grant, {"scopes": ["energy_device_data", "energy_cmds"]})
    assert not await control.still_blocked(account, None, blocker)


async def test_a_permission_that_stays_missing_does_not_spend_a_token_at_every_look(
    control: TeslaControl, account: LinkedAccount, battery: DeviceRecord
) -> None:
    await account.person.link("openid offline_access energy_device_data")
    blocker = only(await control.check(account, battery, DeviceState(), reserve(20)))
    for _ in range(3):
        assert await control.still_blocked(account, None, blocker)
    assert account.renewals == 1
    await account.person.link("openid offline_access energy_device_data energy_cmds")
    assert not await control.still_blocked(account, None, blocker)


async def test_what_one_answer_said_does_not_outlast_its_verification(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, remedies: TeslaRemedies
) -> None:
    for reason in (R.REASON_VEHICLE_REFUSED, R.REASON_COMMAND_PATH_UNAVAILABLE, R.REASON_VENDOR_RATE_LIMITED):
        blocker = remedies.blocker(reason, account=account, device=car)
        assert not await control.still_blocked(account, car, blocker)
    for reason in (R.REASON_VIRTUAL_KEY_DISABLED, R.REASON_NOT_EXPOSED_BY_VENDOR):
        blocker = remedies.blocker(reason, account=account, device=car)
        assert await control.still_blocked(account, car, blocker)


async def test_the_refusal_to_wake_names_the_callers_choice(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    blocker = control.asleep_blocker(car, LOCK)
    assert blocker.reason == R.REASON_VEHICLE_ASLEEP
    assert blocker.device == car.name
    assert "wake_policy" in blocker.remedies[0].steps[0]
    await sandbox.control.patch(f"/cars/{CAR}", {"state": "asleep"})
    assert await control.still_blocked(account, car, blocker)
    await sandbox.control.patch(f"/cars/{CAR}", {"state": "online"})
    assert not await control.still_blocked(account, car, blocker)
