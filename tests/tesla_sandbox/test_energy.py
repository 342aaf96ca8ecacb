import json

import pytest

from tests.tesla_sandbox.conftest import FREE_SITE, LOCKED_SITE, PAIRED_VIN
from tests.tesla_sandbox.person import CLIENT_ID, EMAIL, Json, Person

FREE = f"/api/1/energy_sites/{FREE_SITE}"
LOCKED = f"/api/1/energy_sites/{LOCKED_SITE}"

GRANT = f"/grants/{EMAIL}/{CLIENT_ID}"

LIVE_FIELDS = {
    "solar_power",
    "energy_left",
    "total_pack_energy",
    "percentage_charged",
    "backup_capable",
    "battery_power",
    "load_power",
    "grid_status",
    "grid_services_active",
    "grid_power",
    "grid_services_power",
    "generator_power",
    "island_status",
    "storm_mode_active",
    "timestamp",
    "wall_connectors",
}


async def live(person: Person, site: str = FREE) -> Json:
    answered = await person.get(f"{site}/live_status")
    assert answered.status_code == 200, answered.text
    body: Json = answered.json()["response"]
    balance = body["solar_power"] + body["battery_power"] + body["grid_power"] + body["generator_power"]
    assert body["load_power"] == balance
    return body


async def info(person: Person, site: str = FREE) -> Json:
    body: Json = (await person.get(f"{site}/site_info")).json()["response"]
    return body


async def write(person: Person, path: str, body: Json, seconds: float = 2) -> None:
    """Write, and let the gateway apply it."""
    answered = await person.post(path, body)
    code = 204 if path.endswith("grid_import_export") else 201
    assert answered.json() == {"response": {"code": code, "message": "Updated"}}
    await person.sandbox.control.step(seconds)


async def configure(person: Person, site_id: int = FREE_SITE, **changes: object) -> None:
    await person.sandbox.control.patch(f"/homes/{site_id}", changes)


async def test_live_status_has_the_documented_fields(person: Person) -> None:
    body = await live(person)
    assert set(body) == LIVE_FIELDS
    assert body["timestamp"] == "2026-06-21T12:00:00+02:00"
    assert body["solar_power"] > 3000
    assert body["percentage_charged"] == pytest.approx(body["energy_left"] / body["total_pack_energy"] * 100)
    connector = body["wall_connectors"][0]
    assert (connector["vin"], connector["wall_connector_state"]) == (PAIRED_VIN, 4)


async def test_a_site_without_battery_leaves_battery_fields_out(person: Person) -> None:
    scenario = {
        "users": [
            {"email": "robin@example.com", "homes": [{"site_id": 5, "powerwalls": 0}]},
        ],
        "applications": [
            {
                "client_id": "test-app",
                "client_secret": "test-app-secret",
                "redirect_uris": ["http://127.0.0.1:9/callback"],
            }
        ],
    }
    await person.sandbox.control.put("/scenario", scenario)
    await person.link()
    body = (await person.get("/api/1/energy_sites/5/live_status")).json()["response"]
    assert not {"energy_left", "percentage_charged", "total_pack_energy"} & set(body)
    products = (await person.get("/api/1/products")).json()["response"]
    assert products[0]["resource_type"] == "solar"
    assert "battery_type" not in products[0]["components"]


async def test_products_show_each_kind_only_with_its_scope(person: Person) -> None:
    everything = (await person.get("/api/1/products")).json()
    assert everything["count"] == len(everything["response"]) == 4
    assert [entry.get("energy_site_id") for entry in everything["response"][2:]] == [FREE_SITE, LOCKED_SITE]
    for scope, kinds in (("vehicle_device_data", {"vin"}), ("energy_device_data", {"energy_site_id"})):
        await person.sandbox.control.put(GRANT, {"scopes": [scope]})
        person.tokens = (await person.refresh()).json()
        found = (await person.get("/api/1/products")).json()["response"]
        assert len(found) == 2
        assert all(kinds <= set(entry) for entry in found)
    await person.sandbox.control.put(GRANT, {"scopes": ["energy_cmds"]})
    person.tokens = (await person.refresh()).json()
    refused = await person.get("/api/1/products")
    assert (refused.status_code, refused.json()["error"]) == (403, "Unauthorized missing scopes")


