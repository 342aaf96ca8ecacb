import copy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.state_pb2 import ChargingStatus, ConnectivityStatus, DeviceState, Gear

from tests.vendors.tesla.samples import RECEIVED, response
from wattbus_server.vendors.tesla.normalize.vehicle import connectivity, from_vehicle_data

MEASURED = datetime.fromtimestamp(1705707520.649, UTC)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("<invalid>"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
GROUPS = ("charge_state", "climate_state", "drive_state", "vehicle_state", "location_data")


def full() -> DeviceState:
    return from_vehicle_data(response("vehicle_data_full"), RECEIVED)


def test_charge_is_in_si_units() -> None:
    charge = full().vehicle.charge
    assert charge.status == ChargingStatus.CHARGING_STATUS_STOPPED
    assert charge.vendor_status == "Stopped"
    assert charge.charge_percent == 77
    assert charge.energy_wh == pytest.approx(46_920)
    assert charge.range_m == pytest.approx(266.87 * 1609.344)
    assert charge.estimated_range_m == pytest.approx(275.04 * 1609.344)
    assert (charge.limit_percent, charge.limit_minimum_percent, charge.limit_maximum_percent) == (80, 50, 100)
    assert charge.requested_current_amps == 16
    assert charge.voltage_volts == 2
    assert charge.plugged_in
    assert charge.cable_latched
    assert charge.charge_port_open
    assert charge.observe_time.ToDatetime(UTC) == pytest.approx(MEASURED, abs=timedelta(milliseconds=1))


def test_null_is_absent_and_not_zero() -> None:
    state = full()
    assert not state.vehicle.charge.HasField("vendor_phase_count")
    assert not state.vehicle.drive.HasField("speed_mps")
    assert state.vehicle.drive.gear == Gear.GEAR_UNSPECIFIED


def test_no_time_to_the_limit_is_told_while_charging_has_stopped() -> None:
    assert not full().vehicle.charge.HasField("seconds_to_limit")
    complete = from_vehicle_data(response("vehicle_data_no_location"), RECEIVED)
    assert complete.vehicle.charge.status == ChargingStatus.CHARGING_STATUS_COMPLETE
    assert complete.vehicle.charge.seconds_to_limit == 0


def test_remaining_hours_count_where_minutes_are_missing() -> None:
    state = from_vehicle_data({"charge_state": {"charging_state": "Charging", "time_to_full_charge": 1.5}}, RECEIVED)
    assert state.vehicle.charge.seconds_to_limit == 5400


def test_climate_closures_drive_and_information() -> None:
    vehicle = full().vehicle
    assert vehicle.climate.active
    assert vehicle.climate.inside_temperature_celsius == pytest.approx(29.8)
    assert vehicle.climate.target_maximum_celsius == 28
    assert vehicle.closures.HasField("any_door_open")
    assert not vehicle.closures.any_door_open
    assert not vehicle.closures.locked
    assert vehicle.drive.power_w == 7000, "it charges: into the battery"
    assert vehicle.drive.position.latitude_degrees == pytest.approx(-30.222626)
    assert vehicle.drive.position_time.seconds == 1701129612
    assert vehicle.information.display_name == "Test"
    assert vehicle.information.software_version == "2023.44.30.8"
    assert vehicle.information.odometer_m == pytest.approx(6481.019282 * 1609.344)
    assert vehicle.information.vendor_model == "model3"
    assert vehicle.information.HasField("in_service")


def test_position_is_absent_where_it_was_not_sent() -> None:
    state = from_vehicle_data(response("vehicle_data_no_location"), RECEIVED)
    assert not state.vehicle.drive.HasField("position")
    assert not state.vehicle.drive.HasField("position_time")
    assert state.vehicle.charge.vendor_phase_count == 2


def test_location_data_as_a_group_of_its_own_is_read() -> None:
    data = {"location_data": {"latitude": 1.5, "longitude": 2.5, "gps_as_of": 1701129612, "timestamp": 1705707520649}}
    drive = from_vehicle_data(data, RECEIVED).vehicle.drive
    assert drive.position.longitude_degrees == 2.5
    assert drive.HasField("observe_time")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("online", ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE),
        ("asleep", ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP),
        ("offline", ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE),
        ("dreaming", ConnectivityStatus.CONNECTIVITY_STATUS_UNSPECIFIED),
    ],
)
def test_connectivity_keeps_the_vendors_word(word: str, status: ConnectivityStatus.ValueType) -> None:
    found = connectivity({"state": word, "vin": "X"}, RECEIVED)
    assert found is not None
    assert found.status == status
    assert found.vendor_status == word
    assert found.observe_time.ToDatetime(UTC) == RECEIVED


