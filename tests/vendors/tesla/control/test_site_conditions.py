"""Conditions of sites: what a check blocks, verification confirms, over generated states."""

from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.action_pb2 import Action, ActionKind, BatteryMode, ExportRule
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import BatteryOverrides, BatterySettings, BatteryState, DeviceState

from tests.vendors.tesla.control.examples import (
    DISPATCH_CHARGE,
    DISPATCH_EXPORT,
    export_rule,
    grid_charging,
    mode,
    reserve,
    storm_watch,
)
from wattbus_server.vendors.tesla.control.actions import choices, kind_of, row_of
from wattbus_server.vendors.tesla.control.site_conditions import (
    SITE_CONDITIONS,
    SiteCondition,
    standing,
    standing_for_kinds,
    still_stands,
)

MAYBE = st.none() | st.booleans()
RULES = st.sampled_from(ExportRule.values())
FLAGS = (
    "grid_charging_allowed",
    "export_forbidden",
    "time_based_control_supported",
    "export_rule_locked",
    "grid_charging_locked",
    "storm_watch_supported",
)
OVERRIDES = ("storm_watch_active", "grid_services_active", "off_grid")
ACTIONS = st.sampled_from(
    [
        *(export_rule(rule) for rule in ExportRule.values()[1:]),
        *(mode(wanted) for wanted in BatteryMode.values()[1:]),
        grid_charging(True),
        grid_charging(False),
        reserve(50),
        storm_watch(True),
        DISPATCH_CHARGE,
        DISPATCH_EXPORT,
    ]
)


@st.composite
def sites(draw: st.DrawFn) -> DeviceState:
    settings = BatterySettings(export_rule=draw(RULES), export_rule_ceiling=draw(RULES), vendor_mode="known")
    for name in FLAGS:
        if (value := draw(MAYBE)) is not None:
            setattr(settings, name, value)
    overrides = BatteryOverrides()
    overrides.observe_time.GetCurrentTime()
    for name in OVERRIDES:
        if (value := draw(MAYBE)) is not None:
            setattr(overrides, name, value)
    return DeviceState(battery=BatteryState(settings=settings, overrides=overrides))


@given(ACTIONS, sites())
def test_what_blocks_by_a_state_still_stands_by_the_same_state(action: Action, state: DeviceState) -> None:
    for condition in standing(action, state):
        assert still_stands(blocker_of(condition), state)


@given(ACTIONS, sites())
def test_every_reason_and_setting_is_told_once_and_with_evidence(action: Action, state: DeviceState) -> None:
    found = standing(action, state)
    told = [(condition.reason, condition.facts.get("setting")) for condition in found]
    assert len(told) == len(set(told))
    assert all(condition.evidence(state) for condition in found)


@given(ACTIONS)
def test_nothing_is_blocked_by_what_is_not_known(action: Action) -> None:
    assert standing(action, DeviceState()) == []


@given(sites())
def test_no_rule_is_blocked_that_neither_exports_more_nor_changes_anything(state: DeviceState) -> None:
    state.battery.settings.export_rule = ExportRule.EXPORT_RULE_NEVER
    assert standing(export_rule(ExportRule.EXPORT_RULE_NEVER), state) == []


@given(st.sampled_from(sorted({kind for condition in SITE_CONDITIONS for kind in condition.blocks})), sites())
def test_a_kind_is_blocked_if_no_value_would_change_anything(kind: ActionKind.ValueType, state: DeviceState) -> None:
    found = standing_for_kinds([kind], state)[kind]
    changing = [action for action in choices(kind) if row_of(action).prove(action, state).rung != Rung.RUNG_APPLIED]
    free = [action for action in changing or choices(kind) if not standing(action, state)]
    assert bool(found) != bool(free)
    assert all(condition.evidence(state) and kind in condition.blocks for condition in found)
    told = [(condition.reason, condition.facts.get("setting")) for condition in found]
    assert len(told) == len(set(told))


def test_choices_are_every_value_that_can_be_listed() -> None:
    assert list(choices(ActionKind.ACTION_KIND_SET_EXPORT_RULE)) == [
        export_rule(rule) for rule in ExportRule.values()[1:]
    ]
    assert list(choices(ActionKind.ACTION_KIND_SET_GRID_CHARGING)) == [grid_charging(False), grid_charging(True)]
    for kind in ActionKind.values()[1:]:
        assert {kind_of(action) for action in choices(kind)} == {kind}


def test_a_group_that_was_not_read_lets_the_blocker_stand() -> None:
    for condition in SITE_CONDITIONS:
        assert still_stands(blocker_of(condition), DeviceState())


def test_of_two_locked_settings_the_one_that_is_unlocked_blocks_no_more() -> None:
    locks = [one for one in SITE_CONDITIONS if one.reason == Reason.REASON_SETTING_LOCKED_BY_INSTALLER]
    state = DeviceState()
    state.battery.settings.export_rule_locked = True
    state.battery.settings.grid_charging_locked = False
    assert {one.facts["setting"]: still_stands(blocker_of(one), state) for one in locks} == {
        "export rule": True,
        "grid charging": False,
    }


def blocker_of(condition: SiteCondition) -> Blocker:
    return Blocker(reason=condition.reason, blocked_actions=sorted(condition.blocks), metadata=condition.facts)