async def test_a_write_shows_only_after_the_gateway_applied_it(person: Person) -> None:
    answered = await person.post(f"{FREE}/backup", {"backup_reserve_percent": 35})
    assert answered.json()["response"]["code"] == 201
    assert (await info(person))["backup_reserve_percent"] == 20
    await person.sandbox.control.step(2)
    assert (await info(person))["backup_reserve_percent"] == 35


@pytest.mark.parametrize(("asked", "kept"), [(0, 0), (80, 80), (81, 80), (99, 80), (100, 100)])
async def test_reserve_between_81_and_99_snaps_to_80(person: Person, asked: int, kept: int) -> None:
    await write(person, f"{FREE}/backup", {"backup_reserve_percent": asked})
    assert (await info(person))["backup_reserve_percent"] == kept


async def test_mode_storm_watch_and_off_grid_reserve_are_written(person: Person) -> None:
    await write(person, f"{FREE}/operation", {"default_real_mode": "autonomous"})
    await write(person, f"{FREE}/storm_mode", {"enabled": False})
    await write(person, f"{FREE}/off_grid_vehicle_charging_reserve", {"off_grid_vehicle_charging_reserve_percent": 70})
    body = await info(person)
    assert body["default_real_mode"] == "autonomous"
    assert body["user_settings"]["storm_mode_enabled"] is False
    assert body["off_grid_vehicle_charging_reserve_percent"] == 70


async def test_grid_charging_flag_is_absent_while_allowed(person: Person) -> None:
    name = "disallow_charge_from_grid_with_solar_installed"
    assert name not in (await info(person))["components"]
    await write(person, f"{FREE}/grid_import_export", {name: True, "customer_preferred_export_rule": "pv_only"})
    components = (await info(person))["components"]
    assert components[name] is True
    assert components["customer_preferred_export_rule"] == "pv_only"


async def test_installer_locks_let_a_write_succeed_without_effect(person: Person) -> None:
    await write(
        person,
        f"{LOCKED}/grid_import_export",
        {"customer_preferred_export_rule": "battery_ok", "disallow_charge_from_grid_with_solar_installed": False},
    )
    components = (await info(person, LOCKED))["components"]
    assert components["customer_preferred_export_rule"] == "pv_only"
    assert components["disallow_charge_from_grid_with_solar_installed"] is True
    assert components["edit_setting_energy_exports"] is False


async def test_net_meter_mode_caps_the_export_rule(person: Person) -> None:
    await configure(person, net_meter_mode="pv_only")
    await write(person, f"{FREE}/grid_import_export", {"customer_preferred_export_rule": "battery_ok"})
    assert (await info(person))["components"]["customer_preferred_export_rule"] == "pv_only"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("backup", {"backup_reserve_percent": 101}),
        ("backup", {"backup_reserve_percent": -1}),
        ("backup", {"backup_reserve_percent": "20"}),
        ("backup", {"backup_reserve_percent": True}),
        ("backup", {"backup_reserve_percent": 20.5}),
        ("backup", {}),
        ("operation", {"default_real_mode": "turbo"}),
        ("operation", {"default_real_mode": None}),
        ("storm_mode", {"enabled": 1}),
        ("grid_import_export", {}),
        ("grid_import_export", {"customer_preferred_export_rule": "always"}),
        ("off_grid_vehicle_charging_reserve", {"off_grid_vehicle_charging_reserve_percent": 1e300}),
        ("time_of_use_settings", {}),
        ("time_of_use_settings", {"tou_settings": []}),
    ],
)
async def test_unfit_writes_are_400_and_name_the_field(person: Person, path: str, body: Json) -> None:
    before = await info(person)
    answered = await person.post(f"{FREE}/{path}", body)
    assert answered.status_code == 400
    assert answered.json()["response"] is None
    assert answered.json()["error"] == "invalid_field"
    await person.sandbox.control.step(5)
    assert (await info(person)) == before


async def test_an_unfit_tariff_is_422(person: Person) -> None:
    tariff = {"seasons": {"Summer": {}}, "energy_charges": {"Summer": {"rates": {"PEAK": 1}}}}
    answered = await person.post(f"{FREE}/time_of_use_settings", {"tou_settings": {"tariff_content_v2": tariff}})
    assert answered.status_code == 422
    assert "PEAK" in answered.json()["error_description"]


@pytest.mark.parametrize("site_id", ["20269999", "abc", "0", "-1", "9" * 40, "%00", "20260001.0"])
async def test_an_unknown_site_is_404(person: Person, site_id: str) -> None:
    answered = await person.get(f"/api/1/energy_sites/{site_id}/live_status")
    assert (answered.status_code, answered.json()["response"]) == (404, None)


