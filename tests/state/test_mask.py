"""State masks."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import ConnectivityStatus, DeviceState

from tests.state.world import energy, later, reserve
from wattbus_server.problem import Problem
from wattbus_server.state.mask import StateMask


def mask(*paths: str) -> StateMask:
    return StateMask.parse(FieldMask(paths=paths))


def full_state() -> DeviceState:
    state = energy("devices/a", 50)
    state.MergeFrom(reserve("devices/a", 20))
    state.revision = 7
    state.connectivity.status = ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE
    state.connectivity.observe_time.CopyFrom(later())
    return state


def test_without_paths_the_state_is_whole() -> None:
    state = full_state()
    assert mask().cut(state) is state


def test_a_mask_keeps_its_paths_and_the_identity_and_nothing_else() -> None:
    part = mask("battery.energy").cut(full_state())
    assert {field.name for field, _ in part.ListFields()} == {"device", "revision", "battery"}
    assert part.battery.energy.charge_percent == 50
    assert not part.battery.HasField("settings")


def test_a_mask_of_another_kind_leaves_the_values_absent() -> None:
    part = mask("vehicle.charge").cut(full_state())
    assert part.WhichOneof("values") is None


def test_paths_inside_of_other_paths_and_their_order_do_not_matter() -> None:
    assert mask("battery.energy", "battery", "connectivity") == mask("connectivity", "battery")
    assert mask("battery").digest() == mask("battery", "battery.energy").digest()
    assert mask("battery").digest() != mask("connectivity").digest()


@pytest.mark.parametrize(
    "path",
    ["", "*", "batery", "battery.energy.charge", "battery..energy", "battery.energy.charge_percent.x", "vehicle."],
)
def test_unknown_paths_are_refused_with_their_place(path: str) -> None:
    with pytest.raises(Problem) as caught:
        mask("connectivity", path)
    assert caught.value.reason == Reason.REASON_FIELD_INVALID
    assert [violation.field for violation in caught.value.field_violations] == ["state_mask.paths[1]"]


def test_too_many_paths_are_refused() -> None:
    with pytest.raises(Problem):
        mask(*["battery"] * 101)


@pytest.mark.parametrize(
    ("paths", "touched"),
    [
        ((), True),
        (("battery",), True),
        (("battery.energy",), True),
        (("battery.energy.charge_percent",), True),
        (("battery.energy.power_w",), False),
        (("battery.settings",), False),
        (("connectivity",), False),
        (("device",), False),
        (("update_time",), True),
        (("revision", "connectivity"), True),
        (("vehicle",), False),
    ],
)
def test_a_mask_is_touched_by_changes_inside_of_it(paths: tuple[str, ...], touched: bool) -> None:
    before, after = full_state(), full_state()
    after.battery.energy.charge_percent = 51
    assert mask(*paths).touched_by(["battery.energy"], before, after) is touched


def test_a_single_value_that_appears_touches_its_path() -> None:
    after = full_state()
    before = DeviceState(device="devices/a")
    after.battery.energy.charge_percent = 0
    assert mask("battery.energy.charge_percent").touched_by(["battery.energy"], before, after)
