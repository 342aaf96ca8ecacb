"""The table of actions: one row per `ActionKind`, with everything that the adapter knows about it.

Sources: Tesla Fleet API documentation, vehicle-commands, energy and billing-and-limits; the meaning of the modes and of
the reserve above 80 % from the projects that drive Powerwalls through these calls.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from types import MappingProxyType

from google.protobuf.descriptor import FieldDescriptor
from wattbus.v1.action_pb2 import Action, ActionKind
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.state_pb2 import ConnectivityStatus

from wattbus_server.vendors.contract import ActionTraits
from wattbus_server.vendors.tesla import scopes
from wattbus_server.vendors.tesla.control.action_row import ActionRow, Body, SiteWrite, VehicleCommand, VehicleWake
from wattbus_server.vendors.tesla.control.bounds import (
    HIGHEST_HELD_RESERVE,
    Bound,
    NameBound,
    NumberBound,
    battery_modes,
    export_rules,
)
from wattbus_server.vendors.tesla.control.proof import Prove, charging_started, charging_stopped, not_provable, shows
from wattbus_server.vendors.tesla.normalize.energy import BATTERY_MODES, EXPORT_RULES
from wattbus_server.vendors.tesla.signing import payloads

COMMAND_PRICE = 1_000
"""Micro-dollars: 1,000 commands per dollar."""
WAKE_PRICE = 20_000
"""Micro-dollars: 50 wakes per dollar."""

MODE_WORDS: Mapping[int, str] = MappingProxyType({mode: word for word, mode in BATTERY_MODES.items()})
"""Tesla's words for `default_real_mode`. `backup` is not documented but accepted."""
EXPORT_RULE_WORDS: Mapping[int, str] = MappingProxyType({rule: word for word, rule in EXPORT_RULES.items()})
"""Tesla's words for `customer_preferred_export_rule`."""

TEMPERATURE_TOLERANCE_CELSIUS = 0.3
"""A car whose screen shows Fahrenheit keeps the nearest degree of that scale."""
RESERVE_TOLERANCE_PERCENT = 0.5


def _seconds(*delays: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=delay) for delay in delays)


# A read of a vehicle is billed. A site shows a write after 0.5 to 10 seconds; its reads are free, but Tesla allows only
# 60 calls a minute for it, polling included.
_VEHICLE_VALUE = ActionTraits(Rung.RUNG_APPLIED, sets_value=True, readback_delays=_seconds(2, 5, 15))
_VEHICLE_OPENING = ActionTraits(Rung.RUNG_APPLIED, sets_value=False, readback_delays=_seconds(2, 5, 15))
_VEHICLE_CHARGING = ActionTraits(Rung.RUNG_EFFECTIVE, sets_value=True, readback_delays=_seconds(3, 7, 20))
_VEHICLE_SIGNAL = ActionTraits(Rung.RUNG_ACCEPTED, sets_value=False)
_SITE_VALUE = ActionTraits(Rung.RUNG_APPLIED, sets_value=True, readback_delays=_seconds(2, 3, 5, 10, 20))
_DISPATCH = ActionTraits(Rung.RUNG_EFFECTIVE, sets_value=False)


def _vehicle(
    kind: ActionKind.ValueType,
    command: VehicleCommand,
    prove: Prove,
    traits: ActionTraits = _VEHICLE_VALUE,
    bounds: tuple[Bound, ...] = (),
) -> ActionRow:
    return ActionRow(
        kind,
        DeviceKind.DEVICE_KIND_VEHICLE,
        command,
        scopes.command_scopes(command.name),
        traits,
        prove,
        COMMAND_PRICE,
        bounds,
    )


def _site(kind: ActionKind.ValueType, name: str, body: Body, prove: Prove, bounds: tuple[Bound, ...] = ()) -> ActionRow:
    return ActionRow(
        kind,
        DeviceKind.DEVICE_KIND_BATTERY,
        SiteWrite(name, body),
        scopes.COMMAND_SITE,
        _SITE_VALUE,
        prove,
        bounds=bounds,
    )


def _passenger_temperature(action: Action) -> float:
    wanted = action.set_climate_temperature
    absent = not wanted.HasField("passenger_temperature_celsius")
    return wanted.driver_temperature_celsius if absent else wanted.passenger_temperature_celsius


_TEMPERATURE_BOUNDS = tuple(
    NumberBound(
        f"set_climate_temperature.{side}_temperature_celsius",
        15,
        28,
        "vehicle.climate.target_minimum_celsius",
        "vehicle.climate.target_maximum_celsius",
    )
    for side in ("driver", "passenger")
)