async def test_another_account_s_site_is_404(person: Person) -> None:
    await person.link(email="alex@example.com")
    answered = await person.get(f"{FREE}/live_status", region="na")
    assert answered.status_code == 404


async def test_self_consumption_charges_from_surplus_and_covers_the_house(person: Person) -> None:
    await configure(person, solar_override=5000, load_override=1000)
    charging = await live(person)
    assert (charging["battery_power"], charging["grid_power"]) == (-4000, 0)
    await configure(person, solar_override=0, load_override=3000)
    discharging = await live(person)
    assert (discharging["battery_power"], discharging["grid_power"]) == (3000, 0)


async def test_the_battery_stops_at_the_reserve(person: Person) -> None:
    await configure(person, solar_override=0, load_override=3000, state_of_charge=21, backup_reserve_percent=20)
    await person.sandbox.control.step(3600)
    body = await live(person)
    assert body["percentage_charged"] == pytest.approx(20, abs=0.1)
    assert (body["battery_power"], body["grid_power"]) == (0, 3000)


async def test_a_reserve_above_the_charge_trickles_from_the_grid(person: Person) -> None:
    await configure(person, solar_override=0, load_override=500, state_of_charge=40)
    await write(person, f"{FREE}/backup", {"backup_reserve_percent": 70})
    body = await live(person)
    assert (body["battery_power"], body["grid_power"]) == (-3600, 4100)


async def test_without_grid_charging_only_the_sun_charges(person: Person) -> None:
    await configure(
        person, solar_override=1500, load_override=500, state_of_charge=40, grid_charging=False, operation_mode="backup"
    )
    body = await live(person)
    assert (body["battery_power"], body["grid_power"]) == (-1000, 0)


async def test_power_tapers_when_the_pack_gets_full(person: Person) -> None:
    await configure(person, solar_override=20000, load_override=0, state_of_charge=50)
    wide = (await live(person))["battery_power"]
    await configure(person, state_of_charge=98)
    assert wide == -10000 < (await live(person))["battery_power"] < 0


async def test_a_round_trip_loses_a_tenth(person: Person) -> None:
    await configure(person, solar_override=4000, load_override=0, state_of_charge=20)
    before = (await live(person))["energy_left"]
    await person.sandbox.control.step(3600)
    after = (await live(person))["energy_left"]
    assert after - before == pytest.approx(4000 * 0.949, rel=0.001)


async def test_export_rule_never_curtails_the_sun(person: Person) -> None:
    await configure(person, solar_override=8000, load_override=1000, state_of_charge=100, export_rule="never")
    body = await live(person)
    assert (body["solar_power"], body["grid_power"]) == (1000, 0)


async def test_an_outage_islands_the_home(person: Person) -> None:
    await configure(person, solar_override=1000, load_override=3000, outage="grid_failure")
    body = await live(person)
    assert (body["grid_status"], body["island_status"]) == ("Inactive", "off_grid_unintentional")
    assert (body["battery_power"], body["grid_power"], body["load_power"]) == (2000, 0, 3000)
    await person.sandbox.control.step(600)
    await configure(person, outage="none")
    history = await person.get(
        f"{FREE}/calendar_history",
        params={"kind": "backup", "start_date": "2026-06-21T00:00:00+02:00", "end_date": "2026-06-22T00:00:00+02:00"},
    )
    assert history.json()["response"] == {
        "events": [{"timestamp": "2026-06-21T12:00:00+02:00", "duration": 600}],
        "total_events": 1,
    }


async def test_storm_watch_fills_the_battery_and_says_so(person: Person) -> None:
    await configure(person, solar_override=0, load_override=500, storm={"seconds": 3600})
    body = await live(person)
    assert body["storm_mode_active"] is True
    assert body["battery_power"] == -10000
    assert body["storm_mode_states"][0]["opted_out"] is False
    await write(person, f"{FREE}/storm_mode", {"enabled": False})
    assert (await live(person))["storm_mode_active"] is False


async def test_a_grid_services_event_overrides_local_control(person: Person) -> None:
    await configure(
        person,
        solar_override=0,
        load_override=500,
        grid_services=True,
        grid_services_event={"power_w": 8000, "seconds": 1800},
    )
    body = await live(person)
    assert (body["battery_power"], body["grid_power"]) == (8000, -7500)
    assert (body["grid_services_active"], body["grid_services_power"]) == (True, 8000)
    await person.sandbox.control.step(1801)
    assert (await live(person))["grid_services_active"] is False


