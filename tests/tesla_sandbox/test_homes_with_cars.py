"""A home and the car on its cable live in the same steps: no energy from nowhere, and no matter who looks when."""

from dataclasses import astuple
from math import inf

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.charging import CHARGER_EFFICIENCY
from tesla_sandbox.cars.control import patch
from tesla_sandbox.cars.spec import CarSpec
from tesla_sandbox.clock import Clock
from tesla_sandbox.homes.history import CHANNELS
from tesla_sandbox.homes.home import Home
from tesla_sandbox.homes.powerwall import ONE_WAY_EFFICIENCY
from tesla_sandbox.homes.rendering import Json, live_status
from tesla_sandbox.homes.wall_connector import ConnectorState
from tesla_sandbox.scenario import HomeSpec, WallConnectorSpec
from tesla_sandbox.world import World

VIN = "LRW3E7EK5PC000101"
MIDNIGHT = 1_782_079_200.0
HOUR = 3600.0


def world_of(
    home: Json | None = None, *, level: float = 30, start: float = MIDNIGHT, **car: object
) -> tuple[World, Home, Car]:
    world = World(clock=Clock(start, paused=True))
    spec = {"vin": VIN, "battery_level": level, "plugged_in": True, "charging": True, **car}
    world.add_car(Car.from_spec(CarSpec.model_validate(spec), world))
    connector = WallConnectorSpec(din="WC-1", vin=VIN)
    described = {"site_id": 1, "solar": None, **(home or {}), "wall_connectors": [connector]}
    world.homes[1] = Home.from_spec(HomeSpec.model_validate(described), world)
    world.homes[1].attach_cars()
    return world, world.homes[1], world.cars[VIN]


def totals(home: Home) -> dict[str, float]:
    sums = dict.fromkeys(CHANNELS, 0.0)
    for bucket in home.history.buckets("day", 0, 1e11, home.zone):
        for name, energy in zip(CHANNELS, bucket.totals, strict=True):
            sums[name] += energy
    return sums


def state_of(car: Car) -> str:
    return car.charging.state.value


def set_load(home: Home, watts: float, sun: float = 0.0) -> None:
    with home.changing():
        home.surroundings.load_override, home.surroundings.solar_override = watts, sun


def test_an_outage_that_the_battery_cannot_feed_stops_the_car() -> None:
    world, home, car = world_of({"powerwalls": 1})
    set_load(home, 5_000)
    home.set_outage(out=True)
    world.clock.step(HOUR)
    home.advance()
    (connector,) = home.connectors
    assert (home.flow().load, connector.power, connector.state) == (5_000, 0, ConnectorState.CONNECTED)
    assert (state_of(car), round(car.battery.level)) == ("NoPower", 30)
    world.clock.step(10 * HOUR)
    home.advance()
    assert home.flow().load == 0
    assert car.battery.level == pytest.approx(30, abs=0.3)


def test_an_island_reduces_the_current_to_what_it_can_give() -> None:
    world, home, car = world_of({"powerwalls": 1, "state_of_charge": 90}, charging_amps=16)
    set_load(home, 200)
    home.set_outage(out=True)
    world.clock.step(60)
    home.advance()
    (connector,) = home.connectors
    assert connector.state is ConnectorState.CHARGING_REDUCED
    assert 6 * 690 <= connector.power < 5_000 - 200
    assert car.charging.pilot_amps == 6
    home.set_outage(out=False)
    world.clock.step(60)
    home.advance()
    assert (connector.state, round(connector.power)) == (ConnectorState.CHARGING, 16 * 690)


def test_a_car_gets_nothing_below_the_off_grid_reserve_and_resumes_with_the_grid() -> None:
    world, home, car = world_of({"powerwalls": 4, "state_of_charge": 60})
    set_load(home, 0)
    home.set_outage(out=True)
    world.clock.step(10 * HOUR)
    home.advance()
    assert 50 <= home.pack.state_of_charge < 52
    assert state_of(car) == "NoPower"
    charged = car.battery.level
    assert charged > 31
    home.set_outage(out=False)
    world.clock.step(HOUR)
    car.advance()
    assert state_of(car) == "Charging"
    assert car.battery.level > charged + 5


