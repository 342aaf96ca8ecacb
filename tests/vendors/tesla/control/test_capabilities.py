"""Capabilities: what memory shows, the same as a check finds, without asking anybody."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.device_pb2 import Availability, Capability
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState

from tests.processes import Sandbox
from tests.vendors.tesla.account import MemoryAccount
from tests.vendors.tesla.control.conftest import CAR, LOCKED_SITE, SITE, STRANGE_CAR
from tests.vendors.tesla.control.examples import LOCK, WAKE, export_rule, reserve
from tests.vendors.tesla.control.linked_account import LinkedAccount
from tests.vendors.tesla.control.test_checking import EVERYTHING, known
from wattbus_server.vendors.contract import DeviceRecord
from wattbus_server.vendors.tesla.control import TeslaControl
from wattbus_server.vendors.tesla.control.actions import ACTIONS
from wattbus_server.vendors.tesla.polling import TeslaReader

K, R = ActionKind, Reason
AVAILABLE, BLOCKED = Availability.AVAILABILITY_AVAILABLE, Availability.AVAILABILITY_BLOCKED
UNSUPPORTED = Availability.AVAILABILITY_UNSUPPORTED


def by_kind(capabilities: Sequence[Capability]) -> dict[int, Capability]:
    return {one.action: one for one in capabilities}


def reasons(capability: Capability) -> list[int]:
    return [blocker.reason for blocker in capability.blockers]


async def test_capabilities_have_the_bounds_that_the_vehicle_tells(
    control: TeslaControl, reader: TeslaReader, account: LinkedAccount, car: DeviceRecord
) -> None:
    found = by_kind(control.capabilities(account, car, await known(reader, account, car)))
    (limit,) = found[K.ACTION_KIND_SET_CHARGE_LIMIT].parameter_bounds
    assert (limit.parameter, limit.minimum, limit.maximum) == ("set_charge_limit.limit_percent", 50, 100)
    assert not limit.HasField("gap_start")
    (current,) = found[K.ACTION_KIND_SET_CHARGING_CURRENT].parameter_bounds
    assert current.minimum == 1
    assert current.HasField("maximum")
    (unread,) = by_kind(control.capabilities(account, car, DeviceState()))[
        K.ACTION_KIND_SET_CHARGING_CURRENT
    ].parameter_bounds
    assert not unread.HasField("maximum")


async def test_capabilities_of_a_battery_leave_out_what_its_site_cannot(
    control: TeslaControl, reader: TeslaReader, account: LinkedAccount, locked_battery: DeviceRecord
) -> None:
    state = await known(reader, account, locked_battery)
    found = by_kind(control.capabilities(account, locked_battery, state))
    dispatch = found[K.ACTION_KIND_DISPATCH_BATTERY]
    assert dispatch.availability == UNSUPPORTED
    (modes,) = found[K.ACTION_KIND_SET_BATTERY_MODE].parameter_bounds
    assert list(modes.allowed_names) == ["BATTERY_MODE_SELF_CONSUMPTION", "BATTERY_MODE_BACKUP"]
    (rules,) = found[K.ACTION_KIND_SET_EXPORT_RULE].parameter_bounds
    assert list(rules.allowed_names) == ["EXPORT_RULE_NEVER", "EXPORT_RULE_SOLAR_ONLY"]


async def test_capabilities_of_a_battery_tell_which_reserves_it_cannot_hold(
    control: TeslaControl, account: LinkedAccount, battery: DeviceRecord
) -> None:
    found = by_kind(control.capabilities(account, battery, DeviceState()))
    (bound,) = found[K.ACTION_KIND_SET_BACKUP_RESERVE].parameter_bounds
    assert (bound.minimum, bound.gap_start, bound.gap_end, bound.maximum) == (0, 80, 100, 100)
    check = await control.check(account, battery, DeviceState(), reserve(85))
    told = {"minimum": "0", "gapStart": "80", "gapEnd": "100", "maximum": "100"}
    assert check.blockers[0].metadata == {"parameter": bound.parameter, **told}


async def test_meters_and_chargers_have_no_capabilities(
    control: TeslaControl, account: LinkedAccount, devices: dict[str, DeviceRecord]
) -> None:
    meter = devices[f"site/{SITE}/meter"]
    assert list(control.capabilities(account, meter, DeviceState())) == []


async def test_what_was_not_granted_blocks_what_needs_it(control: TeslaControl, car: DeviceRecord) -> None:
    reader = MemoryAccount(scopes=frozenset({"openid", "vehicle_device_data", "vehicle_charging_cmds"}))
    found = by_kind(control.capabilities(reader, car, DeviceState()))
    assert reasons(found[K.ACTION_KIND_LOCK]) == [R.REASON_SCOPE_MISSING]
    assert list(found[K.ACTION_KIND_LOCK].blockers[0].missing_scopes) == ["vehicle_cmds"]
    assert found[K.ACTION_KIND_START_CHARGING].availability == AVAILABLE
    assert found[K.ACTION_KIND_WAKE].availability == AVAILABLE


async def test_a_site_is_blocked_by_what_a_check_finds_by_the_same_state(
    control: TeslaControl, reader: TeslaReader, account: LinkedAccount, locked_battery: DeviceRecord
) -> None:
    state = await known(reader, account, locked_battery)
    found = by_kind(control.capabilities(account, locked_battery, state))
    blocked = found[K.ACTION_KIND_SET_EXPORT_RULE]
    assert blocked.availability == BLOCKED
    checked = await control.check(account, locked_battery, state, export_rule(EVERYTHING))
    assert list(blocked.blockers) == checked.blockers
    assert found[K.ACTION_KIND_SET_BATTERY_MODE].availability == AVAILABLE, "its bounds tell which mode is missing"
    assert not found[K.ACTION_KIND_DISPATCH_BATTERY].blockers


async def test_what_a_check_has_read_shows_although_the_polled_state_is_older(
    control: TeslaControl,
    reader: TeslaReader,
    account: LinkedAccount,
    locked_battery: DeviceRecord,
    sandbox: Sandbox,
) -> None:
    polled = await known(reader, account, locked_battery)
    await sandbox.control.patch(f"/homes/{LOCKED_SITE}", {"edit_energy_exports": True, "net_meter_mode": "battery_ok"})
    await control.check(account, locked_battery, polled, export_rule(EVERYTHING))
    shown = by_kind(control.capabilities(account, locked_battery, polled))
    assert shown[K.ACTION_KIND_SET_EXPORT_RULE].availability == AVAILABLE
    await sandbox.control.patch(f"/homes/{LOCKED_SITE}", {"edit_energy_exports": False})
    polled = await known(reader, account, locked_battery)
    shown = by_kind(control.capabilities(account, locked_battery, polled))
    assert reasons(shown[K.ACTION_KIND_SET_EXPORT_RULE]) == [R.REASON_SETTING_LOCKED_BY_INSTALLER]


async def test_a_key_that_was_just_found_missing_blocks_signed_commands_only(
    control: TeslaControl, account: LinkedAccount, strange_car: DeviceRecord
) -> None:
    unasked = by_kind(control.capabilities(account, strange_car, DeviceState()))
    assert unasked[K.ACTION_KIND_LOCK].availability == AVAILABLE
    checked = await control.check(account, strange_car, DeviceState(), LOCK)
    found = by_kind(control.capabilities(account, strange_car, DeviceState()))
    assert list(found[K.ACTION_KIND_LOCK].blockers) == checked.blockers
    assert found[K.ACTION_KIND_WAKE].availability == AVAILABLE
    assert (await control.check(account, strange_car, DeviceState(), WAKE)).blockers == []


async def test_a_car_without_the_protocol_needs_no_key(
    control: TeslaControl, account: LinkedAccount, old_car: DeviceRecord
) -> None:
    assert (await control.check(account, old_car, DeviceState(), LOCK)).blockers == []
    assert by_kind(control.capabilities(account, old_car, DeviceState()))[K.ACTION_KIND_LOCK].availability == AVAILABLE


async def test_of_a_flag_of_a_car_counts_what_was_told_last(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    told_off = replace(car, vendor_facts={**car.vendor_facts, "mobile_access_disabled": "true"})
    off = by_kind(control.capabilities(account, told_off, DeviceState()))
    assert reasons(off[K.ACTION_KIND_LOCK]) == [R.REASON_REMOTE_ACCESS_DISABLED]
    assert off[K.ACTION_KIND_WAKE].availability == AVAILABLE
    await control.check(account, told_off, DeviceState(), LOCK)
    on = by_kind(control.capabilities(account, told_off, DeviceState()))
    assert on[K.ACTION_KIND_LOCK].availability == AVAILABLE
    later = replace(told_off, discover_time=datetime.now(UTC))
    off = by_kind(control.capabilities(account, later, DeviceState()))
    assert reasons(off[K.ACTION_KIND_LOCK]) == [R.REASON_REMOTE_ACCESS_DISABLED]
    in_service = DeviceState()
    in_service.vehicle.information.in_service = True
    in_service.vehicle.information.observe_time.GetCurrentTime()
    shown = by_kind(control.capabilities(account, car, in_service))
    assert reasons(shown[K.ACTION_KIND_LOCK]) == [R.REASON_VEHICLE_IN_SERVICE]
    await sandbox.control.patch(f"/cars/{CAR}", {"in_service": False})
    await control.check(account, car, in_service, LOCK)
    shown = by_kind(control.capabilities(account, car, in_service))
    assert shown[K.ACTION_KIND_LOCK].availability == AVAILABLE


async def test_capabilities_ask_nobody(
    control: TeslaControl, account: LinkedAccount, sandbox: Sandbox, devices: dict[str, DeviceRecord]
) -> None:
    await sandbox.control.delete("/requests")
    listed = [control.capabilities(account, device, DeviceState()) for device in devices.values()]
    assert {one.action for capabilities in listed for one in capabilities} == set(ACTIONS)
    assert await sandbox.control.requests("/api/1/") == []


async def test_a_key_that_is_added_after_somebody_looked_lets_the_next_check_through(
    control: TeslaControl, account: LinkedAccount, strange_car: DeviceRecord, sandbox: Sandbox
) -> None:
    blocker = (await control.check(account, strange_car, DeviceState(), LOCK)).blockers[0]
    assert await control.still_blocked(account, strange_car, blocker)
    await sandbox.control.patch(f"/cars/{STRANGE_CAR}", {"key": "paired"})
    shown = by_kind(control.capabilities(account, strange_car, DeviceState()))
    assert reasons(shown[K.ACTION_KIND_LOCK]) == [R.REASON_VIRTUAL_KEY_NOT_PAIRED]
    assert (await control.check(account, strange_car, DeviceState(), LOCK)).blockers == []
    shown = by_kind(control.capabilities(account, strange_car, DeviceState()))
    assert shown[K.ACTION_KIND_LOCK].availability == AVAILABLE