def tariff(hour: int, buy: float, sell: float, elsewhere_buy: float, elsewhere_sell: float) -> Json:
    """A tariff with one hour that differs from all others."""
    periods = {
        "ON_PEAK": {"periods": [{"toDayOfWeek": 6, "fromHour": hour, "toHour": hour + 1}]},
        "OFF_PEAK": {"periods": [{"toDayOfWeek": 6, "fromHour": hour + 1, "toHour": hour}]},
    }
    seasons = {"All": {"fromMonth": 1, "fromDay": 1, "toMonth": 12, "toDay": 31, "tou_periods": periods}}
    return {
        "version": 1,
        "code": "TEST",
        "name": "Test",
        "energy_charges": {"All": {"rates": {"ON_PEAK": buy, "OFF_PEAK": elsewhere_buy}}},
        "seasons": seasons,
        "sell_tariff": {
            "energy_charges": {"All": {"rates": {"ON_PEAK": sell, "OFF_PEAK": elsewhere_sell}}},
            "seasons": seasons,
        },
    }


async def test_time_based_control_exports_only_with_everything_in_place(person: Person) -> None:
    await configure(person, solar_override=0, load_override=500, state_of_charge=80)
    await write(person, f"{FREE}/operation", {"default_real_mode": "autonomous"})
    settings = {"tariff_content_v2": tariff(12, 0.9, 0.9, 0.2, 0.05), "optimization_strategy": "economics"}
    await write(person, f"{FREE}/time_of_use_settings", {"tou_settings": settings})
    assert (await live(person))["battery_power"] == 500
    await person.sandbox.control.step(300)
    exporting = await live(person)
    assert (exporting["battery_power"], exporting["grid_power"]) == (10000, -9500)

    await write(person, f"{FREE}/grid_import_export", {"customer_preferred_export_rule": "pv_only"})
    assert (await live(person))["battery_power"] == 500
    await write(person, f"{FREE}/grid_import_export", {"customer_preferred_export_rule": "battery_ok"})
    assert (await live(person))["battery_power"] == 10000
    balanced = {"tou_settings": {"optimization_strategy": "balanced"}}
    await write(person, f"{FREE}/time_of_use_settings", balanced, 303)
    assert (await live(person))["battery_power"] == 500


async def test_time_based_control_charges_in_the_cheapest_hour(person: Person) -> None:
    await configure(
        person,
        solar_override=0,
        load_override=500,
        operation_mode="autonomous",
        tariff=tariff(12, 0.0, 0.0, 0.4, 0.0),
        state_of_charge=50,
    )
    assert (await live(person))["battery_power"] == -10000
    await configure(person, grid_charging=False)
    assert (await live(person))["battery_power"] == 0


async def test_a_stubborn_optimizer_ignores_its_plan(person: Person) -> None:
    await configure(
        person,
        solar_override=0,
        load_override=500,
        stubbornness=100,
        operation_mode="autonomous",
        tariff=tariff(12, 0.0, 0.0, 0.4, 0.0),
    )
    assert (await live(person))["battery_power"] == 500


async def test_a_site_without_time_based_control_ignores_the_mode(person: Person) -> None:
    await configure(person, tou_capable=False)
    await write(person, f"{FREE}/operation", {"default_real_mode": "autonomous"})
    assert (await info(person))["default_real_mode"] == "self_consumption"


async def test_calendar_history_adds_up_and_reaches_back_to_yesterday(person: Person) -> None:
    await configure(person, solar_override=0, load_override=1200, state_of_charge=90)
    await person.sandbox.control.step(3600)
    answered = await person.get(
        f"{FREE}/calendar_history",
        params={
            "kind": "energy",
            "period": "day",
            "start_date": "2026-06-21T00:00:00+02:00",
            "end_date": "2026-06-21T23:59:59+02:00",
            "time_zone": "Europe/Amsterdam",
        },
    )
    body = answered.json()["response"]
    series = body["time_series"]
    assert len(series) == 13 * 12
    assert series[0]["timestamp"] == "2026-06-21T00:00:00+02:00"
    last_hour = series[-12:]
    assert sum(bucket["consumer_energy_imported_from_battery"] for bucket in last_hour) == 1200
    for bucket in series:
        load = sum(value for name, value in bucket.items() if name.startswith("consumer_energy"))
        supplied = (
            bucket["solar_energy_exported"]
            + bucket["battery_energy_exported"]
            + bucket["grid_energy_imported"]
            - sum(value for name, value in bucket.items() if name.startswith("battery_energy_imported"))
            - sum(value for name, value in bucket.items() if name.startswith("grid_energy_exported"))
        )
        assert supplied == pytest.approx(load, abs=5)

    yesterday = await person.get(
        f"{FREE}/calendar_history",
        params={
            "kind": "energy",
            "period": "week",
            "start_date": "2026-06-20T00:00:00+02:00",
            "end_date": "2026-06-22T00:00:00+02:00",
        },
    )
    days = yesterday.json()["response"]["time_series"]
    assert [day["timestamp"][:10] for day in days] == ["2026-06-20", "2026-06-21"]
    assert days[0]["solar_energy_exported"] > 10_000


