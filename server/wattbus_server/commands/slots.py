"""Slots: which actions concern the same thing of a device.

Commands of one slot are carried out one after another, proof included, because what the device shows after the later
one says nothing about the earlier one. Those of other slots need not wait for the proof.
"""

from collections.abc import Mapping
from enum import Enum

from wattbus.v1.action_pb2 import Action, ActionKind

from wattbus_server.commands.preflight import action_kind


class Slot(Enum):
    """What an action concerns."""

    DOORS = "doors"
    CHARGING = "charging"
    """Limit, current and charge port are part of it: charging does not start above the limit."""
    CLIMATE = "climate"
    SENTRY_MODE = "sentry_mode"
    SIGNALS = "signals"
    CONNECTIVITY = "connectivity"
    BATTERY_MODE = "battery_mode"
    BACKUP_RESERVE = "backup_reserve"
    GRID_RULES = "grid_rules"
    STORM_WATCH = "storm_watch"
    DISPATCH = "dispatch"


_SLOTS: Mapping[Slot, tuple[ActionKind.ValueType, ...]] = {
    Slot.DOORS: (ActionKind.ACTION_KIND_LOCK, ActionKind.ACTION_KIND_UNLOCK),
    Slot.CHARGING: (
        ActionKind.ACTION_KIND_START_CHARGING,
        ActionKind.ACTION_KIND_STOP_CHARGING,
        ActionKind.ACTION_KIND_SET_CHARGE_LIMIT,
        ActionKind.ACTION_KIND_SET_CHARGING_CURRENT,
        ActionKind.ACTION_KIND_OPEN_CHARGE_PORT,
        ActionKind.ACTION_KIND_CLOSE_CHARGE_PORT,
    ),
    Slot.CLIMATE: (
        ActionKind.ACTION_KIND_START_CLIMATE,
        ActionKind.ACTION_KIND_STOP_CLIMATE,
        ActionKind.ACTION_KIND_SET_CLIMATE_TEMPERATURE,
    ),
    Slot.SENTRY_MODE: (ActionKind.ACTION_KIND_SET_SENTRY_MODE,),
    Slot.SIGNALS: (ActionKind.ACTION_KIND_FLASH_LIGHTS, ActionKind.ACTION_KIND_HONK_HORN),
    Slot.CONNECTIVITY: (ActionKind.ACTION_KIND_WAKE,),
    Slot.BATTERY_MODE: (ActionKind.ACTION_KIND_SET_BATTERY_MODE,),
    Slot.BACKUP_RESERVE: (ActionKind.ACTION_KIND_SET_BACKUP_RESERVE,),
    Slot.GRID_RULES: (ActionKind.ACTION_KIND_SET_EXPORT_RULE, ActionKind.ACTION_KIND_SET_GRID_CHARGING),
    Slot.STORM_WATCH: (ActionKind.ACTION_KIND_SET_STORM_WATCH,),
    Slot.DISPATCH: (ActionKind.ACTION_KIND_DISPATCH_BATTERY,),
}

SLOT_OF: Mapping[ActionKind.ValueType, Slot] = {kind: slot for slot, kinds in _SLOTS.items() for kind in kinds}
"""Every action of the contract."""


def slot_of(action: Action) -> Slot:
    """Return what an action concerns."""
    return SLOT_OF[action_kind(action)]
