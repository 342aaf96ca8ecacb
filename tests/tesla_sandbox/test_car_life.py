"""A car's life on a paused clock: charging, schedules, climate, driving, sleep."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tesla_protocol.command.universal_message_pb2 import Domain

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.charging import CHARGER_EFFICIENCY, ChargingState
from tesla_sandbox.cars.commands import COMMANDS, CommandRefusal
from tesla_sandbox.cars.connectivity import Connection
from tesla_sandbox.cars.control import patch
from tesla_sandbox.cars.life import IDLE_POWER_AWAKE
from tesla_sandbox.cars.live_data import read_groups
from tesla_sandbox.cars.spec import CarSpec, Supply
from tesla_sandbox.clock import Clock

VIN = "LRW3E7EK5PC000101"
MONDAY_NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0


@pytest.fixture
def clock() -> Clock:
    return Clock(MONDAY_NOON, paused=True)


def make_car(clock: Clock, **settings: object) -> Car:
    return Car(CarSpec.model_validate({"vin": VIN, "time_zone": "UTC", **settings}), clock, seed=1)


def do(car: Car, name: str, **parameters: object) -> None:
    COMMANDS[name].execute(car, parameters)


def refusal(car: Car, name: str, **parameters: object) -> str:
    with pytest.raises(CommandRefusal) as refused:
        do(car, name, **parameters)
    return refused.value.reason


def shown(car: Car) -> tuple[str, str]:
    """The car's connection and charging state by now."""
    car.advance()
    return car.connection.value, car.charging.state.value


def charge_state(car: Car) -> dict[str, object]:
    group = read_groups(car, frozenset({"charge_state"}))["charge_state"]
    assert isinstance(group, dict)
    return group


def test_plugging_in_charges_to_the_limit_and_completes(clock: Clock) -> None:
    car = make_car(clock, battery_level=50, charge_limit=80)
    car.plug(Supply())
    assert shown(car) == ("online", "Starting")
    clock.step(HOUR)
    assert shown(car) == ("online", "Charging")
    assert car.battery.level == pytest.approx(50 + 100 * (11.04 * 0.92 - 0.2) / 75, abs=0.1)
    clock.step(24 * HOUR)
    assert shown(car) == ("asleep", "Complete")
    assert car.battery.level == pytest.approx(80, abs=1)


def test_charge_state_shows_what_flows(clock: Clock) -> None:
    car = make_car(clock, battery_level=50)
    car.plug(Supply(max_amps=16, volts=230, phases=3))
    clock.step(60)
    car.advance()
    state = charge_state(car)
    shown = ("charging_state", "charger_power", "charger_actual_current", "charger_voltage", "charger_phases")
    assert [state[name] for name in shown] == ["Charging", 11, 16, 230, 2]
    minutes = state["minutes_to_full_charge"]
    assert isinstance(minutes, int)
    clock.step(60 * minutes + 60)
    car.advance()
    assert car.charging.state is ChargingState.COMPLETE


def test_a_north_american_car_charges_on_one_phase(clock: Clock) -> None:
    car = make_car(clock, vin="5YJ3E1EA7KF000303", battery_level=50)
    car.plug(Supply(max_amps=48, volts=240, phases=1))
    clock.step(60)
    assert car.charging_power_w() == pytest.approx(48 * 240)
    assert charge_state(car)["charger_phases"] == 1