async def test_calendar_history_knows_the_month_before_the_start(person: Person) -> None:
    async def series(period: str, start: str, end: str) -> list[Json]:
        query = {"kind": "energy", "period": period, "start_date": f"{start}+02:00", "end_date": f"{end}+02:00"}
        found = (await person.get(f"{FREE}/calendar_history", params=query)).json()
        buckets: list[Json] = found["response"]["time_series"]
        return buckets

    month = await series("month", "2026-05-01T00:00:00", "2026-06-22T00:00:00")
    assert [day["timestamp"][:10] for day in (month[0], month[-1])] == ["2026-05-22", "2026-06-21"]
    assert len(month) == 31
    week_ago = await series("day", "2026-06-15T00:00:00", "2026-06-16T00:00:00")
    assert len(week_ago) == 288
    solar = sum(bucket["solar_energy_exported"] for bucket in week_ago)
    assert solar == pytest.approx(month[-7]["solar_energy_exported"], abs=150)
    assert not await series("day", "2026-05-25T00:00:00", "2026-05-26T00:00:00")
    year = await series("year", "2026-01-01T00:00:00", "2026-12-31T00:00:00")
    assert [entry["timestamp"][:7] for entry in year] == ["2026-05", "2026-06"]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "savings"},
        {"kind": ""},
        {"start_date": "yesterday"},
        {"start_date": "2026-06-21T00:00:00"},
        {"end_date": "2020-01-01T00:00:00Z"},
        {"period": "fortnight"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
    ],
)
async def test_unfit_history_queries_are_400(person: Person, change: dict[str, str]) -> None:
    query = {
        "kind": "energy",
        "period": "day",
        "start_date": "2026-06-21T00:00:00Z",
        "end_date": "2026-06-22T00:00:00Z",
        **change,
    }
    answered = await person.get(f"{FREE}/calendar_history", params=query)
    assert (answered.status_code, answered.json()["error"]) == (400, "invalid_field")


async def test_a_charging_car_is_part_of_the_load_and_leaves_a_session(person: Person) -> None:
    await configure(person, solar_override=0, load_override=0, state_of_charge=20)
    await person.sandbox.control.patch(f"/cars/{PAIRED_VIN}", {"battery_level": 30, "charging": True})
    await person.sandbox.control.step(60)
    await live(person)
    await person.sandbox.control.step(1800)
    body = await live(person)
    connector = body["wall_connectors"][0]
    assert connector["wall_connector_state"] == 1
    assert connector["wall_connector_power"] > 1000
    assert body["load_power"] == pytest.approx(connector["wall_connector_power"], abs=20)
    history = await person.get(
        f"{FREE}/telemetry_history",
        params={"kind": "charge", "start_date": "2026-06-21T00:00:00Z", "end_date": "2026-06-22T00:00:00Z"},
    )
    session = history.json()["response"]["charge_history"][0]
    assert session["energy_added_wh"] == pytest.approx(connector["wall_connector_power"] / 2, rel=0.1)


@pytest.mark.parametrize(
    ("fault", "path", "status"),
    [
        ("site_unreachable", "live_status", 500),
        ("html_from_gateway", "live_status", 503),
        ("upstream_error", "site_info", 500),
        ("account_locked", "site_info", 423),
        ("lost_answer", "live_status", 504),
    ],
)
async def test_named_faults_hit_once(person: Person, fault: str, path: str, status: int) -> None:
    await person.sandbox.control.inject_fault(fault, target=str(FREE_SITE))
    assert (await person.get(f"{LOCKED}/{path}")).status_code == 200
    assert (await person.get(f"{FREE}/{path}")).status_code == status
    assert (await person.get(f"{FREE}/{path}")).status_code == 200


