import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.connection_pb2 import Access

from wattbus_server.vendors.tesla.scopes import access_of, required_scopes, scopes_of, to_grant

EVERY_ACCESS = [value for value in Access.values() if value != Access.ACCESS_UNSPECIFIED]


@given(st.sets(st.sampled_from(EVERY_ACCESS)))
def test_granting_what_is_asked_for_gives_the_wanted_access(wanted: set[Access.ValueType]) -> None:
    assert access_of(scopes_of(frozenset(wanted))) >= wanted


def test_an_identity_and_a_refresh_token_are_always_asked_for() -> None:
    assert scopes_of(frozenset()) == ("openid", "offline_access")


def test_only_what_is_needed_is_asked_for() -> None:
    asked = scopes_of(frozenset({Access.ACCESS_CHARGE_VEHICLES}))
    assert asked == ("openid", "offline_access", "vehicle_device_data", "vehicle_charging_cmds")


def test_every_vehicle_command_includes_charging() -> None:
    access = access_of({"vehicle_device_data", "vehicle_cmds"})
    assert access == {
        Access.ACCESS_READ_VEHICLES,
        Access.ACCESS_CHARGE_VEHICLES,
        Access.ACCESS_COMMAND_VEHICLES,
    }


def test_commands_without_reading_are_no_access() -> None:
    assert access_of({"energy_cmds", "vehicle_location"}) == frozenset()


@pytest.mark.parametrize(
    ("path", "params", "rule"),
    [
        ("/api/1/products", {}, (("vehicle_device_data", "energy_device_data"),)),
        ("/api/1/vehicles/X", {}, (("vehicle_device_data",),)),
        ("/api/1/vehicles/X/vehicle_data", {"endpoints": "charge_state"}, (("vehicle_device_data",),)),
        (
            "/api/1/vehicles/X/vehicle_data",
            {"endpoints": "charge_state;location_data"},
            (("vehicle_device_data",), ("vehicle_location",)),
        ),
        ("/api/1/vehicles/X/command/charge_start", {}, (("vehicle_charging_cmds", "vehicle_cmds"),)),
        ("/api/1/vehicles/X/command/door_lock", {}, (("vehicle_cmds",),)),
        ("/api/1/vehicles/fleet_status", {}, (("vehicle_device_data",),)),
        ("/api/1/energy_sites/1/site_info", {}, (("energy_device_data",),)),
        ("/api/1/energy_sites/1/grid_import_export", {}, (("energy_cmds",),)),
        ("/api/1/users/region", {}, ()),
    ],
)
def test_the_scopes_of_an_endpoint(path: str, params: dict[str, str], rule: tuple[tuple[str, ...], ...]) -> None:
    assert required_scopes(path, params) == rule


def test_what_is_granted_of_alternatives_counts_as_required() -> None:
    rule = (("vehicle_charging_cmds", "vehicle_cmds"),)
    assert to_grant(rule, {"vehicle_cmds"}) == (("vehicle_cmds",), ())
    assert to_grant(rule, set()) == (("vehicle_charging_cmds",), ("vehicle_charging_cmds",))
