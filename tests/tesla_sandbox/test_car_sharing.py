"""Sharing a car, and what a car hides."""

import pytest

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.live_data import read_groups
from tesla_sandbox.cars.sharing import MOST_DRIVERS, Sharing, SharingError
from tesla_sandbox.cars.spec import CarSpec
from tesla_sandbox.clock import Clock


def test_a_code_works_once_and_only_while_it_is_pending() -> None:
    sharing = Sharing()
    sharing.invite(1, "first", now=0)
    late = sharing.invite(2, "second", now=0)
    assert sharing.redeem("first", "friend", now=10)
    assert not sharing.redeem("first", "other", now=10)
    assert not sharing.redeem("second", "other", now=24 * 3600)
    assert (sharing.drivers, late.state(24 * 3600)) == ({"friend"}, "expired")


def test_a_car_has_at_most_five_drivers() -> None:
    sharing = Sharing(drivers={f"driver {number}" for number in range(MOST_DRIVERS)})
    with pytest.raises(SharingError):
        sharing.invite(1, "code", now=0)


def test_a_car_that_hides_its_place_never_shows_it() -> None:
    car = Car(CarSpec(vin="LRW3E7EK5PC000101", hide_location=True), Clock(1.8e9, paused=True), seed=1)
    groups = read_groups(car, frozenset({"drive_state", "location_data"}))
    assert "latitude" not in str(groups)
