"""Bounds: which values of an action's parameters a device accepts, from what it tells about itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from wattbus.v1.action_pb2 import Action, BatteryMode, ExportRule
from wattbus.v1.device_pb2 import ParameterBound
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.vendors.tesla.control.state_values import number_at, value_at

HIGHEST_HELD_RESERVE = 80
"""Percent. Since firmware 25.18.4 sites turn 81 to 99 into 80 (evcc-io/evcc PR #22956)."""


@dataclass(frozen=True)
class NumberBound:
    """A number between two others, which the device may tell itself."""

    parameter: str
    """Path below the action, for example `set_charge_limit.limit_percent`."""
    lowest: float
    highest: float | None
    lowest_at: str = ""
    """Where the device's state tells the lowest value."""
    highest_at: str = ""
    """Where the device's state tells the highest value."""
    gap: tuple[float, float] | None = None
    """An open interval of values that the device cannot hold."""

    def limits(self, state: DeviceState) -> tuple[float, float | None]:
        """Return the lowest and the highest accepted value; None if nobody knows."""
        lowest = number_at(state, self.lowest_at) if self.lowest_at else None
        highest = number_at(state, self.highest_at) if self.highest_at else None
        return (self.lowest if lowest is None else lowest), (self.highest if highest is None else highest)

    def refusal(self, action: Action, state: DeviceState) -> str:
        """Say why the value of the action is not accepted. Empty if it is."""
        value = parameter_value(action, self.parameter)
        if value is None:
            return ""
        lowest, highest = self.limits(state)
        name = self.parameter.rpartition(".")[2]
        if self.gap is not None and self.gap[0] < value < self.gap[1]:
            return f"{name} must be at most {self.gap[0]:g} or at least {self.gap[1]:g}, not {value:g}"
        if value < lowest or (highest is not None and value > highest):
            upper = f" to {highest:g}" if highest is not None else " or more"
            return f"{name} must be {lowest:g}{upper}, not {value:g}"
        return ""

    def described(self, state: DeviceState) -> ParameterBound:
        """Return the bound as a capability shows it."""
        lowest, highest = self.limits(state)
        bound = ParameterBound(parameter=self.parameter, minimum=lowest)
        if highest is not None:
            bound.maximum = highest
        if self.gap is not None:
            bound.gap_start, bound.gap_end = self.gap
        return bound

    def facts(self, state: DeviceState) -> Mapping[str, str]:
        """Return the bound as the metadata of a refusal names it."""
        numbers = self.described(state).ListFields()
        return {field.name: f"{value:g}" for field, value in numbers if field.name != "parameter"}


@dataclass(frozen=True)
class NameBound:
    """One of several names."""

    parameter: str
    names: Callable[[DeviceState], tuple[str, ...]]

    def refusal(self, _action: Action, _state: DeviceState) -> str:
        """Return nothing: names that the site does not take are explained by conditions, which know why."""
        return ""

    def described(self, state: DeviceState) -> ParameterBound:
        """Return the bound as a capability shows it."""
        return ParameterBound(parameter=self.parameter, allowed_names=self.names(state))


Bound = NumberBound | NameBound

_EXPORT_ORDER: Mapping[ExportRule.ValueType, int] = {
    ExportRule.EXPORT_RULE_NEVER: 0,
    ExportRule.EXPORT_RULE_SOLAR_ONLY: 1,
    ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY: 2,
}


def parameter_value(action: Action, parameter: str) -> float | None:
    """Return the number at a path below the action; None if the caller did not give it."""
    message, name = parameter.split(".")
    parameters = getattr(action, message)
    return float(getattr(parameters, name)) if parameters.HasField(name) else None


def export_allowed(rule: ExportRule.ValueType, state: DeviceState) -> bool:
    """Say whether installation and utility agreement allow an export rule, as far as is known."""
    if rule == ExportRule.EXPORT_RULE_NEVER:
        return True
    if value_at(state, "battery.settings.export_forbidden"):
        return False
    ceiling = state.battery.settings.export_rule_ceiling
    return ceiling not in _EXPORT_ORDER or _EXPORT_ORDER.get(rule, 0) <= _EXPORT_ORDER[ceiling]


def export_rules(state: DeviceState) -> tuple[str, ...]:
    """Return the names of the export rules that the site may use."""
    return tuple(ExportRule.Name(rule) for rule in _EXPORT_ORDER if export_allowed(rule, state))


def battery_modes(state: DeviceState) -> tuple[str, ...]:
    """Return the names of the modes that the site can run."""
    return tuple(_battery_modes(state))


def _battery_modes(state: DeviceState) -> Iterator[str]:
    for mode in BatteryMode.values()[1:]:
        time_based = mode == BatteryMode.BATTERY_MODE_TIME_BASED_CONTROL
        if not (time_based and value_at(state, "battery.settings.time_based_control_supported") is False):
            yield BatteryMode.Name(mode)