_VEHICLE_ROWS = (
    _vehicle(
        ActionKind.ACTION_KIND_LOCK,
        VehicleCommand("door_lock", lambda _: payloads.door_lock()),
        shows({"vehicle.closures.locked": lambda _: True}),
    ),
    _vehicle(
        ActionKind.ACTION_KIND_UNLOCK,
        VehicleCommand("door_unlock", lambda _: payloads.door_unlock()),
        shows({"vehicle.closures.locked": lambda _: False}),
        _VEHICLE_OPENING,
    ),
    _vehicle(
        ActionKind.ACTION_KIND_START_CHARGING,
        # `complete` is a refusal here: the vehicle stands at its limit, so no current will flow.
        VehicleCommand(
            "charge_start",
            lambda _: payloads.charge_start(),
            already=frozenset({"is_charging", "requested", "already_started"}),
        ),
        charging_started,
        _VEHICLE_CHARGING,
    ),
    _vehicle(
        ActionKind.ACTION_KIND_STOP_CHARGING,
        VehicleCommand(
            "charge_stop",
            lambda _: payloads.charge_stop(),
            already=frozenset({"not_charging", "complete", "disconnected", "requested"}),
        ),
        charging_stopped,
        _VEHICLE_CHARGING,
    ),
    _vehicle(
        ActionKind.ACTION_KIND_SET_CHARGE_LIMIT,
        VehicleCommand(
            "set_charge_limit",
            lambda action: payloads.set_charge_limit(action.set_charge_limit.limit_percent),
            lambda action: {"percent": action.set_charge_limit.limit_percent},
            frozenset({"already_set"}),
        ),
        shows({"vehicle.charge.limit_percent": lambda action: action.set_charge_limit.limit_percent}),
        bounds=(
            NumberBound(
                "set_charge_limit.limit_percent",
                50,
                100,
                "vehicle.charge.limit_minimum_percent",
                "vehicle.charge.limit_maximum_percent",
            ),
        ),
    ),
    _vehicle(
        ActionKind.ACTION_KIND_SET_CHARGING_CURRENT,
        VehicleCommand(
            "set_charging_amps",
            lambda action: payloads.set_charging_amps(action.set_charging_current.current_amps),
            lambda action: {"charging_amps": action.set_charging_current.current_amps},
            frozenset({"already_set"}),
        ),
        shows({"vehicle.charge.requested_current_amps": lambda action: action.set_charging_current.current_amps}),
        bounds=(
            NumberBound(
                "set_charging_current.current_amps",
                1,
                None,
                highest_at="vehicle.charge.requested_current_maximum_amps",
            ),
        ),
    ),
    _vehicle(
        ActionKind.ACTION_KIND_START_CLIMATE,
        VehicleCommand("auto_conditioning_start", lambda _: payloads.auto_conditioning_start()),
        shows({"vehicle.climate.active": lambda _: True}),
    ),
    _vehicle(
        ActionKind.ACTION_KIND_STOP_CLIMATE,
        VehicleCommand("auto_conditioning_stop", lambda _: payloads.auto_conditioning_stop()),
        shows({"vehicle.climate.active": lambda _: False}),
    ),
    _vehicle(
        ActionKind.ACTION_KIND_SET_CLIMATE_TEMPERATURE,
        VehicleCommand(
            "set_temps",
            lambda action: payloads.set_temps(
                action.set_climate_temperature.driver_temperature_celsius, _passenger_temperature(action)
            ),
            lambda action: {
                "driver_temp": action.set_climate_temperature.driver_temperature_celsius,
                "passenger_temp": _passenger_temperature(action),
            },
        ),
        shows(
            {
                "vehicle.climate.driver_target_celsius": lambda action: (
                    action.set_climate_temperature.driver_temperature_celsius
                ),
                "vehicle.climate.passenger_target_celsius": _passenger_temperature,
            },
            TEMPERATURE_TOLERANCE_CELSIUS,
        ),
        bounds=_TEMPERATURE_BOUNDS,
    ),
    ActionRow(
        ActionKind.ACTION_KIND_WAKE,
        DeviceKind.DEVICE_KIND_VEHICLE,
        VehicleWake(),
        scopes.READ_VEHICLE,
        ActionTraits(Rung.RUNG_APPLIED, sets_value=True, readback_delays=_seconds(2, 3, 5, 5, 10, 15, 20)),
        shows({"connectivity.status": lambda _: ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE}),
        WAKE_PRICE,
    ),
    _vehicle(
        ActionKind.ACTION_KIND_OPEN_CHARGE_PORT,
        VehicleCommand(
            "charge_port_door_open",
            lambda _: payloads.charge_port_door_open(),
            already=frozenset({"already open"}),
        ),
        shows({"vehicle.charge.charge_port_open": lambda _: True}),
        _VEHICLE_OPENING,
    ),
    _vehicle(
        ActionKind.ACTION_KIND_CLOSE_CHARGE_PORT,
        VehicleCommand(
            "charge_port_door_close",
            lambda _: payloads.charge_port_door_close(),
            already=frozenset({"already closed"}),
        ),
        shows({"vehicle.charge.charge_port_open": lambda _: False}),
    ),
    _vehicle(
        ActionKind.ACTION_KIND_FLASH_LIGHTS,
        VehicleCommand("flash_lights", lambda _: payloads.flash_lights()),
        not_provable,
        _VEHICLE_SIGNAL,
    ),
    _vehicle(
        ActionKind.ACTION_KIND_HONK_HORN,
        VehicleCommand("honk_horn", lambda _: payloads.honk_horn()),
        not_provable,
        _VEHICLE_SIGNAL,
    ),
    _vehicle(
        ActionKind.ACTION_KIND_SET_SENTRY_MODE,
        VehicleCommand(
            "set_sentry_mode",
            lambda action: payloads.set_sentry_mode(action.set_sentry_mode.enabled),
            lambda action: {"on": action.set_sentry_mode.enabled},
            frozenset({"already_set"}),
        ),
        shows({"vehicle.closures.sentry_mode": lambda action: action.set_sentry_mode.enabled}),
    ),
)