def test_wall_energy_is_what_the_power_says_over_time(clock: Clock) -> None:
    car = make_car(clock, battery_level=20, plugged_in=True, charging=True, charging_amps=10)
    clock.step(60)
    power = car.charging_power_w()
    before = car.wall_energy_wh
    clock.step(HOUR)
    car.advance()
    assert car.wall_energy_wh - before == pytest.approx(power, rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(steps=st.lists(st.floats(0, 20_000), max_size=8), scheduled=st.booleans())
@example(steps=[7_199.9999, 0.0002, 60], scheduled=True)
def test_looking_often_or_once_gives_the_same_car(steps: list[float], scheduled: bool) -> None:
    watched_clock, other_clock = Clock(MONDAY_NOON, paused=True), Clock(MONDAY_NOON, paused=True)
    watched, other = (
        make_car(clock, battery_level=70, charge_limit=100, plugged_in=True, charging=True)
        for clock in (watched_clock, other_clock)
    )
    for car in (watched, other):
        if scheduled:
            do(car, "set_scheduled_charging", enable=True, time=14 * 60)
    for step in steps:
        watched_clock.step(step)
        watched.advance()
    other_clock.step(sum(steps))
    other.advance()
    assert watched.battery.energy == pytest.approx(other.battery.energy, abs=1e-4)
    assert watched.charging.state is other.charging.state
    assert watched.connection is other.connection


def test_a_fast_charger_fills_quickly_and_tapers(clock: Clock) -> None:
    car = make_car(clock, battery_level=15, charge_limit=100)
    car.plug(Supply(fast_charger_kw=250))
    clock.step(60)
    assert car.charging_power_w() == pytest.approx(170_000, rel=0.01)
    shown = charge_state(car)
    assert (shown["fast_charger_present"], shown["fast_charger_type"]) == (True, "Combo")
    assert (shown["charger_phases"], shown["charger_actual_current"]) == (None, 0)
    assert shown["charger_power"] == pytest.approx(170, abs=1)
    clock.step(float(str(shown["minutes_to_full_charge"])) * 60 * 0.4)
    car.advance()
    assert car.battery.level > 70
    assert car.charging_power_w() < 80_000
    assert car.wall_energy_wh == 0, "nothing of it came from a wall"
    clock.step(3 * HOUR)
    car.advance()
    assert charge_state(car)["charging_state"] == "Complete"


PLUGGING = st.sampled_from(["plug", "unplug", "start", "stop", "cut", "restore", "wait"])


@settings(deadline=None, max_examples=100)
@given(script=st.lists(st.tuples(PLUGGING, st.floats(0, 30_000)), max_size=10))
def test_no_energy_is_lost_or_made(script: list[tuple[str, float]]) -> None:
    clock = Clock(MONDAY_NOON, paused=True)
    car = make_car(clock, battery_level=90, charge_limit=100, falls_asleep=False)
    changes = {
        "plug": {"plugged_in": True},
        "unplug": {"plugged_in": False},
        "start": {"charging": True},
        "stop": {"charging": False},
        "cut": {"supply_powered": False},
        "restore": {"supply_powered": True},
        "wait": {},
    }
    before = car.battery.energy
    for change, seconds in script:
        patch(car, changes[change])
        clock.step(seconds)
    car.advance()
    used = IDLE_POWER_AWAKE * sum(seconds for _, seconds in script) / HOUR
    gained = car.wall_energy_wh / 1000 * CHARGER_EFFICIENCY
    assert car.battery.energy == pytest.approx(before + gained - used, abs=1e-3)


def test_charging_refusals_name_their_reason(clock: Clock) -> None:
    car = make_car(clock, battery_level=60)
    assert refusal(car, "charge_start") == "disconnected"
    assert refusal(car, "charge_stop") == "not_charging"
    car.plug(Supply(powered=False))
    assert refusal(car, "charge_start") == "no_power"
    car.power_supply(powered=True)
    assert refusal(car, "charge_start") == "requested"
    clock.step(5)
    assert refusal(car, "charge_start") == "is_charging"
    assert refusal(car, "set_charge_limit", percent=80) == "already_set"
    assert refusal(car, "charge_port_door_close") == "cable connected"
    do(car, "set_charge_limit", percent=55)
    assert car.charging.state is ChargingState.COMPLETE
    assert refusal(car, "charge_start") == "complete"


def test_raising_the_limit_resumes_a_complete_charge(clock: Clock) -> None:
    car = make_car(clock, battery_level=80, charge_limit=80, plugged_in=True)
    assert car.charging.state is ChargingState.COMPLETE
    do(car, "set_charge_limit", percent=90)
    assert car.charging.active


def test_limits_and_amps_out_of_range_are_brought_into_it(clock: Clock) -> None:
    car = make_car(clock, plugged_in=True, supply={"max_amps": 10})
    do(car, "set_charge_limit", percent=30)
    do(car, "set_charging_amps", charging_amps=99)
    assert (car.charging.limit, car.charging.requested_amps) == (50, 10)


def test_scheduled_charging_waits_and_starts(clock: Clock) -> None:
    car = make_car(clock, battery_level=50)
    do(car, "set_scheduled_charging", enable=True, time=23 * 60)
    car.plug(Supply())
    state = charge_state(car)
    assert (state["charging_state"], state["scheduled_charging_pending"]) == ("Stopped", True)
    assert state["scheduled_charging_start_time"] == MONDAY_NOON + 11 * HOUR
    clock.step(10.9 * HOUR)
    assert shown(car) == ("asleep", "Stopped")
    clock.step(0.2 * HOUR)
    assert shown(car) == ("online", "Charging")


def test_a_charge_schedule_starts_ends_and_respects_its_days(clock: Clock) -> None:
    car = make_car(clock, battery_level=10, charge_limit=100)
    do(
        car,
        "add_charge_schedule",
        days_of_week="Tuesday",
        enabled=True,
        start_enabled=True,
        start_time=60,
        end_enabled=True,
        end_time=120,
        lat=52.37,
        lon=4.90,
        id=5,
    )
    car.plug(Supply())
    assert not car.charging.active
    clock.step(13.5 * HOUR)
    car.advance()
    assert car.charging.active
    clock.step(HOUR)
    car.advance()
    assert car.charging.state is ChargingState.STOPPED
    level = car.battery.level
    assert level == pytest.approx(10 + 100 * 9.95 / 75, abs=1)
    clock.step(24 * HOUR)
    car.advance()
    assert car.battery.level < level


def test_schedules_elsewhere_do_not_apply(clock: Clock) -> None:
    car = make_car(clock, battery_level=10)
    schedule = {"days_of_week": "All", "enabled": True, "start_enabled": True, "end_enabled": False}
    do(car, "add_charge_schedule", **schedule, start_time=60, lat=10.0, lon=10.0)
    car.plug(Supply())
    assert car.charging.active
    assert refusal(car, "remove_charge_schedule", id=999) == "not_found"


def test_preconditioning_runs_around_its_time(clock: Clock) -> None:
    car = make_car(clock, outside_temperature=0, inside_temperature=0)
    schedule = {"days_of_week": "All", "enabled": True, "lat": 52.37, "lon": 4.90}
    do(car, "add_precondition_schedule", **schedule, precondition_time=13 * 60)
    clock.step(HOUR)
    car.advance()
    assert car.climate.running
    assert car.climate.inside > 18
    clock.step(0.5 * HOUR)
    car.advance()
    assert not car.climate.running


def test_climate_moves_the_cabin_and_costs_energy(clock: Clock) -> None:
    car = make_car(clock, outside_temperature=-5, inside_temperature=-5, battery_level=60)
    do(car, "auto_conditioning_start")
    do(car, "set_temps", driver_temp=22, passenger_temp=40)
    assert car.climate.passenger_setting == 28
    energy = car.battery.energy
    clock.step(0.5 * HOUR)
    car.advance()
    assert car.climate.inside == pytest.approx(25, abs=0.1)
    assert energy - car.battery.energy == pytest.approx(0.5 * (0.2 + 0.3 + 0.12 * 30), abs=0.01)
    do(car, "auto_conditioning_stop")
    clock.step(10 * HOUR)
    car.advance()
    assert car.climate.inside == pytest.approx(-5, abs=0.1)


def test_an_idle_car_sleeps_and_a_wake_takes_time(clock: Clock) -> None:
    car = make_car(clock, sleep_after=600)
    clock.step(599)
    assert car.reachable()
    clock.step(2)
    assert not car.reachable()
    assert shown(car) == ("asleep", "Disconnected")
    car.wake()
    assert not car.reachable()
    clock.step(7.9)
    assert not car.reachable()
    clock.step(12.2)
    assert car.reachable()


def test_a_busy_car_does_not_sleep(clock: Clock) -> None:
    car = make_car(clock)
    do(car, "set_sentry_mode", on=True)
    clock.step(24 * HOUR)
    assert car.reachable()
    do(car, "set_sentry_mode", on=False)
    clock.step(899)
    assert car.reachable()
    clock.step(2)
    assert not car.reachable()


def test_a_car_without_network_cannot_be_woken(clock: Clock) -> None:
    car = make_car(clock, state="offline")
    car.wake()
    clock.step(60)
    assert not car.reachable()
    assert car.connection is Connection.OFFLINE


def test_some_sleeping_cars_show_as_offline(clock: Clock) -> None:
    car = make_car(clock, state="asleep", sleep_shows_as="offline")
    assert car.connection is Connection.OFFLINE
    car.wake()
    clock.step(30)
    assert car.reachable()


def test_wake_delays_repeat_with_the_seed(clock: Clock) -> None:
    cars = [Car(CarSpec(vin=VIN, state="asleep"), clock, seed) for seed in (1, 1, 2)]
    for car in cars:
        car.wake()
    delays = [car.connectivity.awake_at for car in cars]
    assert delays[0] == delays[1] != delays[2]


def test_a_drive_moves_the_car_and_uses_energy(clock: Clock) -> None:
    car = make_car(clock, battery_level=60, odometer_miles=100)
    car.drive_to(52.37, 5.90, mph=60, name="Work")
    distance = car.drive.miles_left()
    clock.step(HOUR / 4)
    car.advance()
    drive_state = read_groups(car, frozenset({"drive_state", "location_data"}))["drive_state"]
    assert isinstance(drive_state, dict)
    assert (drive_state["shift_state"], drive_state["speed"], drive_state["heading"]) == ("D", 60, 90)
    assert refusal(car, "honk_horn") == "not_in_park"
    clock.step(4 * HOUR)
    car.advance()
    assert car.parked
    assert car.place == pytest.approx((52.37, 5.90))
    assert car.drive.odometer == pytest.approx(100 + distance, abs=0.01)
    assert car.battery.level < 60


def test_a_software_update_installs_and_reboots(clock: Clock) -> None:
    car = make_car(clock, firmware="2026.20.1", available_update="2026.32.5")
    epoch = car.security.computer(Domain.DOMAIN_INFOTAINMENT).epoch
    do(car, "schedule_software_update", offset_sec=3600)
    clock.step(2 * HOUR)
    car.advance()
    assert car.firmware == "2026.32.5"
    assert car.security.computer(Domain.DOMAIN_INFOTAINMENT).epoch != epoch
    assert refusal(car, "cancel_software_update") == "no_update_scheduled"