def test_an_unknown_charging_word_is_kept() -> None:
    charge = from_vehicle_data({"charge_state": {"charging_state": "Levitating"}}, RECEIVED).vehicle.charge
    assert charge.status == ChargingStatus.CHARGING_STATUS_UNSPECIFIED
    assert charge.vendor_status == "Levitating"
    assert not charge.HasField("plugged_in")


@pytest.mark.parametrize("value", [101, -1, True, "77", "<invalid>", None, float("nan"), 10**400, [77], {"x": 1}])
def test_implausible_values_are_absent_and_harm_nothing_else(value: object) -> None:
    data = copy.deepcopy(response("vehicle_data_full"))
    data["charge_state"]["battery_level"] = value
    charge = from_vehicle_data(data, RECEIVED).vehicle.charge
    assert not charge.HasField("charge_percent")
    assert charge.usable_charge_percent == 77


def test_invalid_texts_are_absent() -> None:
    assert from_vehicle_data({"display_name": "<invalid>"}, RECEIVED) == DeviceState()
    assert connectivity({"state": "<invalid>"}, RECEIVED) is None


def test_half_surrogates_do_not_break_texts() -> None:
    assert from_vehicle_data({"display_name": "car \ud83d"}, RECEIVED).vehicle.information.display_name == "car ?"


@pytest.mark.parametrize("when", [None, "yesterday", -5, 1e30, 0, (RECEIVED.timestamp() + 86_400) * 1000])
def test_an_impossible_time_becomes_the_time_of_receipt(when: object) -> None:
    data = {"charge_state": {"battery_level": 50, "timestamp": when}}
    assert from_vehicle_data(data, RECEIVED).vehicle.charge.observe_time.ToDatetime(UTC) == RECEIVED


def test_one_open_window_is_open_and_one_unknown_leaves_it_open_to_question() -> None:
    def windows(**parts: object) -> DeviceState:
        return from_vehicle_data({"vehicle_state": parts}, RECEIVED)

    assert windows(fd_window=0, fp_window=1).vehicle.closures.any_window_open
    assert not windows(fd_window=0, fp_window=0, rd_window=0).vehicle.closures.HasField("any_window_open")


def test_stored_states_survive_a_round_trip() -> None:
    state = full()
    assert DeviceState.FromString(state.SerializeToString()) == state


@given(JSON_VALUES)
def test_any_json_is_normalised_without_an_error(value: object) -> None:
    connectivity(value, RECEIVED)
    connectivity({"state": value}, RECEIVED)
    from_vehicle_data(value, RECEIVED).SerializeToString()


@given(st.data())
def test_any_value_in_any_known_field_is_normalised_without_an_error(data: st.DataObject) -> None:
    sample = copy.deepcopy(response("vehicle_data_full"))
    group = sample.setdefault(data.draw(st.sampled_from(GROUPS)), {})
    if group:
        group[data.draw(st.sampled_from(sorted(group)))] = data.draw(JSON_VALUES)
    charge = from_vehicle_data(sample, RECEIVED).vehicle.charge
    charge.SerializeToString()
    assert 0 <= charge.charge_percent <= 100
    assert charge.power_w >= 0
