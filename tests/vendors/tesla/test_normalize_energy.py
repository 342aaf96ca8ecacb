import copy
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.action_pb2 import BatteryMode, ExportRule
from wattbus.v1.state_pb2 import BatterySettings, ChargerStatus, GridStatus

from tests.vendors.tesla.samples import RECEIVED, response
from tests.vendors.tesla.test_normalize_vehicle import JSON_VALUES
from wattbus_server.vendors.tesla.normalize.energy import from_live_status, from_product, from_site_info

LIVE = ("live_status_battery_discharging", "live_status_solar_charging_wc_plugged", "live_status_full_exporting")
SITE_INFO = (
    "site_info_pv_only_grid_charging_blocked",
    "site_info_two_powerwall2",
    "site_info_tariff_multi_season",
    "site_info_tariff_week_crossing",
)


def settings_of(**components: object) -> BatterySettings:
    found = from_site_info({"components": {"battery": True, **components}}, RECEIVED)
    assert found is not None
    return found


@pytest.mark.parametrize("name", LIVE)
def test_the_flows_of_a_site_balance(name: str) -> None:
    found = from_live_status(response(name), RECEIVED)
    assert found.energy is not None
    assert found.production is not None
    assert found.flows is not None
    balance = found.production.production_w - found.energy.power_w + found.flows.grid_power_w
    assert found.flows.consumption_w == pytest.approx(balance, abs=1)


def test_a_discharging_battery_has_negative_power() -> None:
    found = from_live_status(response("live_status_battery_discharging"), RECEIVED)
    assert found.energy is not None
    assert found.energy.power_w == -5060
    assert found.energy.charge_percent == pytest.approx(95.505, abs=0.001)
    assert not found.energy.HasField("energy_wh")
    assert not found.energy.HasField("capacity_wh")


def test_a_charging_battery_has_positive_power_and_a_plugged_charger_names_its_vehicle() -> None:
    found = from_live_status(response("live_status_solar_charging_wc_plugged"), RECEIVED)
    assert found.energy is not None
    assert found.sessions is not None
    assert found.energy.power_w == 13950
    assert found.energy.energy_wh == pytest.approx(37784.05, abs=0.01)
    session = found.sessions["5432"]
    assert session.status == ChargerStatus.CHARGER_STATUS_CONNECTED
    assert session.vendor_status == 4
    assert session.vehicle_vin == "1234"
    assert session.vendor_fault_code == 2
    assert session.power_w == 0


def test_exporting_is_negative_grid_power() -> None:
    found = from_live_status(response("live_status_full_exporting"), RECEIVED)
    assert found.flows is not None
    assert found.flows.grid_power_w == -12949
    assert found.flows.grid_status == GridStatus.GRID_STATUS_CONNECTED
    assert found.flows.observe_time.ToDatetime(UTC) == datetime(2023, 11, 6, 0, 51, 17, tzinfo=UTC)
    assert found.overrides is not None
    assert found.overrides.HasField("off_grid")
    assert not found.overrides.off_grid


def test_absent_stays_absent() -> None:
    found = from_live_status({"battery_power": 0, "timestamp": "not a time"}, RECEIVED)
    assert found.energy is not None
    assert found.energy.power_w == 0
    assert str(found.energy.power_w) == "0.0"
    assert not found.energy.HasField("charge_percent")
    assert found.energy.observe_time.ToDatetime(UTC) == RECEIVED
    assert (found.overrides, found.production, found.flows, found.sessions) == (None, None, None, None)


@pytest.mark.parametrize("empty", [None, [], {}, "", 3])
def test_a_site_without_data_tells_nothing(empty: object) -> None:
    assert not from_live_status(empty, RECEIVED).tell_something
    assert from_site_info(empty, RECEIVED) is None
    assert from_product(empty, RECEIVED) is None


@pytest.mark.parametrize(("sent", "expected"), [(-12, 0.0), (0, 0.0), (500, 500.0)])
def test_a_little_negative_sun_at_night_is_none(sent: float, expected: float) -> None:
    found = from_live_status({"solar_power": sent}, RECEIVED)
    assert found.production is not None
    assert found.production.production_w == expected


def test_a_large_negative_sun_is_absent() -> None:
    assert from_live_status({"solar_power": -50_000}, RECEIVED).production is None


@pytest.mark.parametrize(
    ("word", "status", "off_grid"),
    [
        ("off_grid_unintentional", GridStatus.GRID_STATUS_ISLANDED_BY_OUTAGE, True),
        ("off_grid_intentional", GridStatus.GRID_STATUS_ISLANDED_INTENTIONALLY, True),
        ("on_grid", GridStatus.GRID_STATUS_CONNECTED, False),
    ],
)
def test_island_status(word: str, status: GridStatus.ValueType, off_grid: bool) -> None:
    found = from_live_status({"island_status": word}, RECEIVED)
    assert found.flows is not None
    assert found.overrides is not None
    assert found.flows.grid_status == status
    assert found.overrides.off_grid == off_grid


def test_an_unknown_island_status_says_nothing_about_the_grid() -> None:
    found = from_live_status({"island_status": "island_status_unknown", "load_power": 5}, RECEIVED)
    assert found.flows is not None
    assert found.flows.grid_status == GridStatus.GRID_STATUS_UNSPECIFIED
    assert found.overrides is None


