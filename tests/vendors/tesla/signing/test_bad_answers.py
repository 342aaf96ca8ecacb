"""Answers that are lost, forged, foreign, replayed or malformed, and what is said of the command."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tesla_protocol.command import signatures_pb2, universal_message_pb2

from tests.vendors.tesla.signing.memory_store import MemorySessionStore
from tests.vendors.tesla.signing.simulated_vehicle import VIN, Clock, Vehicle
from wattbus_server.vendors.tesla.signing import (
    ClientKey,
    CommandExpired,
    Domain,
    InvalidAnswer,
    StoredSession,
    VehicleCommandClient,
    VehicleFault,
    carries_command,
    payloads,
)
from wattbus_server.vendors.tesla.signing.authentication import (
    AuthenticationError,
    CommandClaims,
    EncryptedAnswer,
)
from wattbus_server.vendors.tesla.signing.messages import command_request, handshake_request

LIMIT = payloads.set_charge_limit(80)
LOCK = payloads.door_lock()
Message = universal_message_pb2.RoutableMessage
Tamper = Callable[[Message], None]


class GatewayTimeoutError(Exception):
    """An error of the transport."""

    def __init__(self, may_have_executed: bool) -> None:
        super().__init__("gateway timeout")
        self.may_have_executed = may_have_executed


async def test_a_lost_answer_is_the_transports_error_and_is_not_sent_again(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    async def lossy(message: bytes) -> bytes:
        answer = await vehicle.send(message)
        if carries_command(message):
            raise GatewayTimeoutError(may_have_executed=True)
        return answer

    with pytest.raises(GatewayTimeoutError) as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, lossy, expires_in=10, repeatable=True)
    assert caught.value.may_have_executed
    assert vehicle.infotainment.executed == [LIMIT.data]


async def test_after_a_lost_answer_the_counter_is_not_used_again(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    async def lost_before_the_vehicle(message: bytes) -> bytes:
        if carries_command(message):
            raise GatewayTimeoutError(may_have_executed=True)
        return await vehicle.send(message)

    with pytest.raises(GatewayTimeoutError):
        await client.execute(VIN, LOCK.domain, LOCK.data, lost_before_the_vehicle, expires_in=10)
    await client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=10)
    assert vehicle.vcsec.counters_seen == [2]


async def test_a_transport_can_tell_a_handshake_from_a_command(client: VehicleCommandClient, vehicle: Vehicle) -> None:
    await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert list(map(carries_command, vehicle.messages)) == [False, True]
    assert carries_command(b"\xff")


def tamper_commands_only(change: Tamper) -> Tamper:
    def tamper(answer: Message) -> None:
        if not answer.HasField("session_info"):
            change(answer)

    return tamper


def _wrong_address(answer: Message) -> None:
    answer.to_destination.routing_address = bytes(16)


def _wrong_uuid(answer: Message) -> None:
    answer.request_uuid = bytes(16)


def _no_uuid(answer: Message) -> None:
    answer.ClearField("request_uuid")


def _wrong_domain(answer: Message) -> None:
    answer.from_destination.domain = universal_message_pb2.DOMAIN_VEHICLE_SECURITY


def _no_source(answer: Message) -> None:
    answer.ClearField("from_destination")


def _no_destination(answer: Message) -> None:
    answer.ClearField("to_destination")


FOREIGN = [_wrong_address, _wrong_uuid, _no_uuid, _wrong_domain, _no_source, _no_destination]


@pytest.mark.parametrize("change", FOREIGN)
async def test_a_foreign_answer_to_a_handshake_means_nothing_was_executed(
    client: VehicleCommandClient, vehicle: Vehicle, store: MemorySessionStore, change: Tamper
) -> None:
    vehicle.infotainment.tamper = change
    with pytest.raises(InvalidAnswer) as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert not caught.value.may_have_executed
    assert vehicle.infotainment.executed == []
    assert store.saved == []


@pytest.mark.parametrize("change", FOREIGN)
async def test_a_foreign_answer_to_a_command_leaves_the_outcome_open(
    client: VehicleCommandClient, vehicle: Vehicle, change: Tamper
) -> None:
    vehicle.infotainment.tamper = tamper_commands_only(change)
    with pytest.raises(InvalidAnswer) as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert caught.value.may_have_executed


async def test_vcsec_is_correlated_by_address_but_a_uuid_that_is_there_must_fit(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    await client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=10)
    for change in (_wrong_uuid, _wrong_address):
        vehicle.vcsec.tamper = change
        with pytest.raises(InvalidAnswer):
            await client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=10)


@pytest.mark.parametrize("domain", list(Domain))
@given(data=st.data())
async def test_any_flipped_bit_in_an_encrypted_answer_is_noticed(
    key: ClientKey, domain: Domain, data: st.DataObject
) -> None:
    clock = Clock()
    vehicle = Vehicle(clock)
    vehicle.pair(key.public_point)
    subsystem = vehicle.subsystems[domain]
    subsystem.result = b"applied"
    part = data.draw(st.sampled_from(["nonce", "tag", "payload", "counter", "flags", "fault"]))

    def change(answer: Message) -> None:
        response = answer.signature_data.AES_GCM_Response_data
        if part == "payload":
            answer.protobuf_message_as_bytes = _flip(answer.protobuf_message_as_bytes, data)
        elif part == "counter":
            response.counter ^= 1 << data.draw(st.integers(0, 31))
        elif part == "flags":
            answer.flags ^= 1 << data.draw(st.integers(0, 31))
        elif part == "fault":
            fault = data.draw(st.integers(1, 29))
            answer.signedMessageStatus.signed_message_fault = fault  # type: ignore[assignment] # a plain number
        else:
            setattr(response, part, _flip(getattr(response, part), data))

    subsystem.tamper = tamper_commands_only(change)
    client = VehicleCommandClient(key, MemorySessionStore(), wall_clock=clock, monotonic=clock)
    with pytest.raises(InvalidAnswer, match="does not verify") as caught:
        await client.execute(VIN, domain, b"payload", vehicle.send, expires_in=10)
    assert caught.value.may_have_executed
    assert subsystem.executed == [b"payload"]


def _flip(value: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    number = int.from_bytes(value, "big") ^ (1 << bit)
    return number.to_bytes(len(value), "big")


@given(noise=st.binary(max_size=100))
async def test_noise_instead_of_an_answer_is_an_invalid_answer(key: ClientKey, noise: bytes) -> None:
    async def send(message: bytes) -> bytes:
        return noise

    client = VehicleCommandClient(key, MemorySessionStore())
    with pytest.raises(InvalidAnswer) as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, send, expires_in=10)
    assert not caught.value.may_have_executed


async def test_a_forged_handshake_is_not_stored(
    client: VehicleCommandClient, vehicle: Vehicle, store: MemorySessionStore
) -> None:
    def forge(answer: Message) -> None:
        answer.signature_data.session_info_tag.tag = bytes(32)

    vehicle.infotainment.tamper = forge
    with pytest.raises(InvalidAnswer, match="tag does not verify") as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert not caught.value.may_have_executed
    assert store.saved == []


async def test_forged_session_info_in_a_fault_is_dropped_and_replaced_by_a_handshake(
    client: VehicleCommandClient, vehicle: Vehicle, store: MemorySessionStore
) -> None:
    def forge(answer: Message) -> None:
        if answer.signedMessageStatus.signed_message_fault:
            answer.signature_data.session_info_tag.tag = bytes(32)

    vehicle.infotainment.tamper = forge
    vehicle.infotainment.faults.append(15)
    await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert vehicle.infotainment.handshakes == 2
    assert len(store.saved) == 2


async def test_session_info_that_took_too_long_is_not_believed(
    client: VehicleCommandClient, vehicle: Vehicle, clock: Clock, store: MemorySessionStore
) -> None:
    async def slow(is_command: bool) -> None:
        clock.now += 11

    vehicle.before_answering = slow
    with pytest.raises(InvalidAnswer, match="11 s after the request") as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=60)
    assert not caught.value.may_have_executed
    assert store.saved == []


async def test_old_session_info_replayed_into_a_fault_cannot_turn_the_clock_back(
    client: VehicleCommandClient, vehicle: Vehicle, clock: Clock, store: MemorySessionStore
) -> None:
    await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    newest = store.saved[-1].clock_time
    vehicle.infotainment.booted += 50  # the subsystem signs session info with an earlier time
    vehicle.infotainment.faults.append(17)
    with pytest.raises(InvalidAnswer, match="clock went back"):
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert store.saved[-1].clock_time == newest


async def test_late_session_info_does_not_replace_what_another_replica_learnt_meanwhile(
    client: VehicleCommandClient, vehicle: Vehicle, store: MemorySessionStore
) -> None:
    await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    vehicle.infotainment.reboot(uptime=3)
    newer: list[StoredSession] = []

    async def overtaken(is_command: bool) -> None:
        if not newer:
            epoch, clock_time = vehicle.infotainment.epoch, vehicle.infotainment.clock_time + 1
            newer.append(replace(store.saved[-1], epoch=epoch, clock_time=clock_time))
            await store.save(newer[0])

    vehicle.before_answering = overtaken
    await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert store.saved[-1] == newer[0]
    assert vehicle.infotainment.handshakes == 1


async def test_a_handshake_that_refuses_the_key_handle_is_a_fault(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    vehicle.infotainment.status = signatures_pb2.SESSION_INFO_STATUS_INVALID_HANDLE
    with pytest.raises(VehicleFault) as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert caught.value.name == "INVALID_KEY_HANDLE"
    assert not caught.value.may_have_executed


async def test_an_exhausted_counter_sends_no_command(client: VehicleCommandClient, vehicle: Vehicle) -> None:
    vehicle.infotainment.counter = 2**32 - 1
    with pytest.raises(CommandExpired, match="counter") as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert not caught.value.may_have_executed
    assert list(map(carries_command, vehicle.messages)) == [False]


async def test_a_handshake_answer_that_claims_to_be_encrypted_is_invalid(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    def claim(answer: Message) -> None:
        answer.signature_data.AES_GCM_Response_data.counter = 1

    vehicle.infotainment.tamper = claim
    with pytest.raises(InvalidAnswer, match="cannot be encrypted") as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert not caught.value.may_have_executed


async def test_a_handshake_without_session_info_is_invalid(client: VehicleCommandClient, vehicle: Vehicle) -> None:
    vehicle.infotainment.tamper = lambda answer: answer.ClearField("session_info")
    with pytest.raises(InvalidAnswer, match="without session info") as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert not caught.value.may_have_executed


async def test_a_command_answered_by_session_info_alone_leaves_the_outcome_open(
    client: VehicleCommandClient, vehicle: Vehicle, key: ClientKey
) -> None:
    vehicle.infotainment.encrypts = False

    def replace_payload(answer: Message) -> None:
        vehicle.infotainment.put_session_info(answer, answer.request_uuid, key.public_point)

    vehicle.infotainment.tamper = tamper_commands_only(replace_payload)
    with pytest.raises(InvalidAnswer, match="session info alone") as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert caught.value.may_have_executed


async def test_waiting_means_busy_and_is_tried_again(client: VehicleCommandClient, vehicle: Vehicle) -> None:
    vehicle.vcsec.encrypts = False
    waits = [True]

    def wait_once(answer: Message) -> None:
        if waits and not answer.HasField("session_info"):
            waits.pop()
            answer.signedMessageStatus.operation_status = universal_message_pb2.OPERATIONSTATUS_WAIT

    vehicle.vcsec.tamper = wait_once
    await client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=10)
    assert len(vehicle.vcsec.counters_seen) == 2


async def test_an_error_without_a_fault_or_payload_may_have_executed(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    vehicle.vcsec.encrypts = False

    def fail(answer: Message) -> None:
        answer.signedMessageStatus.operation_status = universal_message_pb2.OPERATIONSTATUS_ERROR

    vehicle.vcsec.tamper = tamper_commands_only(fail)
    with pytest.raises(VehicleFault) as caught:
        await client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=10)
    assert (caught.value.number, caught.value.may_have_executed) == (0, True)
    vehicle.vcsec.result = b"the application explains"
    got = await client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=10)
    assert got == vehicle.vcsec.result


@pytest.mark.parametrize("domain", list(Domain))
def test_a_replayed_answer_is_refused_and_a_later_one_is_not(key: ClientKey, domain: Domain) -> None:
    vehicle = Vehicle(Clock())
    subsystem = vehicle.subsystems[domain]
    claims = CommandClaims(domain, VIN, subsystem.epoch, counter=1, expires_at=200, flags=2)
    request = command_request(
        claims,
        b"payload",
        shared_key=subsystem.shared_key(key.public_point),
        public_point=key.public_point,
    )
    wire = Message.FromString(request.message)

    def answer(counter: int) -> EncryptedAnswer:
        message = subsystem.answer_to(wire)
        subsystem.encrypt(message, wire, b"done", counter)
        response = message.signature_data.AES_GCM_Response_data
        return EncryptedAnswer(
            domain=domain,
            vin=VIN,
            counter=counter,
            flags=0,
            fault=0,
            request_hash=request.hash,
            nonce=response.nonce,
            ciphertext=message.protobuf_message_as_bytes,
            tag=response.tag,
        )

    assert len(request.hash) == (17 if domain is Domain.VEHICLE_SECURITY else 33)
    assert request.open(answer(7)) == b"done"
    with pytest.raises(AuthenticationError, match="received before"):
        request.open(answer(7))
    assert request.open(answer(6)) == b"done"


def test_requests_never_share_an_identifier(key: ClientKey) -> None:
    requests = [handshake_request(VIN, Domain.INFOTAINMENT, key.public_point) for _ in range(50)]
    assert len({request.uuid for request in requests} | {r.routing_address for r in requests}) == 100
