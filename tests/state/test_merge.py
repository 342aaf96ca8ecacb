"""Merging observations, group by group."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.action_pb2 import BatteryMode
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.state_pb2 import ConnectivityStatus, DeviceState

from tests.state.world import at, energy, reserve
from wattbus_server.state.merge import GROUPS, VALUES_OF_KIND, Merged, merge

BATTERY = DeviceKind.DEVICE_KIND_BATTERY
NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)
DEVICE = "devices/a"


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000


def merged(stored: DeviceState, *observed: DeviceState, now: datetime = NOON) -> Merged:
    result = Merged(stored)
    for observation in observed:
        result = merge(BATTERY, result.state, observation, ns(now))
    return result


def seconds(offset: float) -> datetime:
    return NOON + timedelta(seconds=offset)


def test_every_kind_of_device_has_values_and_every_group_is_found() -> None:
    oneof = {field.name for field in DeviceState.DESCRIPTOR.oneofs_by_name["values"].fields}
    assert set(VALUES_OF_KIND.values()) == oneof
    assert {"connectivity", "vehicle.charge", "battery.settings", "meter.flows", "charger.session"} <= set(GROUPS)


def test_groups_are_kept_beside_each_other() -> None:
    result = merged(DeviceState(device=DEVICE), energy(DEVICE, 50, at(NOON)), reserve(DEVICE, 20, at(NOON)))
    assert result.state.battery.energy.charge_percent == 50
    assert result.state.battery.settings.reserve_percent == 20


def test_a_newer_group_replaces_the_whole_group() -> None:
    first = energy(DEVICE, 50, at(NOON))
    first.battery.energy.power_w = 100
    result = merged(DeviceState(), first, energy(DEVICE, 51, at(seconds(1))), now=seconds(1))
    assert not result.state.battery.energy.HasField("power_w")
    assert result.changed == ["battery.energy"]


def test_an_observation_of_the_same_time_replaces() -> None:
    result = merged(DeviceState(), energy(DEVICE, 50, at(NOON)), energy(DEVICE, 51, at(NOON)))
    assert result.state.battery.energy.charge_percent == 51


def test_an_older_group_is_dropped_and_counted_and_the_others_are_taken() -> None:
    old = energy(DEVICE, 10, at(seconds(-60)))
    old.connectivity.status = ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE
    old.connectivity.observe_time.CopyFrom(at(NOON))
    result = merged(DeviceState(), energy(DEVICE, 50, at(NOON)), old)
    assert result.dropped == 1
    assert result.changed == ["connectivity"]
    assert result.state.battery.energy.charge_percent == 50


def test_unchanged_values_only_refresh_the_time() -> None:
    result = merged(DeviceState(), energy(DEVICE, 50, at(NOON)), energy(DEVICE, 50, at(seconds(9))))
    assert not result.changed
    assert result.refreshed
    assert result.state.battery.energy.observe_time == at(seconds(9))


def test_a_position_that_is_only_seen_again_is_no_change() -> None:
    def parked(moment: datetime) -> DeviceState:
        state = DeviceState(device=DEVICE)
        state.vehicle.drive.observe_time.CopyFrom(at(moment))
        state.vehicle.drive.position.latitude_degrees = 52.0
        state.vehicle.drive.position_time.CopyFrom(at(moment))
        return state

    vehicle = DeviceKind.DEVICE_KIND_VEHICLE
    first = merge(vehicle, DeviceState(), parked(NOON), ns(NOON)).state
    second = merge(vehicle, first, parked(seconds(5)), ns(NOON))
    assert not second.changed
    assert second.state.vehicle.drive.position_time == at(seconds(5))


def test_a_value_that_vanishes_is_a_change() -> None:
    known = reserve(DEVICE, 20, at(NOON))
    known.battery.settings.mode = BatteryMode.BATTERY_MODE_SELF_CONSUMPTION
    result = merged(DeviceState(), known, reserve(DEVICE, 20, at(seconds(1))))
    assert result.changed == ["battery.settings"]


def test_a_time_far_in_the_future_is_set_to_now_and_counted() -> None:
    result = merged(DeviceState(), energy(DEVICE, 50, at(seconds(301))))
    assert result.clamped == 1
    assert result.state.battery.energy.observe_time == at(NOON)
    assert merged(DeviceState(), energy(DEVICE, 50, at(seconds(299)))).clamped == 0


def test_a_clock_that_is_wrong_does_not_freeze_the_state() -> None:
    wrong = merged(DeviceState(), energy(DEVICE, 50, at(NOON + timedelta(days=900))))
    right = merged(wrong.state, energy(DEVICE, 60, at(seconds(1))), now=seconds(1))
    assert right.state.battery.energy.charge_percent == 60


def test_an_observation_of_another_kind_is_a_defect() -> None:
    with pytest.raises(ValueError, match="values of a battery observed on a vehicle"):
        merge(DeviceKind.DEVICE_KIND_VEHICLE, DeviceState(), energy(DEVICE, 1, at(NOON)), ns(NOON))


def test_a_group_without_a_time_is_a_defect() -> None:
    state = DeviceState(device=DEVICE)
    state.battery.energy.charge_percent = 1
    with pytest.raises(ValueError, match=r"battery\.energy was observed without observe_time"):
        merge(BATTERY, DeviceState(), state, ns(NOON))


observations = st.lists(
    st.builds(
        lambda make, value, offset: make(DEVICE, value, at(seconds(offset))),
        st.sampled_from((energy, reserve)),
        st.integers(0, 3),
        st.integers(-5, 5),
    ),
    max_size=12,
)


@given(observations)
def test_the_latest_observation_of_each_group_wins_in_any_order_of_arrival(observed: list[DeviceState]) -> None:
    result = merged(DeviceState(device=DEVICE), *observed)
    for group in ("energy", "settings"):
        seen = [state for state in observed if state.battery.HasField(group)]
        if seen:
            latest = max(getattr(state.battery, group).observe_time.ToNanoseconds() for state in seen)
            last = [s for s in seen if getattr(s.battery, group).observe_time.ToNanoseconds() == latest][-1]
            assert getattr(result.state.battery, group) == getattr(last.battery, group)


@given(observations, observations)
def test_merging_changes_neither_message_and_twice_is_like_once(
    before: list[DeviceState], observed: list[DeviceState]
) -> None:
    stored = merged(DeviceState(device=DEVICE), *before).state
    now = time.time_ns()
    for observation in observed:
        kept, given = stored.SerializeToString(), observation.SerializeToString()
        once = merge(BATTERY, stored, observation, now)
        assert (stored.SerializeToString(), observation.SerializeToString()) == (kept, given)
        again = merge(BATTERY, once.state, observation, now)
        assert not again.changed
        assert not again.refreshed
        assert again.state is once.state