_SITE_ROWS = (
    _site(
        ActionKind.ACTION_KIND_SET_BATTERY_MODE,
        "operation",
        lambda action: {"default_real_mode": MODE_WORDS[action.set_battery_mode.mode]},
        shows({"battery.settings.mode": lambda action: action.set_battery_mode.mode}),
        (NameBound("set_battery_mode.mode", battery_modes),),
    ),
    _site(
        ActionKind.ACTION_KIND_SET_BACKUP_RESERVE,
        "backup",
        lambda action: {"backup_reserve_percent": action.set_backup_reserve.reserve_percent},
        shows(
            {"battery.settings.reserve_percent": lambda action: action.set_backup_reserve.reserve_percent},
            RESERVE_TOLERANCE_PERCENT,
        ),
        (NumberBound("set_backup_reserve.reserve_percent", 0, 100, gap=(HIGHEST_HELD_RESERVE, 100)),),
    ),
    _site(
        ActionKind.ACTION_KIND_SET_EXPORT_RULE,
        "grid_import_export",
        lambda action: {"customer_preferred_export_rule": EXPORT_RULE_WORDS[action.set_export_rule.rule]},
        shows({"battery.settings.export_rule": lambda action: action.set_export_rule.rule}),
        (NameBound("set_export_rule.rule", export_rules),),
    ),
    _site(
        ActionKind.ACTION_KIND_SET_GRID_CHARGING,
        "grid_import_export",
        # Tesla's field forbids where ours allows.
        lambda action: {"disallow_charge_from_grid_with_solar_installed": not action.set_grid_charging.allowed},
        shows({"battery.settings.grid_charging_allowed": lambda action: action.set_grid_charging.allowed}),
    ),
    _site(
        ActionKind.ACTION_KIND_SET_STORM_WATCH,
        "storm_mode",
        lambda action: {"enabled": action.set_storm_watch.enabled},
        shows({"battery.settings.storm_watch_enabled": lambda action: action.set_storm_watch.enabled}),
    ),
    ActionRow(
        ActionKind.ACTION_KIND_DISPATCH_BATTERY,
        DeviceKind.DEVICE_KIND_BATTERY,
        None,
        scopes.COMMAND_SITE,
        _DISPATCH,
    ),
)

ACTIONS: Mapping[ActionKind.ValueType, ActionRow] = MappingProxyType(
    {row.kind: row for row in (*_VEHICLE_ROWS, *_SITE_ROWS)}
)
"""Every action of the contract."""


def kind_of(action: Action) -> ActionKind.ValueType:
    """Return which kind of action is set.

    Raises:
        ValueError: none is set.
    """
    name = action.WhichOneof("action")
    if name is None:
        raise ValueError("the action is not set")
    return ActionKind.Value(f"ACTION_KIND_{name.upper()}")


def row_of(action: Action) -> ActionRow:
    """Return the row of an action."""
    return ACTIONS[kind_of(action)]


def rows_for(device_kind: DeviceKind.ValueType) -> tuple[ActionRow, ...]:
    """Return the actions of one kind of device, in the order of the contract."""
    return tuple(row for row in ACTIONS.values() if row.device_kind == device_kind)


@cache
def choices(kind: ActionKind.ValueType) -> tuple[Action, ...]:
    """Return the actions of a kind, one for each value of its parameter where values can be listed, else a bare one."""
    name = ACTIONS[kind].name
    parameters = type(getattr(Action(), name)).DESCRIPTOR.fields
    values = _values(parameters[0]) if len(parameters) == 1 else ()
    return tuple(_action(name, {parameters[0].name: value}) for value in values) or (_action(name, {}),)


@cache
def signed_kinds() -> frozenset[ActionKind.ValueType]:
    """Return the actions that vehicles with the command protocol take signed only."""
    return frozenset(row.kind for row in ACTIONS.values() if isinstance(row.way, VehicleCommand))


@cache
def kinds_with_scopes(rule: scopes.ScopeRule) -> frozenset[ActionKind.ValueType]:
    """Return the actions that need the same scopes."""
    return frozenset(row.kind for row in ACTIONS.values() if row.scopes == rule)


def _action(name: str, parameters: Mapping[str, int]) -> Action:
    action = Action()
    message = getattr(action, name)
    message.SetInParent()
    for parameter, value in parameters.items():
        setattr(message, parameter, value)
    return action


def _values(parameter: FieldDescriptor) -> tuple[int, ...]:
    if parameter.type == FieldDescriptor.TYPE_BOOL:
        return (False, True)
    if parameter.enum_type is not None:
        return tuple(value.number for value in parameter.enum_type.values if value.number)
    return ()