def test_a_scenario_sets_the_off_grid_reserve() -> None:
    world, home, car = world_of(
        {"powerwalls": 4, "state_of_charge": 60, "off_grid_vehicle_charging_reserve_percent": 20}
    )
    set_load(home, 0)
    home.set_outage(out=True)
    world.clock.step(10 * HOUR)
    home.advance()
    assert 20 <= home.pack.state_of_charge < 22
    assert state_of(car) == "NoPower"


def test_the_sun_lets_an_island_charge_again_after_the_battery_regained_some() -> None:
    world, home, car = world_of({"powerwalls": 2, "state_of_charge": 45})
    set_load(home, 500, sun=5_500)
    home.set_outage(out=True)
    world.clock.step(HOUR)
    car.advance()
    assert state_of(car) == "NoPower"
    before = car.battery.level
    for _ in range(40):
        world.clock.step(HOUR / 4)
        home.advance()
        assert home.pack.state_of_charge >= 50 or car.battery.level < before
    assert car.battery.level > before + 10


def test_an_island_wakes_a_car_that_sleeps_when_it_can_feed_it_again() -> None:
    world, home, car = world_of({"powerwalls": 4, "state_of_charge": 45})
    set_load(home, 0)
    home.set_outage(out=True)
    world.clock.step(HOUR)
    car.advance()
    assert car.connectivity.asleep
    assert car.next_change() <= world.clock.time() + 60
    home.set_state_of_charge(80)
    assert not car.connectivity.asleep
    home.set_outage(out=False)
    assert car.charging.home_limit == inf


def test_the_history_does_not_depend_on_who_looks() -> None:
    home_at_the_end, sessions = [], []
    for looks in (1, 60):
        world, home, car = world_of({"powerwalls": 0}, level=30)
        for _ in range(looks):
            world.clock.step(10 * HOUR / looks)
            live_status(home)
            home.advance()
            car.advance()
        home_at_the_end.append(totals(home)["grid_energy_imported"])
        sessions.append([astuple(session) for session in home.connectors[0].sessions])
        assert sessions[-1][0][2] == pytest.approx(car.wall_energy_wh)
        assert car.battery.level == pytest.approx(80, abs=0.2)
    assert home_at_the_end[0] == pytest.approx(home_at_the_end[1])
    assert sessions[0][0] == pytest.approx(sessions[1][0])


def test_every_stay_on_the_cable_is_a_session_of_its_own() -> None:
    world, home, car = world_of()
    for change in ({"plugged_in": False}, {"plugged_in": True}, {"plug_into": {"max_amps": 32}}, {"plugged_in": False}):
        world.clock.step(90)
        patch(car, change)
    world.clock.step(HOUR)
    home.advance()
    stays = home.connectors[0].sessions
    assert [stay.started_at - MIDNIGHT for stay in stays] == [0, 180, 270]
    assert [stay.seconds for stay in stays] == [90, 90, 90]
    assert sum(stay.energy_wh for stay in stays) == pytest.approx(car.wall_energy_wh)


looks = st.lists(st.tuples(st.floats(0, 6 * HOUR), st.sampled_from(["home", "car", "status"])), max_size=25)
changes = st.lists(
    st.tuples(
        st.floats(0, 6 * HOUR),
        st.sampled_from(
            ["outage", "grid", "unplug", "plug", "stop", "start", "slow", "big", "reserve", "load", "level"]
        ),
    ),
    max_size=8,
)
houses = st.fixed_dictionaries(
    {
        "powerwalls": st.integers(0, 4),
        "state_of_charge": st.floats(0, 100),
        "solar": st.sampled_from([None, {"peak_w": 6_000}, {"peak_w": 20_000}]),
        "load": st.fixed_dictionaries({"base_w": st.floats(0, 3_000), "swing_w": st.floats(0, 3_000)}),
    }
)


def happen(home: Home, car: Car, change: str) -> None:
    car_changes: dict[str, Json] = {
        "unplug": {"plugged_in": False},
        "plug": {"plugged_in": True},
        "stop": {"charging": False},
        "start": {"charging": True},
        "big": {"plug_into": {"max_amps": 32}},
    }
    if change in {"outage", "grid"}:
        home.set_outage(out=change == "outage")
    elif change == "slow":
        car.advance()
        car.charging.requested_amps = 7
    elif change == "reserve":
        home.write({"off_grid_vehicle_charging_reserve_percent": 10}, 1.5)
    elif change == "load":
        with home.changing():
            home.surroundings.load_override = 4_000.0
    elif change == "level":
        patch(car, {"battery_level": 50})
    else:
        patch(car, car_changes[change])