def test_settings_of_a_site_with_a_ban_on_grid_charging() -> None:
    settings = from_site_info(response("site_info_pv_only_grid_charging_blocked"), RECEIVED)
    assert settings is not None
    assert settings.mode == BatteryMode.BATTERY_MODE_SELF_CONSUMPTION
    assert settings.vendor_mode == "self_consumption"
    assert settings.HasField("reserve_percent")
    assert settings.reserve_percent == 0
    assert settings.export_rule == ExportRule.EXPORT_RULE_SOLAR_ONLY
    assert settings.export_rule_ceiling == ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY
    assert settings.HasField("grid_charging_allowed")
    assert not settings.grid_charging_allowed
    assert settings.storm_watch_enabled
    assert settings.storm_watch_supported
    assert settings.time_based_control_supported
    assert settings.rated_power_w == 15_000
    assert settings.rated_energy_wh == 40_500
    assert not settings.HasField("export_rule_locked")
    assert not settings.HasField("grid_charging_locked")
    assert settings.observe_time.ToDatetime(UTC) == RECEIVED


def test_every_site_info_sample_is_understood() -> None:
    for name in SITE_INFO:
        settings = from_site_info(response(name), RECEIVED)
        assert settings is not None, name
        assert settings.mode, name
        assert settings.export_rule, name
        assert settings.unit_count >= 1, name


@pytest.mark.parametrize(
    ("components", "rule"),
    [
        ({}, ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY),
        ({"non_export_configured": False}, ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY),
        ({"non_export_configured": True}, ExportRule.EXPORT_RULE_NEVER),
        ({"customer_preferred_export_rule": "never"}, ExportRule.EXPORT_RULE_NEVER),
        ({"customer_preferred_export_rule": "battery_ok"}, ExportRule.EXPORT_RULE_SOLAR_AND_BATTERY),
        ({"customer_preferred_export_rule": "moon_only"}, ExportRule.EXPORT_RULE_UNSPECIFIED),
    ],
)
def test_a_missing_export_rule_is_derived(components: dict[str, object], rule: ExportRule.ValueType) -> None:
    assert settings_of(**components).export_rule == rule


def test_a_missing_ban_on_grid_charging_means_allowed() -> None:
    assert settings_of().grid_charging_allowed
    assert not settings_of(disallow_charge_from_grid_with_solar_installed=True).grid_charging_allowed
    assert not settings_of(disallow_charge_from_grid_with_solar_installed="?").HasField("grid_charging_allowed")


def test_nothing_is_derived_where_the_permissions_are_missing_altogether() -> None:
    settings = from_site_info({"default_real_mode": "backup"}, RECEIVED)
    assert settings is not None
    assert settings.mode == BatteryMode.BATTERY_MODE_BACKUP
    assert settings.export_rule == ExportRule.EXPORT_RULE_UNSPECIFIED
    assert not settings.HasField("grid_charging_allowed")


def test_locks_are_the_opposite_of_what_may_be_edited() -> None:
    settings = settings_of(edit_setting_energy_exports=False, edit_setting_grid_charging=True)
    assert settings.export_rule_locked
    assert settings.HasField("grid_charging_locked")
    assert not settings.grid_charging_locked


def test_permissions_one_level_up_count() -> None:
    settings = from_site_info({"non_export_configured": True, "components": {"battery": True}}, RECEIVED)
    assert settings is not None
    assert settings.export_forbidden


@pytest.mark.parametrize(("state", "status"), [(1, "CHARGING"), (7, "FAULTED"), (8, "FINISHED"), (3, "UNSPECIFIED")])
def test_charger_states(state: int, status: str) -> None:
    found = from_live_status({"wall_connectors": [{"din": "a", "wall_connector_state": state}]}, RECEIVED)
    assert found.sessions is not None
    assert found.sessions["a"].status == ChargerStatus.Value(f"CHARGER_STATUS_{status}")
    assert found.sessions["a"].vendor_status == state


@given(st.floats(min_value=-1e6, max_value=1e6))
def test_the_batterys_sign_is_always_turned(power: float) -> None:
    found = from_live_status({"battery_power": power}, RECEIVED)
    assert found.energy is not None
    assert found.energy.power_w == -power


@given(JSON_VALUES)
def test_any_json_is_normalised_without_an_error(value: object) -> None:
    for part in (value, {"wall_connectors": value}, {"wall_connectors": [value]}):
        from_live_status(part, RECEIVED)
        from_site_info(part, RECEIVED)
        from_product(part, RECEIVED)


@given(st.sampled_from(LIVE), st.data())
def test_any_value_in_any_known_field_leaves_plausible_flows(name: str, data: st.DataObject) -> None:
    sample = copy.deepcopy(response(name))
    sample[data.draw(st.sampled_from(sorted(sample)))] = data.draw(JSON_VALUES)
    found = from_live_status(sample, RECEIVED)
    assert found.production is None or found.production.production_w >= 0
    assert found.flows is None or found.flows.consumption_w >= 0
    assert found.energy is None or 0 <= found.energy.charge_percent <= 100


@given(st.sampled_from(SITE_INFO), st.data())
def test_any_value_in_any_setting_is_normalised_without_an_error(name: str, data: st.DataObject) -> None:
    sample = copy.deepcopy(response(name))
    part = data.draw(st.sampled_from([sample, sample["components"], sample["user_settings"]]))
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(JSON_VALUES)
    settings = from_site_info(sample, RECEIVED)
    assert settings is None or 0 <= settings.reserve_percent <= 100
