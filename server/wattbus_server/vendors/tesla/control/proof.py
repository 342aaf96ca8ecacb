"""Proof: what fresh observations say about whether an action happened.

A value that a device shows equal to the wanted one proves APPLIED; EFFECTIVE is proven by current or power that flows.
"""

from collections.abc import Callable

from wattbus.v1.action_pb2 import Action
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.state_pb2 import ChargingStatus, DeviceState

from wattbus_server.vendors.contract import Proof
from wattbus_server.vendors.tesla.control.state_values import Value, number_at, told, value_at

Prove = Callable[[Action, DeviceState], Proof]
Wanted = Callable[[Action], Value]

STATUS = "vehicle.charge.status"
CURRENT = "vehicle.charge.current_amps"
POWER = "vehicle.charge.power_w"

_DRAWING = (ChargingStatus.CHARGING_STATUS_CHARGING,)
_BEGINNING = (ChargingStatus.CHARGING_STATUS_STARTING,)


def not_provable(_action: Action, _state: DeviceState) -> Proof:
    """Prove nothing: no state shows that it happened."""
    return Proof()


def shows(wanted: dict[str, Wanted], tolerance: float = 0.0) -> Prove:
    """Return a proof that every named value is the wanted one, to within a tolerance.

    One value that differs contradicts; a value that is not known proves nothing.
    """

    def prove(action: Action, state: DeviceState) -> Proof:
        seen = {path: value_at(state, path) for path in wanted}
        evidence = ", ".join(told(state, path, value) for path, value in seen.items() if value is not None)
        agree = [_agrees(seen[path], value_of(action), tolerance) for path, value_of in wanted.items()]
        if False in agree:
            return Proof(evidence=evidence, contradicted=True)
        if None in agree:
            return Proof()
        return Proof(Rung.RUNG_APPLIED, evidence)

    return prove


def charging_started(_action: Action, state: DeviceState) -> Proof:
    """Prove that a vehicle charges: EFFECTIVE once current or power flows."""
    status = value_at(state, STATUS)
    if status is None or status in _BEGINNING:
        return Proof()
    if status not in _DRAWING:
        return Proof(evidence=told(state, STATUS, status), contradicted=True)
    return Proof(Rung.RUNG_EFFECTIVE if _flows(state) else Rung.RUNG_APPLIED, _flow_evidence(state))


def charging_stopped(_action: Action, state: DeviceState) -> Proof:
    """Prove that a vehicle does not charge: EFFECTIVE once no current and no power flows."""
    status = value_at(state, STATUS)
    if status is None:
        return Proof()
    if status in _DRAWING or status in _BEGINNING:
        return Proof(evidence=told(state, STATUS, status), contradicted=True)
    return Proof(Rung.RUNG_EFFECTIVE if _flows(state) is False else Rung.RUNG_APPLIED, _flow_evidence(state))


def _agrees(seen: Value | None, wanted: Value, tolerance: float) -> bool | None:
    if seen is None:
        return None
    if tolerance:
        return abs(float(seen) - float(wanted)) <= tolerance
    return seen == wanted


def _flows(state: DeviceState) -> bool | None:
    """Say whether current or power flows; at a DC charger Tesla tells the power only."""
    flows = [value for value in (number_at(state, CURRENT), number_at(state, POWER)) if value is not None]
    return any(value > 0 for value in flows) if flows else None


def _flow_evidence(state: DeviceState) -> str:
    seen = {path: value_at(state, path) for path in (STATUS, CURRENT, POWER)}
    return ", ".join(told(state, path, value) for path, value in seen.items() if value is not None)
