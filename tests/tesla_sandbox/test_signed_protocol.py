"""The car's side of the signed protocol, driven by requests made by hand."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tesla_protocol.command.car_server_pb2 import (
    ChargingSetLimitAction,
    ChargingStartStopAction,
    HvacAutoAction,
    Ping,
    SetChargingAmpsAction,
    VehicleAction,
)
from tesla_protocol.command.common_pb2 import Void
from tesla_protocol.command.universal_message_pb2 import Domain, MessageFault_E, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import FromVCSECMessage, InformationRequest, UnsignedMessage

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.security.faults import FAULT_NUMBERS
from tesla_sandbox.cars.security.keychain import KeychainFullError
from tesla_sandbox.cars.security.protocol import respond
from tesla_sandbox.cars.spec import CarSpec, KeyRole
from tesla_sandbox.clock import Clock
from tests.tesla_sandbox.signed_requests import (
    ENCRYPT,
    INFOTAINMENT,
    VCSEC,
    SignedClient,
    action,
    infotainment_result,
    point,
    rke,
    security_error,
)

VIN = "LRW3E7EK5PC000101"
UNLOCK, LOCK = rke("UNLOCK"), rke("LOCK")


def fault(name: str) -> int:
    return MessageFault_E.Value(f"MESSAGEFAULT_ERROR_{name}")


def fault_of(answer: RoutableMessage) -> int:
    return answer.signedMessageStatus.signed_message_fault


def set_limit(percent: int) -> bytes:
    return action(VehicleAction(chargingSetLimitAction=ChargingSetLimitAction(percent=percent)))


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000, paused=True)


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(4711, ec.SECP256R1())


@pytest.fixture
def car(clock: Clock, key: ec.EllipticCurvePrivateKey) -> Car:
    spec = CarSpec(vin=VIN, plugged_in=True, charging=True, battery_level=50)
    car = Car(spec, clock, seed=1)
    car.pair_key(key.public_key())
    return car


@pytest.fixture
def client(car: Car, key: ec.EllipticCurvePrivateKey) -> SignedClient:
    return connected(car, SignedClient(key, VIN))


@pytest.fixture
def security(car: Car, key: ec.EllipticCurvePrivateKey) -> SignedClient:
    return connected(car, SignedClient(key, VIN, VCSEC))


def connected(car: Car, client: SignedClient) -> SignedClient:
    request = client.handshake()
    client.learn(request, respond(car, request))
    return client


def test_handshake_answers_a_vouched_session_of_the_domain(car: Car, key: ec.EllipticCurvePrivateKey) -> None:
    client = SignedClient(key, VIN)
    request = client.handshake()
    answer = respond(car, request)
    info = client.learn(request, answer)
    assert (info.status, len(info.epoch), info.clock_time > 0) == (0, 16, True)
    assert answer.request_uuid == request.uuid
    assert answer.from_destination.domain == INFOTAINMENT
    assert answer.to_destination.routing_address == request.from_destination.routing_address
    other = connected(car, client.on(VCSEC))
    assert other.info.publicKey != info.publicKey
    assert other.info.epoch != info.epoch


def test_handshake_of_an_unpaired_key_says_so(car: Car) -> None:
    stranger = SignedClient(ec.derive_private_key(99, ec.SECP256R1()), VIN)
    request = stranger.handshake()
    assert stranger.learn(request, respond(car, request)).status == 1
    assert fault_of(respond(car, stranger.sign(set_limit(70)))) == fault("UNKNOWN_KEY_ID")


def test_lock_and_unlock(car: Car, security: SignedClient) -> None:
    answer = respond(car, security.sign(UNLOCK))
    assert (fault_of(answer), security_error(answer.protobuf_message_as_bytes)) == (0, 0)
    assert not car.body.locked
    respond(car, security.sign(LOCK))
    assert car.body.locked


def test_security_controller_leaves_the_request_uuid_empty(car: Car, security: SignedClient) -> None:
    assert respond(car, security.sign(LOCK)).request_uuid == b""


def test_locking_with_an_open_door_is_a_nominal_error(car: Car, security: SignedClient) -> None:
    car.body.open_doors.add("df")
    answer = respond(car, security.sign(LOCK))
    assert security_error(answer.protobuf_message_as_bytes) == 2


def test_charge_limit_is_set_and_a_repeat_is_refused_in_words(car: Car, client: SignedClient) -> None:
    answer = respond(car, client.sign(set_limit(70)))
    assert infotainment_result(answer.protobuf_message_as_bytes) == (True, "")
    assert car.charging.limit == 70
    answer = respond(car, client.sign(set_limit(70)))
    assert infotainment_result(answer.protobuf_message_as_bytes) == (False, "already_set")


def test_charging_is_stopped_started_and_throttled(car: Car, client: SignedClient, clock: Clock) -> None:
    stop = action(VehicleAction(chargingStartStopAction=ChargingStartStopAction(stop=Void())))
    start = action(VehicleAction(chargingStartStopAction=ChargingStartStopAction(start=Void())))
    results = []
    for payload in (stop, stop, start, start):
        answer = respond(car, client.sign(payload))
        results.append(infotainment_result(answer.protobuf_message_as_bytes))
    assert results == [(True, ""), (False, "not_charging"), (True, ""), (False, "requested")]
    clock.step(5)
    respond(car, client.sign(action(VehicleAction(setChargingAmpsAction=SetChargingAmpsAction(charging_amps=5)))))
    assert car.charging_power_w() == pytest.approx(5 * 230 * 3, rel=0.01)


def test_climate_and_ping(car: Car, client: SignedClient) -> None:
    respond(car, client.sign(action(VehicleAction(hvacAutoAction=HvacAutoAction(power_on=True)))))
    assert car.climate.running
    answer = respond(car, client.sign(action(VehicleAction(ping=Ping(ping_id=1)))))
    assert infotainment_result(answer.protobuf_message_as_bytes) == (True, "")


def refused_without_effect(car: Car, message: RoutableMessage, name: str) -> RoutableMessage:
    answer = respond(car, message)
    assert fault_of(answer) == fault(name)
    assert car.charging.limit == 80
    return answer


Mistake = Callable[[SignedClient], RoutableMessage]
RECOVERABLE: dict[str, Mistake] = {
    "INCORRECT_EPOCH": lambda client: client.sign(set_limit(60), epoch=bytes(16)),
    "TIME_EXPIRED": lambda client: client.sign(set_limit(60), lifetime=-1),
    "TIME_TO_LIVE_TOO_LONG": lambda client: client.sign(set_limit(60), lifetime=100_000),
    "INVALID_SIGNATURE": lambda client: client.sign(set_limit(60), vin="LRW3E7EK5PC000999"),
}


@pytest.mark.parametrize("name", RECOVERABLE)
def test_out_of_step_messages_are_refused_with_fresh_session_information(
    car: Car, client: SignedClient, name: str
) -> None:
    request = RECOVERABLE[name](client)
    answer = refused_without_effect(car, request, name)
    client.learn(request, answer)
    respond(car, client.sign(set_limit(60)))
    assert car.charging.limit == 60


def test_a_replayed_message_is_refused(car: Car, client: SignedClient) -> None:
    message = client.sign(set_limit(60))
    respond(car, message)
    car.charging.limit = 80
    refused_without_effect(car, message, "INVALID_TOKEN_OR_COUNTER")


def test_infotainment_takes_late_messages_once_within_its_window(car: Car, client: SignedClient) -> None:
    respond(car, client.sign(set_limit(61), counter=40))
    assert fault_of(respond(car, client.sign(set_limit(62), counter=9))) == 0
    too_old = respond(car, client.sign(set_limit(63), counter=8))
    assert fault_of(too_old) == fault("INVALID_TOKEN_OR_COUNTER")
    again = respond(car, client.sign(set_limit(64), counter=9))
    assert fault_of(again) == fault("INVALID_TOKEN_OR_COUNTER")
    assert car.charging.limit == 62


def test_security_controller_wants_counters_in_order(car: Car, security: SignedClient) -> None:
    respond(car, security.sign(LOCK, counter=5))
    late = respond(car, security.sign(UNLOCK, counter=4))
    assert fault_of(late) == fault("INVALID_TOKEN_OR_COUNTER")
    assert car.body.locked


def test_a_reboot_begins_a_new_epoch_and_counts_from_zero(car: Car, client: SignedClient) -> None:
    respond(car, client.sign(set_limit(60), counter=30))
    before = client.info.epoch
    car.reboot()
    request = client.sign(set_limit(61))
    answer = respond(car, request)
    assert fault_of(answer) == fault("INCORRECT_EPOCH")
    info = client.learn(request, answer)
    assert (info.epoch != before, info.counter, info.clock_time) == (True, 0, 0)
    respond(car, client.sign(set_limit(61), counter=1))
    assert car.charging.limit == 61


def test_a_disabled_key_is_refused_as_inactive(car: Car, client: SignedClient, key: ec.EllipticCurvePrivateKey) -> None:
    car.disable_key(key.public_key())
    refused_without_effect(car, client.sign(set_limit(60)), "INACTIVE_KEY")
    assert fault_of(respond(car, client.handshake())) == fault("INACTIVE_KEY")


def test_a_removed_key_is_unknown(car: Car, client: SignedClient, key: ec.EllipticCurvePrivateKey) -> None:
    car.remove_key(key.public_key())
    refused_without_effect(car, client.sign(set_limit(60)), "UNKNOWN_KEY_ID")


def test_mobile_access_switched_off_refuses_commands(car: Car, client: SignedClient) -> None:
    car.mobile_access = False
    refused_without_effect(car, client.sign(set_limit(60)), "REMOTE_ACCESS_DISABLED")


def test_messages_that_no_computer_or_command_takes(car: Car, client: SignedClient) -> None:
    refused_without_effect(car, client.on(Domain.DOMAIN_AUTOPILOT).handshake(), "INVALID_DOMAINS")
    refused_without_effect(car, client.sign(b"\xff\xff\xff"), "DECODING")
    refused_without_effect(car, client.sign(b""), "INVALID_COMMAND")
    unsigned = client.sign(set_limit(60))
    unsigned.ClearField("signature_data")
    refused_without_effect(car, unsigned, "BAD_PARAMETER")
    by_handle = client.sign(set_limit(60))
    by_handle.signature_data.signer_identity.handle = 77
    refused_without_effect(car, by_handle, "INVALID_KEY_HANDLE")
    negative = action(VehicleAction(setChargingAmpsAction=SetChargingAmpsAction(charging_amps=-1)))
    refused_without_effect(car, client.sign(negative), "BAD_PARAMETER")


def test_an_oversized_message_to_the_security_controller_is_refused(car: Car, security: SignedClient) -> None:
    answer = respond(car, security.sign(LOCK + bytes(2_000)))
    assert fault_of(answer) == fault("REQUEST_MTU_EXCEEDED")


@pytest.mark.parametrize(
    ("role", "limit_fault", "lock_fault"),
    [
        ("owner", 0, 0),
        ("fleet_manager", 0, 0),
        ("driver", 0, 0),
        ("charging_manager", 0, "INSUFFICIENT_PRIVILEGES"),
        ("vehicle_monitor", "INSUFFICIENT_PRIVILEGES", "INSUFFICIENT_PRIVILEGES"),
        ("service", "REMOTE_SERVICE_ACCESS_DISABLED", 0),
    ],
)
def test_roles_bound_what_a_key_can_do(
    car: Car,
    key: ec.EllipticCurvePrivateKey,
    role: KeyRole,
    limit_fault: str | int,
    lock_fault: str | int,
) -> None:
    car.keychain.pair(point(key), role=role)
    client = connected(car, SignedClient(key, VIN))
    security = connected(car, SignedClient(key, VIN, VCSEC))
    answers = respond(car, client.sign(set_limit(60))), respond(car, security.sign(LOCK))
    expected = [fault(name) if isinstance(name, str) else name for name in (limit_fault, lock_fault)]
    assert [fault_of(answer) for answer in answers] == expected


@pytest.mark.parametrize("domain", [VCSEC, INFOTAINMENT])
def test_answers_are_encrypted_when_asked(car: Car, key: ec.EllipticCurvePrivateKey, domain: Domain) -> None:
    client = connected(car, SignedClient(key, VIN, domain))
    client.flags = ENCRYPT
    seen = set()
    for payload in (UNLOCK, LOCK) if domain == VCSEC else (set_limit(60), set_limit(60)):
        request = client.sign(payload)
        answer = respond(car, request)
        content = client.decrypt(request, answer)
        seen.add(answer.signature_data.AES_GCM_Response_data.nonce)
    if domain == INFOTAINMENT:
        assert infotainment_result(content) == (False, "already_set")
    else:
        assert security_error(content) == 0
    assert len(seen) == 2


def test_old_firmware_ignores_the_wish_for_encryption(clock: Clock, key: ec.EllipticCurvePrivateKey) -> None:
    car = Car(CarSpec(vin=VIN, firmware="2024.26.9"), clock, seed=1)
    car.pair_key(key.public_key())
    client = connected(car, SignedClient(key, VIN))
    client.flags = ENCRYPT
    answer = respond(car, client.sign(set_limit(60)))
    assert not answer.HasField("signature_data")
    assert infotainment_result(answer.protobuf_message_as_bytes) == (True, "")


@pytest.mark.parametrize("number", sorted(FAULT_NUMBERS))
def test_every_fault_can_be_forced(car: Car, client: SignedClient, number: int) -> None:
    answer = respond(car, client.sign(set_limit(60)), forced=number)
    assert fault_of(answer) == number
    executed = number == fault("RESPONSE_MTU_EXCEEDED")
    assert car.charging.limit == (60 if executed else 80)


def test_key_information_is_reported(car: Car, security: SignedClient) -> None:
    request = UnsignedMessage(
        InformationRequest=InformationRequest(informationRequestType="INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO")
    )
    answer = respond(car, security.sign(request.SerializeToString()))
    info = FromVCSECMessage.FromString(answer.protobuf_message_as_bytes).whitelistInfo
    assert (info.numberOfEntries, len(info.whitelistEntries)) == (3, 1)


def test_a_car_takes_twenty_keys(car: Car) -> None:
    for scalar in range(1, 18):
        car.pair_key(ec.derive_private_key(scalar, ec.SECP256R1()).public_key())
    assert len(car.keychain) == 20
    with pytest.raises(KeychainFullError):
        car.pair_key(ec.derive_private_key(18, ec.SECP256R1()).public_key())


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(position=st.integers(min_value=0), change=st.integers(min_value=1, max_value=255))
def test_no_changed_byte_is_accepted(car: Car, client: SignedClient, position: int, change: int) -> None:
    message = client.sign(set_limit(60)).SerializeToString()
    changed = bytearray(message)
    changed[position % len(changed)] ^= change
    try:
        received = RoutableMessage.FromString(bytes(changed))
    except DecodeError:
        return
    respond(car, received)
    signed = RoutableMessage.FromString(message)
    same_content = (
        received.protobuf_message_as_bytes == signed.protobuf_message_as_bytes
        and received.signature_data == signed.signature_data
        and received.to_destination == signed.to_destination
        and received.flags == signed.flags
    )
    if not same_content:
        assert car.charging.limit == 80
    car.charging.limit = 80


numbers = st.integers(0, 2**32 - 1)
DOMAINS = st.sampled_from([Domain.DOMAIN_BROADCAST, VCSEC, INFOTAINMENT, Domain.DOMAIN_AUTOPILOT])
PUBLIC_KEYS = st.sampled_from([point(ec.derive_private_key(scalar, ec.SECP256R1())) for scalar in (4711, 99)])


@st.composite
def routable_messages(draw: st.DrawFn) -> RoutableMessage:
    """Well-formed messages with any content."""
    message = RoutableMessage(uuid=draw(st.binary(max_size=300)), flags=draw(numbers))
    message.to_destination.domain = draw(DOMAINS)
    message.from_destination.routing_address = draw(st.binary(max_size=20))
    public_key = draw(PUBLIC_KEYS | st.binary(max_size=70))
    if draw(st.booleans()):
        message.session_info_request.public_key = public_key
        return message
    message.protobuf_message_as_bytes = draw(st.binary(max_size=60))
    message.signature_data.signer_identity.public_key = public_key
    proof = message.signature_data.HMAC_Personalized_data
    proof.epoch, proof.tag = draw(st.binary(max_size=300)), draw(st.binary(max_size=40))
    proof.counter, proof.expires_at = draw(numbers), draw(numbers)
    return message


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(message=routable_messages(), forced=st.none() | st.sampled_from(sorted(FAULT_NUMBERS)))
def test_every_message_is_answered(car: Car, message: RoutableMessage, forced: int | None) -> None:
    before = car.charging.limit, car.body.locked, car.climate.running
    answer = respond(car, message, forced)
    assert answer.to_destination == message.from_destination
    if not answer.session_info:
        assert fault_of(answer) != 0
    assert (car.charging.limit, car.body.locked, car.climate.running) == before
