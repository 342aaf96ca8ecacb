"""What stands in the way at an energy site: one row per condition, with the state that shows it.

A condition *stands* by the state alone, which is how blockers are verified, and *concerns* an action by what the action
wants. Decisions behind the rows:

* Storm Watch and grid-services events override mode and reserve: Tesla would store the write and nothing would happen,
  so it is refused. Export rule, grid charging and Storm Watch itself can still be set meanwhile.
* Being off grid blocks only what needs the grid, which is dispatch; settings are kept by the gateway.
* A lock does not matter if the setting already is what is wanted.
* Grid charging that is off, and an export rule that excludes the battery, block dispatch alone. They do not block
  raising the reserve or backup mode, which also charge from solar.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from wattbus.v1.action_pb2 import Action, ActionKind, BatteryMode, ExportRule
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.vendors.tesla.control.actions import choices, row_of
from wattbus_server.vendors.tesla.control.bounds import export_allowed
from wattbus_server.vendors.tesla.control.state_values import told, value_at

_MODE = ActionKind.ACTION_KIND_SET_BATTERY_MODE
_RESERVE = ActionKind.ACTION_KIND_SET_BACKUP_RESERVE
_EXPORT = ActionKind.ACTION_KIND_SET_EXPORT_RULE
_GRID_CHARGING = ActionKind.ACTION_KIND_SET_GRID_CHARGING
_STORM_WATCH = ActionKind.ACTION_KIND_SET_STORM_WATCH
_DISPATCH = ActionKind.ACTION_KIND_DISPATCH_BATTERY

_NO_BATTERY_EXPORT = (ExportRule.EXPORT_RULE_NEVER, ExportRule.EXPORT_RULE_SOLAR_ONLY)

Concerns = Callable[[Action, DeviceState], bool]


def _always(_action: Action, _state: DeviceState) -> bool:
    return True


def _charges(action: Action, _state: DeviceState) -> bool:
    return action.dispatch_battery.HasField("charge")


def _exports_battery(action: Action) -> bool:
    return action.dispatch_battery.discharge.export_to_grid


def _exports_beyond_permission(action: Action, state: DeviceState) -> bool:
    if action.HasField("set_export_rule"):
        return not export_allowed(action.set_export_rule.rule, state)
    return _exports_battery(action)


def _changes_setting(action: Action, state: DeviceState) -> bool:
    return row_of(action).prove(action, state).rung != Rung.RUNG_APPLIED


def _changes_export_rule(action: Action, state: DeviceState) -> bool:
    if action.HasField("set_export_rule"):
        return _changes_setting(action, state)
    return _exports_battery(action) and state.battery.settings.export_rule in _NO_BATTERY_EXPORT


def _changes_grid_charging(action: Action, state: DeviceState) -> bool:
    if action.HasField("set_grid_charging"):
        return _changes_setting(action, state)
    return _charges(action, state) and value_at(state, "battery.settings.grid_charging_allowed") is False


def _needs_time_based_control(action: Action, _state: DeviceState) -> bool:
    if action.HasField("set_battery_mode"):
        return action.set_battery_mode.mode == BatteryMode.BATTERY_MODE_TIME_BASED_CONTROL
    return _exports_battery(action)


@dataclass(frozen=True, eq=False)
class SiteCondition:
    """One row."""

    reason: Reason.ValueType
    path: str
    """The value that shows the condition."""
    values: tuple[object, ...]
    """The condition stands while the value is one of these."""
    blocks: frozenset[ActionKind.ValueType]
    """The actions that it can block."""
    concerns: Concerns = _always
    """Whether it blocks this action of those kinds."""
    facts: Mapping[str, str] = field(default_factory=dict)
    value_fact: str = ""
    """The fact that the value itself is, in the metadata of the reason."""
    message: str = ""
    """Instead of the usual sentence for the reason."""

    def stands(self, state: DeviceState) -> bool:
        """Say whether a state shows the condition; no if nobody knows."""
        value = value_at(state, self.path)
        return value is not None and value in self.values

    def evidence(self, state: DeviceState) -> str:
        """Return the value that shows the condition; empty if it does not stand or nobody knows."""
        return told(state, self.path, value_at(state, self.path)) if self.stands(state) else ""

    def facts_of(self, state: DeviceState) -> dict[str, str]:
        """Return what the texts and the metadata of the reason mention."""
        value = {self.value_fact: self.evidence(state).partition("=")[2]} if self.value_fact else {}
        return {**self.facts, **value}


SITE_CONDITIONS: tuple[SiteCondition, ...] = (
    SiteCondition(
        Reason.REASON_EXPORT_NOT_PERMITTED,
        "battery.settings.export_forbidden",
        (True,),
        frozenset({_EXPORT, _DISPATCH}),
        _exports_beyond_permission,
        message="The site is configured without any export.",
    ),
    SiteCondition(
        Reason.REASON_EXPORT_NOT_PERMITTED,
        "battery.settings.export_rule_ceiling",
        _NO_BATTERY_EXPORT,
        frozenset({_EXPORT, _DISPATCH}),
        _exports_beyond_permission,
        message="The utility agreement of the site does not permit this export.",
    ),
    SiteCondition(
        Reason.REASON_SETTING_LOCKED_BY_INSTALLER,
        "battery.settings.export_rule_locked",
        (True,),
        frozenset({_EXPORT, _DISPATCH}),
        _changes_export_rule,
        {"setting": "export rule"},
    ),
    SiteCondition(
        Reason.REASON_SETTING_LOCKED_BY_INSTALLER,
        "battery.settings.grid_charging_locked",
        (True,),
        frozenset({_GRID_CHARGING, _DISPATCH}),
        _changes_grid_charging,
        {"setting": "grid charging"},
    ),
    SiteCondition(
        Reason.REASON_EXPORT_RULE_EXCLUDES_BATTERY,
        "battery.settings.export_rule",
        _NO_BATTERY_EXPORT,
        frozenset({_DISPATCH}),
        lambda action, _state: _exports_battery(action),
        value_fact="export_rule",
    ),
    SiteCondition(
        Reason.REASON_GRID_CHARGING_DISABLED,
        "battery.settings.grid_charging_allowed",
        (False,),
        frozenset({_DISPATCH}),
        _charges,
    ),
    SiteCondition(
        Reason.REASON_TIME_BASED_CONTROL_UNSUPPORTED,
        "battery.settings.time_based_control_supported",
        (False,),
        frozenset({_MODE, _DISPATCH}),
        _needs_time_based_control,
    ),
    SiteCondition(
        Reason.REASON_NOT_SUPPORTED_BY_DEVICE,
        "battery.settings.storm_watch_supported",
        (False,),
        frozenset({_STORM_WATCH}),
        facts={"action": "set_storm_watch"},
    ),
    SiteCondition(
        Reason.REASON_STORM_WATCH_ACTIVE,
        "battery.overrides.storm_watch_active",
        (True,),
        frozenset({_MODE, _RESERVE, _DISPATCH}),
    ),
    SiteCondition(
        Reason.REASON_GRID_SERVICES_ACTIVE,
        "battery.overrides.grid_services_active",
        (True,),
        frozenset({_MODE, _RESERVE, _DISPATCH}),
    ),
    SiteCondition(
        Reason.REASON_OFF_GRID,
        "battery.overrides.off_grid",
        (True,),
        frozenset({_DISPATCH}),
    ),
)
"""Most important first: what only others can change, then settings, then what passes."""

SITE_REASONS = frozenset(condition.reason for condition in SITE_CONDITIONS)
"""Every reason of the table."""


def standing(action: Action, state: DeviceState) -> list[SiteCondition]:
    """Return the conditions that block an action, one for each reason and setting."""
    kind = row_of(action).kind
    return _one_of_each(
        condition
        for condition in SITE_CONDITIONS
        if kind in condition.blocks and condition.stands(state) and condition.concerns(action, state)
    )


def standing_for_kinds(
    kinds: Iterable[ActionKind.ValueType], state: DeviceState
) -> dict[ActionKind.ValueType, list[SiteCondition]]:
    """Return for each kind of action the conditions that leave no value of it that would change anything.

    Values that are blocked beside others that are not are no matter of the kind: its bounds tell them.
    """
    shown = [condition for condition in SITE_CONDITIONS if condition.stands(state)]
    return {kind: _for_all_values(kind, [one for one in shown if kind in one.blocks], state) for kind in kinds}


def _for_all_values(
    kind: ActionKind.ValueType, conditions: Sequence[SiteCondition], state: DeviceState
) -> list[SiteCondition]:
    if not conditions:
        return []
    values = choices(kind)
    changing = [action for action in values if _changes_setting(action, state)] or values
    found = [{one for one in conditions if one.concerns(action, state)} for action in changing]
    return _one_of_each(one for one in conditions if one in set().union(*found)) if all(found) else []


def still_stands(blocker: Blocker, fresh: DeviceState) -> bool:
    """Say whether a condition of this blocker still blocks one of its actions, by a state that was just read."""
    matching = (condition for condition in SITE_CONDITIONS if _is_of(condition, blocker))
    return any(condition.evidence(fresh) or not _was_read(condition.path, fresh) for condition in matching)


def _is_of(condition: SiteCondition, blocker: Blocker) -> bool:
    kinds = condition.blocks.intersection(blocker.blocked_actions) if blocker.blocked_actions else condition.blocks
    # Two settings may be locked, each with a blocker of its own.
    differs = any(blocker.metadata.get(key, value) != value for key, value in condition.facts.items())
    return condition.reason == blocker.reason and bool(kinds) and not differs


def _one_of_each(conditions: Iterable[SiteCondition]) -> list[SiteCondition]:
    found: dict[tuple[object, ...], SiteCondition] = {}
    for condition in conditions:
        found.setdefault((condition.reason, *condition.facts.items()), condition)
    return list(found.values())


def _was_read(path: str, state: DeviceState) -> bool:
    """Say whether the group of a value was read at all; within a group Tesla leaves out what is not so."""
    groups = {field.name for field, _ in state.battery.ListFields()}
    return path.split(".")[1] in groups
