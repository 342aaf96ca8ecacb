"""Properties of the charge curve: exact, additive in time, within bounds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesla_sandbox.cars.charge_curve import ALTERNATING, DIRECT, ChargeCurve

CAPACITY = 75.0
levels = st.floats(0, CAPACITY)
powers = st.floats(0.1, 250)
curves = st.sampled_from([ALTERNATING, DIRECT])
hours = st.floats(0, 48)


@given(curve=curves, energy=levels, power=powers, duration=hours)
def test_charging_never_adds_more_than_was_offered_or_fits(
    curve: ChargeCurve, energy: float, power: float, duration: float
) -> None:
    after = curve.energy_after(energy, CAPACITY, power, duration)
    assert energy - 1e-9 <= after <= CAPACITY
    assert after - energy <= power * duration + 1e-6


@given(curve=curves, energy=levels, power=powers, first=hours, second=hours)
def test_looking_in_between_changes_nothing(
    curve: ChargeCurve, energy: float, power: float, first: float, second: float
) -> None:
    between = curve.energy_after(energy, CAPACITY, power, first)
    stepwise = curve.energy_after(between, CAPACITY, power, second)
    at_once = curve.energy_after(energy, CAPACITY, power, first + second)
    assert stepwise == pytest.approx(at_once, abs=1e-6)


@given(curve=curves, energy=levels, target=levels, power=powers)
def test_the_forecast_comes_true(curve: ChargeCurve, energy: float, target: float, power: float) -> None:
    duration = curve.hours_until(energy, target, CAPACITY, power)
    after = curve.energy_after(energy, CAPACITY, power, duration)
    assert after == pytest.approx(max(energy, target), abs=1e-6)


@given(curve=curves, energy=levels, power=st.floats(-10, 0), duration=hours)
def test_without_enough_power_the_battery_empties_and_is_never_full(
    curve: ChargeCurve, energy: float, power: float, duration: float
) -> None:
    after = curve.energy_after(energy, CAPACITY, power, duration)
    assert 0 <= after <= energy
    assert energy == CAPACITY or math.isinf(curve.hours_until(energy, CAPACITY, CAPACITY, power))


def test_power_tapers_towards_full() -> None:
    offered = [ALTERNATING.accepted_power(CAPACITY * share, CAPACITY, 11.0) for share in (0.5, 0.97, 1)]
    assert offered == [11.0, pytest.approx(7.3), pytest.approx(1.0)]
    fast = [DIRECT.accepted_power(CAPACITY * share, CAPACITY, 250.0) for share in (0.1, 0.8, 1)]
    assert fast == [170.0, pytest.approx(46.25), pytest.approx(5.0)]
