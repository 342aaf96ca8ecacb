"""What observations prove, over generated observations."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.action_pb2 import Action, BatteryMode
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.state_pb2 import (
    BatterySettings,
    BatteryState,
    ChargingStatus,
    Connectivity,
    ConnectivityStatus,
    DeviceState,
    VehicleCharge,
    VehicleClimate,
    VehicleClosures,
    VehicleState,
)

from tests.vendors.tesla.control.examples import (
    EXAMPLES,
    LOCK,
    START_CHARGING,
    STOP_CHARGING,
    UNLOCK,
    WAKE,
    charge_limit,
    mode,
    reserve,
    temperature,
)
from wattbus_server.vendors.tesla.control.actions import row_of

APPLIED, EFFECTIVE, NOTHING = Rung.RUNG_APPLIED, Rung.RUNG_EFFECTIVE, Rung.RUNG_UNSPECIFIED
CHARGING = ChargingStatus.CHARGING_STATUS_CHARGING
STARTING = ChargingStatus.CHARGING_STATUS_STARTING


def charge(**values: object) -> DeviceState:
    return DeviceState(vehicle=VehicleState(charge=VehicleCharge(**values)))  # type: ignore[arg-type] # by field name


def settings(**values: object) -> DeviceState:
    return DeviceState(battery=BatteryState(settings=BatterySettings(**values)))  # type: ignore[arg-type] # by field name


@given(st.integers(50, 100), st.integers(50, 100))
def test_a_limit_is_applied_exactly_if_the_vehicle_shows_it(wanted: int, shown: int) -> None:
    proof = row_of(charge_limit(wanted)).prove(charge_limit(wanted), charge(limit_percent=shown))
    assert (proof.rung == APPLIED) is (wanted == shown)
    assert proof.contradicted is (wanted != shown)
    assert proof.evidence == f"charge.limit_percent={shown}"


@given(st.integers(0, 100), st.floats(0, 100))
def test_a_reserve_is_applied_if_the_site_shows_it_to_half_a_percent(wanted: int, shown: float) -> None:
    proof = row_of(reserve(wanted)).prove(reserve(wanted), settings(reserve_percent=shown))
    assert (proof.rung == APPLIED) is (abs(wanted - shown) <= 0.5)
    assert proof.contradicted is (proof.rung != APPLIED)


@given(st.booleans())
def test_locking_and_unlocking_never_agree(locked: bool) -> None:
    state = DeviceState(vehicle=VehicleState(closures=VehicleClosures(locked=locked)))
    assert row_of(LOCK).prove(LOCK, state).contradicted is not locked
    assert row_of(UNLOCK).prove(UNLOCK, state).contradicted is locked


@given(
    st.sampled_from(ChargingStatus.values()),
    st.none() | st.floats(0, 48),
    st.none() | st.floats(0, 250_000),
)
def test_charging_is_effective_only_while_something_flows(
    status: int, current: float | None, power: float | None
) -> None:
    values = {"status": status, "current_amps": current, "power_w": power}
    state = charge(**{name: value for name, value in values.items() if value is not None})
    flows = (current or 0) > 0 or (power or 0) > 0
    still = not flows and (current is not None or power is not None)
    started = row_of(START_CHARGING).prove(START_CHARGING, state)
    stopped = row_of(STOP_CHARGING).prove(STOP_CHARGING, state)
    assert (started.rung == EFFECTIVE) is (status == CHARGING and flows)
    assert (stopped.rung == EFFECTIVE) is (status not in (0, CHARGING, STARTING) and still)
    assert not (started.rung and stopped.rung)
    assert not (started.rung and started.contradicted)
    assert not (stopped.rung and stopped.contradicted)


def test_a_vehicle_that_is_about_to_charge_proves_nothing_yet() -> None:
    proof = row_of(START_CHARGING).prove(START_CHARGING, charge(status=STARTING))
    assert proof.rung == NOTHING
    assert not proof.contradicted


def test_a_vehicle_at_its_limit_does_not_charge() -> None:
    state = charge(status=ChargingStatus.CHARGING_STATUS_COMPLETE, current_amps=0.0)
    assert row_of(START_CHARGING).prove(START_CHARGING, state).contradicted


def test_evidence_names_what_flows() -> None:
    proof = row_of(START_CHARGING).prove(START_CHARGING, charge(status=CHARGING, current_amps=16.0, power_w=11000.0))
    assert proof.evidence == "charge.status=CHARGING_STATUS_CHARGING, charge.current_amps=16, charge.power_w=11000"


@pytest.mark.parametrize("action", EXAMPLES, ids=lambda action: str(action.WhichOneof("action")))
def test_an_empty_observation_proves_nothing(action: Action) -> None:
    for state in (DeviceState(), charge(), settings()):
        proof = row_of(action).prove(action, state)
        assert proof.rung == NOTHING
        assert not proof.contradicted


def test_a_mode_that_the_vendor_does_not_name_proves_nothing() -> None:
    wanted = mode(BatteryMode.BATTERY_MODE_BACKUP)
    assert row_of(wanted).prove(wanted, settings(vendor_mode="site_control")).rung == NOTHING


def test_temperatures_survive_a_screen_in_fahrenheit_but_not_half_a_degree() -> None:
    climate = VehicleClimate(driver_target_celsius=21.11, passenger_target_celsius=21.11)
    state = DeviceState(vehicle=VehicleState(climate=climate))
    assert row_of(temperature(21)).prove(temperature(21), state).rung == APPLIED
    assert row_of(temperature(21, 21.5)).prove(temperature(21, 21.5), state).contradicted


@pytest.mark.parametrize("status", ConnectivityStatus.values())
def test_waking_is_applied_once_the_vehicle_is_online(status: int) -> None:
    shown = cast("ConnectivityStatus.ValueType", status)
    proof = row_of(WAKE).prove(WAKE, DeviceState(connectivity=Connectivity(status=shown)))
    assert (proof.rung == APPLIED) is (status == ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE)
