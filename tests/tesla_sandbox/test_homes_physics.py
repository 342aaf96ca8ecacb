"""Energy is conserved and no limit is broken, whatever a home is and whatever happens to it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tesla_sandbox.clock import Clock
from tesla_sandbox.homes.happenings import GridServicesEvent, StormWatch
from tesla_sandbox.homes.history import CHANNELS
from tesla_sandbox.homes.home import Home
from tesla_sandbox.homes.power_flow import balanced
from tesla_sandbox.homes.powerwall import ONE_WAY_EFFICIENCY, POWERWALL_MODELS, BatteryPack
from tesla_sandbox.homes.prices import prices_at
from tesla_sandbox.homes.rendering import live_status
from tesla_sandbox.homes.sun import Panels, solar_power
from tesla_sandbox.homes.tariff import TariffError, check_tariff
from tesla_sandbox.scenario import HomeSpec
from tesla_sandbox.world import World

NOON = datetime(2026, 6, 21, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0
watts = st.floats(0, 50_000)


@given(load=watts, solar=watts, battery=st.floats(-20_000, 20_000), on_grid=st.booleans(), limit=watts)
def test_power_is_conserved_for_any_wish(
    load: float, solar: float, battery: float, on_grid: bool, limit: float
) -> None:
    flow = balanced(load, solar, battery, on_grid=on_grid, export_limit=limit)
    assert flow.load == pytest.approx(flow.solar + flow.battery + flow.grid, abs=1e-6)
    assert -1e-9 <= flow.solar <= solar
    assert -1e-6 <= flow.load <= load
    assert abs(flow.battery) <= abs(battery) + 1e-9
    assert flow.grid >= -limit - 1e-6
    if not on_grid:
        assert flow.grid == 0
    else:
        assert flow.load == load


homes = st.builds(
    HomeSpec,
    site_id=st.integers(1, 10**6),
    powerwalls=st.integers(0, 4),
    powerwall_model=st.sampled_from(["powerwall_2", "powerwall_3"]),
    solar=st.one_of(st.none(), st.builds(dict, peak_w=st.floats(500, 20_000))),
    state_of_charge=st.floats(0, 100),
    backup_reserve_percent=st.integers(0, 100),
    operation_mode=st.sampled_from(["self_consumption", "autonomous", "backup"]),
    load=st.builds(dict, base_w=st.floats(0, 5_000), swing_w=st.floats(0, 5_000)),
    grid=st.builds(
        dict,
        export_rule=st.sampled_from(["battery_ok", "pv_only", "never", None]),
        net_meter_mode=st.sampled_from(["battery_ok", "pv_only", "never", None]),
        grid_charging=st.booleans(),
        non_export=st.sampled_from([True, False, None]),
        max_import_w=st.one_of(st.none(), st.floats(1_000, 20_000)),
        max_export_w=st.one_of(st.none(), st.floats(0, 10_000)),
    ),
)
happenings = st.lists(
    st.tuples(st.sampled_from(["outage", "grid", "storm", "event", "mode", "wait"]), st.floats(1, 4 * 3600)),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(spec=homes, script=happenings)
def test_a_home_conserves_energy_and_keeps_its_permissions(spec: HomeSpec, script: list[tuple[str, float]]) -> None:
    world = World(clock=Clock(NOON, paused=True))
    home = Home.from_spec(spec, world)
    world.homes[home.site_id] = home
    before = home.pack.energy_left
    for happening, seconds in script:
        _happen(home, happening)
        world.clock.step(seconds)
        home.advance()
        assert 0 <= home.pack.energy_left <= home.pack.capacity + 1e-6
        flow = home.flow()
        rule = spec.grid.export_rule
        if rule == "never" or spec.grid.non_export or spec.grid.net_meter_mode == "never":
            assert flow.grid >= -1e-6
        if rule == "pv_only":
            assert flow.grid >= -flow.solar - 1e-6
        if spec.grid.max_export_w is not None:
            assert flow.grid >= -spec.grid.max_export_w - 1e-6
        status = live_status(home)
        numbers = [status[name] for name in ("solar_power", "battery_power", "grid_power")]
        assert status["load_power"] == sum(number for number in numbers if isinstance(number, int))
    home.settle(world.clock.time())
    _check_energy(home, before)


def _happen(home: Home, happening: str) -> None:
    now = home.world.clock.time()
    if happening in {"outage", "grid"}:
        home.set_outage(out=happening == "outage")
    elif happening == "storm":
        with home.changing():
            home.storm = StormWatch("storm", "wind", now, now + 3600)
    elif happening == "event":
        with home.changing():
            home.event = GridServicesEvent(4_000, now, now + 1800)
    elif happening == "mode":
        home.write({"operation_mode": "backup"}, 5)


def _check_energy(home: Home, before: float) -> None:
    """What the history says came in and went out is what the pack and the house got."""
    totals = dict.fromkeys(CHANNELS, 0.0)
    for bucket in home.history.buckets("day", 0, 1e11, home.zone):
        for name, energy in zip(CHANNELS, bucket.totals, strict=True):
            totals[name] += energy
            assert energy >= -1e-6
    charged = sum(energy for name, energy in totals.items() if name.startswith("battery_energy_imported"))
    discharged = totals["battery_energy_exported"]
    stored = charged * ONE_WAY_EFFICIENCY - discharged / ONE_WAY_EFFICIENCY
    assert home.pack.energy_left - before == pytest.approx(stored, abs=0.01)
    exported = sum(energy for name, energy in totals.items() if name.startswith("grid_energy_exported"))
    consumed = sum(energy for name, energy in totals.items() if name.startswith("consumer"))
    supplied = totals["solar_energy_exported"] + discharged + totals["grid_energy_imported"]
    assert supplied == pytest.approx(consumed + charged + exported, abs=0.01)


@given(energy=st.floats(0, 27_000), seconds=st.floats(1, 3600), floor=st.floats(0, 100))
def test_pack_limits_never_overshoot(energy: float, seconds: float, floor: float) -> None:
    model = POWERWALL_MODELS["powerwall_2"]
    charging, discharging = BatteryPack(model, 2, energy), BatteryPack(model, 2, energy)
    charging.run(-charging.charge_limit(seconds), seconds)
    assert charging.energy_left <= charging.capacity
    discharging.run(discharging.discharge_limit(seconds, floor), seconds)
    assert discharging.energy_left >= min(energy, discharging.capacity * floor / 100) - 1e-6


def panels(latitude: float) -> Panels:
    return Panels(8_000, 30, 180, 0.85, latitude, 4.9)


@given(moment=st.floats(0, 4e9), latitude=st.floats(-90, 90))
def test_the_sun_never_gives_less_than_nothing_or_more_than_it_can(moment: float, latitude: float) -> None:
    assert 0 <= solar_power(panels(latitude), moment) <= 8_000 * 0.85 * 1.1


def test_days_are_long_in_summer_and_short_in_winter() -> None:
    def hours_of_light(day: datetime) -> float:
        start = day.timestamp()
        return sum(solar_power(panels(52.4), start + minute * 60) > 0 for minute in range(1440)) / 60

    assert hours_of_light(datetime(2026, 6, 21, tzinfo=UTC)) == pytest.approx(16.6, abs=0.3)
    assert hours_of_light(datetime(2026, 12, 21, tzinfo=UTC)) == pytest.approx(7.6, abs=0.3)


def test_a_far_jump_of_the_clock_is_quick_and_conserves_energy() -> None:
    world = World(clock=Clock(NOON, paused=True))
    home = Home.from_spec(HomeSpec(site_id=1), world)
    world.clock.step(20 * DAY)
    home.advance()
    assert home.updated_at == world.clock.time()
    assert 0 <= home.pack.state_of_charge <= 100


def tariff(**period: int) -> dict[str, object]:
    return {
        "energy_charges": {"ALL": {"rates": {"ALL": 0.1}}, "Year": {"rates": {"PEAK": 0.5}}},
        "seasons": {
            "Year": {
                "fromMonth": 1,
                "fromDay": 1,
                "toMonth": 12,
                "toDay": 31,
                "tou_periods": {"PEAK": {"periods": [period]}},
            },
            "Never": {},
        },
    }


@pytest.mark.parametrize(
    ("period", "inside", "outside"),
    [
        ({"toDayOfWeek": 6, "fromHour": 16, "toHour": 21}, [(3, 16), (3, 20)], [(3, 15), (3, 21)]),
        ({"toDayOfWeek": 6, "fromHour": 23, "toHour": 24}, [(3, 23)], [(3, 22), (3, 0)]),
        ({"toDayOfWeek": 6, "fromHour": 22, "toHour": 6}, [(3, 23), (3, 5)], [(3, 6), (3, 21)]),
        ({"fromDayOfWeek": 4, "toDayOfWeek": 0}, [(4, 0), (6, 12), (0, 23)], [(1, 0), (3, 23)]),
    ],
)
def test_periods_wrap_past_midnight_and_past_the_week(
    period: dict[str, int], inside: list[tuple[int, int]], outside: list[tuple[int, int]]
) -> None:
    def price(weekday: int, hour: int) -> float | None:
        prices = prices_at(tariff(**period), datetime(2026, 6, 1 + weekday, hour))
        return prices.buy if prices is not None else None

    assert [price(*moment) for moment in inside] == [0.5] * len(inside)
    assert [price(*moment) for moment in outside] == [0.1] * len(outside)


def test_buying_is_never_cheaper_than_selling_and_prices_are_never_negative() -> None:
    flat = {
        "energy_charges": {"ALL": {"rates": {"ALL": -0.2}}},
        "seasons": {},
        "sell_tariff": {"energy_charges": {"ALL": {"rates": {"ALL": 0.3}}}},
    }
    prices = prices_at(flat, datetime(2026, 6, 1, 12))
    assert prices is not None
    assert (prices.buy, prices.sell) == (0.3, 0.3)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
tariff_keys = st.sampled_from(["energy_charges", "seasons", "sell_tariff", "ALL", "rates", "tou_periods", "periods"])
tariffs = st.recursive(
    json_values, lambda inner: st.dictionaries(tariff_keys | st.text(max_size=3), inner, max_size=4), max_leaves=20
)


@given(value=tariffs)
def test_any_value_is_a_readable_tariff_or_refused(value: object) -> None:
    try:
        checked = check_tariff(value)
    except TariffError:
        return
    prices_at(checked, datetime(2026, 6, 1, 12))
