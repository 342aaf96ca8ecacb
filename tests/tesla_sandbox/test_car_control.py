"""What the control interface shows of a car and how it changes one."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tesla_protocol.command.car_server_pb2 import HvacAutoAction, VehicleAction
from tesla_protocol.command.universal_message_pb2 import MessageFault_E, RoutableMessage

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.control import CHANGES, patch, summary
from tesla_sandbox.cars.live_data import GROUPS, read_groups
from tesla_sandbox.cars.security.protocol import respond
from tesla_sandbox.cars.spec import CarSpec
from tesla_sandbox.clock import Clock
from tests.tesla_sandbox.signed_requests import ENCRYPT, SignedClient, action

VIN = "LRW3E7EK5PC000101"
KEY = ec.derive_private_key(4711, ec.SECP256R1())
CLIMATE_ON = action(VehicleAction(hvacAutoAction=HvacAutoAction(power_on=True)))


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000, paused=True)


@pytest.fixture
def car(clock: Clock) -> Car:
    return Car(CarSpec(vin=VIN, boot_seconds=20), clock, seed=1)


@pytest.mark.parametrize(
    ("change", "value", "shown", "expected"),
    [
        ("state", "asleep", "state", "asleep"),
        ("state", "offline", "state", "offline"),
        ("plugged_in", True, "charging_state", "Starting"),
        ("plug_into", {"fast_charger_kw": 150}, "charging_state", "Starting"),
        ("battery_level", 12.5, "battery_level", 12.5),
        ("charging_amps", 9, "charging_amps", 9),
        ("charge_limit", 90, "charge_limit", 90),
        ("locked", False, "locked", False),
        ("climate_on", True, "climate_on", True),
        ("inside_temperature", 40, "inside_temperature", 40.0),
        ("latitude", -33.5, "latitude", -33.5),
        ("display_name", "New", "display_name", "New"),
        ("firmware", "2026.40.1", "firmware", "2026.40.1"),
        ("protocol_required", False, "protocol_required", False),
        ("drive_to", {"latitude": 52.5, "longitude": 5.0}, "driving", True),
        ("other_keys", 7, "keys", 7),
    ],
)
def test_a_change_shows(car: Car, change: str, value: object, shown: str, expected: object) -> None:
    patch(car, {change: value})
    assert summary(car)[shown] == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "red"},
        {"battery_level": "full"},
        {"battery_level": 101},
        {"locked": 1},
        {"state": "parked"},
        {"display_name": 5},
        {"firmware": "new"},
        {"drive_to": {"latitude": 52}},
        {"charging_amps": 81},
        {"other_keys": 21},
        {"key": "paired"},
    ],
)
def test_an_unfit_change_is_refused_and_nothing_is_applied(car: Car, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes)) if "key" not in changes else "key"):
        patch(car, {"locked": False, **changes})
    assert car.body.locked


def test_every_change_has_a_reader_that_refuses_nonsense(car: Car) -> None:
    for name in CHANGES:
        with pytest.raises(ValueError, match=name):
            patch(car, {name: object()})


def test_keys_are_paired_disabled_and_removed(car: Car) -> None:
    public = KEY.public_key()
    for state in ("paired", "disabled", "unpaired"):
        patch(car, {"key": state}, public)
        assert car.key_state(public) == state


def test_a_car_holds_no_more_than_twenty_keys(car: Car) -> None:
    public = KEY.public_key()
    patch(car, {"other_keys": 20}, public)
    with pytest.raises(ValueError, match="at most 20 keys"):
        patch(car, {"locked": False, "key": "paired"}, public)
    assert car.body.locked
    patch(car, {"other_keys": 19, "key": "paired"}, public)
    with pytest.raises(ValueError, match="at most 20 keys"):
        patch(car, {"other_keys": 20}, public)
    patch(car, {"key": "unpaired", "other_keys": 20}, public)
    assert (summary(car)["keys"], summary(car)["other_keys"]) == (20, 20)


def test_charging_amps_bound_the_power(car: Car, clock: Clock) -> None:
    patch(car, {"plugged_in": True})
    clock.step(60)
    patch(car, {"charging_amps": 8})
    assert summary(car)["charging_power_w"] == 8 * 3 * 230


def test_a_cut_of_the_walls_power_shows_and_ends(car: Car, clock: Clock) -> None:
    patch(car, {"plugged_in": True})
    clock.step(60)
    patch(car, {"supply_powered": False})
    assert summary(car)["charging_state"] == "NoPower"
    patch(car, {"supply_powered": True})
    assert summary(car)["charging_state"] == "Starting"


def exchanges(seed: int) -> list[bytes]:
    """A scripted life, as the bytes of everything that the car answers."""
    clock = Clock(1_800_000_000, paused=True)
    car = Car(CarSpec(vin=VIN, plugged_in=True, charging=True, sleep_after=60), clock, seed)
    car.pair_key(KEY.public_key())
    client = SignedClient(KEY, VIN)
    request = client.handshake()
    answers = [respond(car, request)]
    client.learn(request, answers[0])
    client.flags = ENCRYPT
    for _ in range(3):
        clock.step(100)
        answers.append(respond(car, client.sign(CLIMATE_ON, lifetime=290)))
        answers.append(RoutableMessage(uuid=repr(read_groups(car, frozenset(GROUPS))).encode()))
    return [answer.SerializeToString() for answer in answers]


def test_the_same_seed_and_script_give_the_same_bytes() -> None:
    assert exchanges(1) == exchanges(1)
    assert exchanges(1)[0] != exchanges(2)[0]


def test_infotainment_answers_faults_while_it_boots(car: Car, clock: Clock) -> None:
    car.pair_key(KEY.public_key())
    patch(car, {"reboot": True})
    client = SignedClient(KEY, VIN)
    request = client.handshake()
    client.learn(request, respond(car, request))
    answer = respond(car, client.sign(CLIMATE_ON))
    assert answer.signedMessageStatus.signed_message_fault == MessageFault_E.MESSAGEFAULT_ERROR_INTERNAL
    clock.step(20)
    assert respond(car, client.sign(CLIMATE_ON, lifetime=60)).signedMessageStatus.signed_message_fault == 0
