"""The table of actions covers the contract and agrees with the payloads and scopes beside it."""

import json

import pytest
from wattbus.v1.action_pb2 import Action, ActionKind
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.device_pb2 import DeviceKind

from tests.vendors.tesla.control.examples import DISPATCH_CHARGE, EXAMPLES, grid_charging, temperature
from wattbus_server.vendors.tesla.control.action_row import SiteWrite, VehicleCommand
from wattbus_server.vendors.tesla.control.actions import ACTIONS, kind_of, row_of, rows_for
from wattbus_server.vendors.tesla.scopes import required_scopes
from wattbus_server.vendors.tesla.signing import payloads


def test_every_action_of_the_contract_has_a_row_and_no_row_is_left_over() -> None:
    assert set(ACTIONS) == set(ActionKind.values()) - {ActionKind.ACTION_KIND_UNSPECIFIED}


def test_every_field_of_the_action_message_leads_to_its_row() -> None:
    fields = {field.name for field in Action.DESCRIPTOR.oneofs_by_name["action"].fields}
    assert {action.WhichOneof("action") for action in EXAMPLES} == fields
    for action in EXAMPLES:
        name = ActionKind.Name(row_of(action).kind).removeprefix("ACTION_KIND_").lower()
        assert name == action.WhichOneof("action")


def test_an_empty_action_has_no_kind() -> None:
    with pytest.raises(ValueError, match="not set"):
        kind_of(Action())


@pytest.mark.parametrize("action", EXAMPLES, ids=lambda action: str(action.WhichOneof("action")))
def test_commands_have_a_payload_of_the_same_name_and_a_body_of_json(action: Action) -> None:
    row = row_of(action)
    if isinstance(row.way, VehicleCommand):
        assert hasattr(payloads, row.way.name)
        assert row.way.payload(action).data
        assert row.way.payload(action).repeatable is row.traits.sets_value
        path = f"/api/1/vehicles/VIN/command/{row.way.name}"
        assert row.scopes == required_scopes(path)
        assert isinstance(json.loads(json.dumps(row.way.body(action))), dict)
    elif isinstance(row.way, SiteWrite):
        assert row.scopes == required_scopes(f"/api/1/energy_sites/1/{row.way.name}")
        assert json.loads(json.dumps(row.way.body(action)))


def test_only_what_is_provable_is_read_back() -> None:
    for row in ACTIONS.values():
        if row.way is not None:
            assert bool(row.traits.readback_delays) is (row.traits.provable_rung > Rung.RUNG_ACCEPTED)


def test_signals_are_never_repeated_by_themselves() -> None:
    assert not ACTIONS[ActionKind.ACTION_KIND_HONK_HORN].traits.sets_value
    assert not ACTIONS[ActionKind.ACTION_KIND_FLASH_LIGHTS].traits.sets_value


def test_dispatch_has_a_row_but_no_way() -> None:
    assert row_of(DISPATCH_CHARGE).way is None


def test_vehicles_and_batteries_alone_can_be_controlled() -> None:
    assert rows_for(DeviceKind.DEVICE_KIND_VEHICLE)
    assert rows_for(DeviceKind.DEVICE_KIND_BATTERY)
    for kind in (DeviceKind.DEVICE_KIND_METER, DeviceKind.DEVICE_KIND_CHARGER, DeviceKind.DEVICE_KIND_SOLAR_INVERTER):
        assert rows_for(kind) == ()


def test_grid_charging_turns_the_sense_of_the_vendors_field() -> None:
    way = row_of(grid_charging(True)).way
    assert isinstance(way, SiteWrite)
    assert way.body(grid_charging(True)) == {"disallow_charge_from_grid_with_solar_installed": False}
    assert way.body(grid_charging(False)) == {"disallow_charge_from_grid_with_solar_installed": True}


def test_an_absent_passenger_temperature_follows_the_drivers() -> None:
    way = row_of(temperature(20)).way
    assert isinstance(way, VehicleCommand)
    assert way.body(temperature(20)) == {"driver_temp": 20, "passenger_temp": 20}
    assert way.body(temperature(20, 22.5)) == {"driver_temp": 20, "passenger_temp": 22.5}