def lived(house: Json, script: list[tuple[float, str]], seen: list[tuple[float, str]]) -> tuple[Home, Car]:
    world, home, car = world_of(house, start=MIDNIGHT + 9 * HOUR)
    begin = world.clock.time()
    moments = sorted([(when, 0, what) for when, what in script] + [(when, 1, what) for when, what in seen])
    for when, look, what in [*moments, (6 * HOUR, 1, "home")]:
        world.clock.step(max(begin + when - world.clock.time(), 0.0))
        if not look:
            happen(home, car, what)
        elif what == "car":
            car.advance()
        else:
            home.advance()
            live_status(home)
    home.settle(begin + 6 * HOUR)
    return home, car


@settings(max_examples=60, deadline=None)
@given(house=houses, script=changes, seen=looks)
def test_any_schedule_of_looks_gives_the_same_history(
    house: Json, script: list[tuple[float, str]], seen: list[tuple[float, str]]
) -> None:
    alone, watched = lived(house, script, []), lived(house, script, seen)
    assert alone[0].pack.energy_left == pytest.approx(watched[0].pack.energy_left, abs=1e-3)
    assert alone[1].battery.energy == pytest.approx(watched[1].battery.energy, abs=1e-6)
    for one, other in zip(
        *(home.history.buckets("day", 0, 1e11, home.zone) for home, _ in (alone, watched)), strict=True
    ):
        assert one.start == other.start
        assert one.totals == pytest.approx(other.totals, abs=1e-3)
    for stay, same in zip(*(home.connectors[0].sessions for home, _ in (alone, watched)), strict=True):
        assert astuple(stay) == pytest.approx(astuple(same), abs=1e-3)


@settings(max_examples=100, deadline=None)
@given(house=houses, script=changes, seen=looks)
def test_a_home_with_a_car_conserves_energy_also_as_an_island(
    house: Json, script: list[tuple[float, str]], seen: list[tuple[float, str]]
) -> None:
    home, car = lived(house, script, seen)
    sums = totals(home)
    supplied = sums["solar_energy_exported"] + sums["battery_energy_exported"] + sums["grid_energy_imported"]
    exported = sum(energy for name, energy in sums.items() if name.startswith("grid_energy_exported"))
    charged = sum(energy for name, energy in sums.items() if name.startswith("battery_energy_imported"))
    consumed = sum(energy for name, energy in sums.items() if name.startswith("consumer"))
    assert supplied == pytest.approx(consumed + charged + exported, abs=0.01)
    stored = charged * ONE_WAY_EFFICIENCY - sums["battery_energy_exported"] / ONE_WAY_EFFICIENCY
    before = home.pack.capacity * home.spec.state_of_charge / 100
    assert home.pack.energy_left - before == pytest.approx(stored, abs=0.01)
    assert consumed >= car.wall_energy_wh - 0.01
    assert sum(stay.energy_wh for stay in home.connectors[0].sessions) == pytest.approx(car.wall_energy_wh, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(house=houses, seen=looks, load=st.floats(0, 8_000))
def test_what_an_islanded_car_gains_is_what_sun_and_battery_gave(
    house: Json, seen: list[tuple[float, str]], load: float
) -> None:
    world, home, car = world_of(house, start=MIDNIGHT + 9 * HOUR)
    assume(home.pack.units)
    before, level = home.pack.energy_left, car.battery.energy
    home.set_outage(out=True)
    for when, _ in sorted(seen):
        world.clock.step(max(MIDNIGHT + 9 * HOUR + when - world.clock.time(), 0.0))
        home.advance()
        status = live_status(home)
        (connector,) = home.connectors
        assert home.flow().load >= connector.power - 1e-6
        assert status["grid_power"] == 0
    home.settle(world.clock.time())
    gained = 1000 * (car.battery.energy - level) / CHARGER_EFFICIENCY
    sun = totals(home)["solar_energy_exported"]
    assert gained <= sun + max(before - home.pack.energy_left, 0.0) + 0.01