async def test_an_ignored_write_answers_success_and_changes_nothing(person: Person) -> None:
    await person.sandbox.control.inject_fault("ignored_energy_write", target=str(FREE_SITE))
    await write(person, f"{FREE}/backup", {"backup_reserve_percent": 50}, 600)
    assert (await info(person))["backup_reserve_percent"] == 20


async def test_a_slow_write_takes_its_time(person: Person) -> None:
    await person.sandbox.control.inject_fault("slow_energy_write", seconds=30)
    await write(person, f"{FREE}/backup", {"backup_reserve_percent": 50}, 29)
    assert (await info(person))["backup_reserve_percent"] == 20
    await person.sandbox.control.step(2)
    assert (await info(person))["backup_reserve_percent"] == 50


@pytest.mark.parametrize(
    ("fault", "status", "body"), [("empty_write_answer", 204, b""), ("blank_write_answer", 200, b'{"response":""}')]
)
async def test_a_write_may_answer_nearly_nothing(person: Person, fault: str, status: int, body: bytes) -> None:
    await person.sandbox.control.inject_fault(fault)
    answered = await person.post(f"{FREE}/grid_import_export", {"customer_preferred_export_rule": "never"})
    assert (answered.status_code, answered.content) == (status, body)
    await person.sandbox.control.step(2)
    assert (await info(person))["components"]["customer_preferred_export_rule"] == "never"


async def test_truncated_and_widened_answers(person: Person) -> None:
    await person.sandbox.control.inject_fault("truncated_json")
    broken = await person.get(f"{FREE}/live_status")
    assert broken.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        broken.json()
    await person.sandbox.control.inject_fault("unknown_fields")
    widened = (await person.get(f"{FREE}/live_status")).json()
    assert "sandbox_unknown_field" in widened["response"]


async def test_no_energy_left_leaves_the_fields_out(person: Person) -> None:
    await person.sandbox.control.inject_fault("no_energy_left", count=None)
    assert "energy_left" not in await live(person)
    products = (await person.get("/api/1/products")).json()["response"]
    assert "total_pack_energy" not in products[2]
    assert "percentage_charged" in products[2]


async def stale(person: Person, seconds: float) -> Json:
    await person.sandbox.control.inject_fault("stale_live_status", target=str(FREE_SITE), seconds=seconds)
    return await live(person)


async def test_a_stale_answer_is_that_of_so_many_seconds_ago(person: Person) -> None:
    control = person.sandbox.control
    shown = {}
    for minutes in (0, 5, 10, 15):
        shown[minutes] = await live(person)
        await control.patch(f"/homes/{FREE_SITE}", {"load_override": 1000 + 100 * minutes})
        await control.step(300)
    assert len({str(body) for body in shown.values()}) == 4
    assert await stale(person, 600) == shown[10]
    assert await stale(person, 599) == shown[10]
    assert await stale(person, 601) == shown[5]
    assert await stale(person, 86_400) == shown[0]
    assert (await live(person))["timestamp"] == "2026-06-21T12:20:00+02:00"


async def test_a_stale_answer_of_a_home_that_nobody_watched_is_computed(person: Person) -> None:
    first = await live(person)
    await person.sandbox.control.step(3600)
    before = await stale(person, 900)
    assert before["timestamp"] == "2026-06-21T12:45:00+02:00"
    assert before["energy_left"] != first["energy_left"]
    assert await stale(person, 900) == before
    assert (await live(person))["timestamp"] == "2026-06-21T13:00:00+02:00"


async def test_a_stale_answer_is_never_older_than_the_world(person: Person) -> None:
    await person.sandbox.control.step(60)
    assert (await stale(person, 600))["timestamp"] == "2026-06-21T12:00:00+02:00"


@pytest.mark.parametrize(
    "query",
    ["calendar_history?kind=energy", "calendar_history?kind=backup", "telemetry_history?kind=charge"],
)
async def test_an_unreachable_site_tells_nothing_of_its_past(person: Person, query: str) -> None:
    await person.sandbox.control.inject_fault("site_unreachable", target=str(FREE_SITE))
    refused = await person.get(f"{FREE}/{query}")
    assert (refused.status_code, refused.json()["error"]) == (500, "upstream internal error")
    assert (await person.get(f"{FREE}/{query}")).status_code == 200
