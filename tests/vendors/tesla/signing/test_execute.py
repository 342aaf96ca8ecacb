"""The ordinary course: handshake, command, answer, and what is kept between them."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from tesla_protocol.command import car_server_pb2, universal_message_pb2

from tests.vendors.tesla.signing.memory_store import MemorySessionStore
from tests.vendors.tesla.signing.simulated_vehicle import INFOTAINMENT, VIN, Clock, Vehicle
from wattbus_server.vendors.tesla.signing import (
    ClientKey,
    CommandExpired,
    Domain,
    VehicleCommandClient,
    carries_command,
    payloads,
)

LIMIT = payloads.set_charge_limit(80)
LOCK = payloads.door_lock()
DOMAINS = list(Domain)


@pytest.mark.parametrize("encrypts", [True, False], ids=["encrypted", "plain"])
@pytest.mark.parametrize("domain", DOMAINS)
async def test_first_command_shakes_hands_and_returns_the_vehicles_answer(
    client: VehicleCommandClient, vehicle: Vehicle, domain: Domain, encrypts: bool
) -> None:
    subsystem = vehicle.subsystems[domain]
    subsystem.encrypts = encrypts
    subsystem.result = b"answer of the application"
    assert await client.execute(VIN, domain, b"payload", vehicle.send, expires_in=10) == subsystem.result
    assert subsystem.executed == [b"payload"]
    assert subsystem.handshakes == 1


async def test_an_empty_answer_of_vcsec_is_empty(client: VehicleCommandClient, vehicle: Vehicle) -> None:
    vehicle.vcsec.encrypts = False
    assert await client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=10) == b""


@given(answer=st.binary(max_size=500))
async def test_encrypted_answers_round_trip(key: ClientKey, answer: bytes) -> None:
    clock = Clock()
    vehicle = Vehicle(clock)
    vehicle.pair(key.public_point)
    vehicle.infotainment.result = answer
    client = VehicleCommandClient(key, MemorySessionStore(), wall_clock=clock, monotonic=clock)
    got = await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert got == answer


async def test_the_next_command_needs_no_handshake(client: VehicleCommandClient, vehicle: Vehicle) -> None:
    for _ in range(3):
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert vehicle.infotainment.handshakes == 1
    assert vehicle.infotainment.counters_seen == [1, 2, 3]


async def test_a_restart_reuses_the_session_and_no_counter(
    client: VehicleCommandClient, vehicle: Vehicle, key: ClientKey, store: MemorySessionStore, clock: Clock
) -> None:
    await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    restarted = VehicleCommandClient(key, store, wall_clock=clock, monotonic=Clock(5.0))
    await restarted.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert vehicle.infotainment.handshakes == 1
    assert vehicle.infotainment.counters_seen == [1, 2]


async def test_another_application_key_has_its_own_session(
    client: VehicleCommandClient, vehicle: Vehicle, store: MemorySessionStore, clock: Clock
) -> None:
    await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    other_key = ClientKey(ec.generate_private_key(ec.SECP256R1()))
    vehicle.pair(other_key.public_point)
    other = VehicleCommandClient(other_key, store, wall_clock=clock, monotonic=clock)
    await other.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert vehicle.infotainment.handshakes == 2
    assert len(store.sessions) == 2


async def test_the_counter_is_reserved_before_anything_is_sent(
    client: VehicleCommandClient, vehicle: Vehicle, store: MemorySessionStore
) -> None:
    reserved_when_sent: list[int] = []

    async def send(message: bytes) -> bytes:
        if carries_command(message):
            request = universal_message_pb2.RoutableMessage.FromString(message)
            assert request.signature_data.HMAC_Personalized_data.counter in store.reserved
            reserved_when_sent.append(len(store.reserved))
        return await vehicle.send(message)

    await client.execute(VIN, LIMIT.domain, LIMIT.data, send, expires_in=10)
    assert reserved_when_sent == [1]


@given(waits=st.lists(st.integers(0, 5), min_size=2, max_size=12), domain=st.sampled_from(DOMAINS))
async def test_counters_strictly_increase_over_clients_that_run_at_once(
    key: ClientKey, waits: list[int], domain: Domain
) -> None:
    clock, store = Clock(), MemorySessionStore()
    vehicle = Vehicle(clock)
    vehicle.pair(key.public_point)
    sent: list[int] = []

    async def send(message: bytes) -> bytes:
        request = universal_message_pb2.RoutableMessage.FromString(message)
        if carries_command(message):
            sent.append(request.signature_data.HMAC_Personalized_data.counter)
        return await vehicle.send(message)

    async def command(wait: int) -> None:
        replica = VehicleCommandClient(key, store, wall_clock=clock, monotonic=clock, sleep=clock.sleep)
        for _ in range(wait):
            await asyncio.sleep(0)
        await replica.execute(VIN, domain, b"payload", send, expires_in=500, repeatable=True)

    results = await asyncio.gather(*map(command, waits), return_exceptions=True)
    assert store.reserved == sorted(set(store.reserved))
    assert len(set(sent)) == len(sent)
    if domain is Domain.INFOTAINMENT:
        assert results == [None] * len(waits)
        assert len(vehicle.infotainment.executed) == len(waits)


async def test_one_request_at_a_time_to_vcsec_and_many_to_infotainment(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    async def yield_often(is_command: bool) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    vehicle.before_answering = yield_often
    calls = [
        client.execute(VIN, payload.domain, payload.data, vehicle.send, expires_in=60) for payload in [LOCK, LIMIT] * 8
    ]
    await asyncio.gather(*calls)
    assert vehicle.most_in_flight[Domain.VEHICLE_SECURITY] == 1
    assert vehicle.most_in_flight[INFOTAINMENT] > 1
    assert vehicle.vcsec.counters_seen == list(range(1, 9))
    assert [subsystem.handshakes for subsystem in vehicle.subsystems.values()] == [1, 1]


async def test_two_vehicles_do_not_wait_for_each_other(
    client: VehicleCommandClient, key: ClientKey, clock: Clock, vehicle: Vehicle
) -> None:
    arrived = asyncio.Event()
    release = asyncio.Event()

    async def stuck(is_command: bool) -> None:
        arrived.set()
        await release.wait()

    vehicle.before_answering = stuck
    slow = asyncio.create_task(client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=60))
    await arrived.wait()
    other_vin = "5YJ30123456789ABD"
    seen: list[bytes] = []

    async def other_send(message: bytes) -> bytes:
        seen.append(message)
        raise ConnectionError("other vehicle")

    with pytest.raises(ConnectionError, match="other vehicle"):
        await client.execute(other_vin, LOCK.domain, LOCK.data, other_send, expires_in=60)
    assert len(seen) == 1
    release.set()
    await slow


async def test_a_call_whose_turn_does_not_come_in_time_sends_nothing(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def stuck(is_command: bool) -> None:
        arrived.set()
        await release.wait()

    vehicle.before_answering = stuck
    slow = asyncio.create_task(client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=60))
    await arrived.wait()
    with pytest.raises(CommandExpired) as caught:
        await client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=0.01)
    assert not caught.value.may_have_executed
    release.set()
    await slow
    assert vehicle.vcsec.executed == [LOCK.data]


async def test_a_cancelled_call_frees_its_turn(client: VehicleCommandClient, vehicle: Vehicle) -> None:
    arrived = asyncio.Event()

    async def stuck(is_command: bool) -> None:
        arrived.set()
        await asyncio.Event().wait()

    vehicle.before_answering = stuck
    slow = asyncio.create_task(client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=60))
    await arrived.wait()
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    vehicle.before_answering = vehicle._at_once
    await client.execute(VIN, LOCK.domain, LOCK.data, vehicle.send, expires_in=60)
    assert vehicle.vcsec.executed[-1] == LOCK.data


async def test_a_handshake_that_eats_the_time_sends_no_command(
    client: VehicleCommandClient, vehicle: Vehicle, clock: Clock
) -> None:
    async def slow(is_command: bool) -> None:
        clock.now += 6

    vehicle.before_answering = slow
    with pytest.raises(CommandExpired) as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=5)
    assert not caught.value.may_have_executed
    assert vehicle.infotainment.executed == []


async def test_a_command_expires_when_the_caller_said(
    client: VehicleCommandClient, vehicle: Vehicle, clock: Clock
) -> None:
    await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=30)
    request = universal_message_pb2.RoutableMessage.FromString(vehicle.messages[-1])
    expires_at = request.signature_data.HMAC_Personalized_data.expires_at
    assert expires_at == vehicle.infotainment.clock_time + 30


async def test_a_command_carries_what_the_fleet_api_wants(
    client: VehicleCommandClient, vehicle: Vehicle, key: ClientKey
) -> None:
    await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=30)
    handshake, command = map(universal_message_pb2.RoutableMessage.FromString, vehicle.messages)
    assert handshake.session_info_request.public_key == key.public_point
    assert not handshake.HasField("signature_data")
    assert command.flags == 2
    assert command.protobuf_message_as_bytes == LIMIT.data
    assert command.signature_data.signer_identity.public_key == key.public_point
    assert command.signature_data.WhichOneof("sig_type") == "HMAC_Personalized_data"
    assert command.signature_data.HMAC_Personalized_data.epoch == vehicle.infotainment.epoch
    identifiers = {handshake.uuid, command.uuid}
    identifiers |= {message.from_destination.routing_address for message in (handshake, command)}
    assert len(identifiers) == 4
    assert {len(identifier) for identifier in identifiers} == {16}
    assert car_server_pb2.Action.FromString(command.protobuf_message_as_bytes).vehicleAction


@pytest.mark.parametrize("vin", ["", "5YJ3", "5YJ30123456789ABC0", "5YJ3O123456789ABC", "5yj30123456789abc"])
async def test_refuses_what_is_no_vin(client: VehicleCommandClient, vehicle: Vehicle, vin: str) -> None:
    with pytest.raises(ValueError, match="VIN"):
        await client.execute(vin, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=10)
    assert vehicle.messages == []


@pytest.mark.parametrize("expires_in", [0, -1, 601, float("nan"), float("inf")])
async def test_refuses_a_lifetime_out_of_range(
    client: VehicleCommandClient, vehicle: Vehicle, expires_in: float
) -> None:
    with pytest.raises(ValueError, match="expires_in"):
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=expires_in)
    assert vehicle.messages == []
