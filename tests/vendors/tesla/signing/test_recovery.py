"""What the client does about each fault, and what it says when it cannot help."""

from dataclasses import replace

import pytest

from tests.vendors.tesla.signing.memory_store import MemorySessionStore
from tests.vendors.tesla.signing.simulated_vehicle import VIN, Clock, Vehicle
from wattbus_server.vendors.tesla.signing import (
    ClientKey,
    Domain,
    RetryPolicy,
    SignedPayload,
    VehicleCommandClient,
    VehicleFault,
    payloads,
)

LIMIT = payloads.set_charge_limit(80)
HONK = payloads.honk_horn()
LOCK = payloads.door_lock()

RECOVERED = {1, 2, 5, 6, 11, 15, 17, 20, 26}
"""The faults after which the reference allows another try."""

MAY_HAVE_EXECUTED = {2, 25, 77}
EVERY_FAULT = [*range(1, 30), 77]


async def run(client: VehicleCommandClient, vehicle: Vehicle, payload: SignedPayload) -> bytes:
    return await client.execute(
        VIN,
        payload.domain,
        payload.data,
        vehicle.send,
        expires_in=30,
        repeatable=payload.repeatable,
    )


@pytest.mark.parametrize("payload", [LIMIT, LOCK], ids=["infotainment", "vcsec"])
@pytest.mark.parametrize("fault", EVERY_FAULT)
async def test_a_fault_that_passes_is_recovered_from_and_any_other_is_told(
    client: VehicleCommandClient, vehicle: Vehicle, payload: SignedPayload, fault: int
) -> None:
    subsystem = vehicle.subsystems[payload.domain]
    subsystem.faults.append(fault)
    if fault in RECOVERED:
        await run(client, vehicle, payload)
        assert subsystem.executed == [payload.data]
        return
    with pytest.raises(VehicleFault) as caught:
        await run(client, vehicle, payload)
    assert caught.value.number == fault
    assert caught.value.retry is RetryPolicy.NEVER
    assert caught.value.may_have_executed == (fault in MAY_HAVE_EXECUTED)
    assert str(caught.value) == caught.value.sentence
    assert subsystem.executed == []


@pytest.mark.parametrize("fault", EVERY_FAULT)
async def test_a_fault_that_stays_ends_after_a_bounded_number_of_tries(
    client: VehicleCommandClient, vehicle: Vehicle, fault: int
) -> None:
    vehicle.infotainment.faults.extend([fault] * 50)
    with pytest.raises(VehicleFault) as caught:
        await run(client, vehicle, LIMIT)
    tries = 50 - len(vehicle.infotainment.faults)
    assert caught.value.number == fault
    assert caught.value.may_have_executed == (fault in MAY_HAVE_EXECUTED)
    assert 2 <= tries <= 4 if fault in RECOVERED else tries == 1
    assert len(vehicle.messages) <= 2 * tries + 1


@pytest.mark.parametrize("fault", sorted(RECOVERED))
async def test_every_try_uses_a_new_counter(
    client: VehicleCommandClient, vehicle: Vehicle, store: MemorySessionStore, fault: int
) -> None:
    vehicle.infotainment.faults.append(fault)
    await run(client, vehicle, LIMIT)
    assert store.reserved == [1, 2]


async def test_changing_faults_do_not_add_up_to_endless_tries(client: VehicleCommandClient, vehicle: Vehicle) -> None:
    vehicle.infotainment.faults.extend([1, 15, 11, 17, 6, 20, 1, 15, 11, 17])
    with pytest.raises(VehicleFault) as caught:
        await run(client, vehicle, LIMIT)
    assert caught.value.number == 6
    assert len(vehicle.infotainment.faults) == 5


@pytest.mark.parametrize("fault", [5, 6, 15, 17, 26])
async def test_without_session_info_in_the_fault_a_handshake_recovers(
    client: VehicleCommandClient, vehicle: Vehicle, fault: int
) -> None:
    vehicle.infotainment.session_info_with_faults = False
    vehicle.infotainment.faults.append(fault)
    await run(client, vehicle, LIMIT)
    assert vehicle.infotainment.handshakes == 2


async def test_a_reboot_costs_no_handshake(client: VehicleCommandClient, vehicle: Vehicle) -> None:
    await run(client, vehicle, LIMIT)
    vehicle.infotainment.reboot(uptime=3)
    await run(client, vehicle, LIMIT)
    assert vehicle.infotainment.handshakes == 1
    assert vehicle.infotainment.executed == [LIMIT.data] * 2
    assert vehicle.infotainment.counters_seen == [1, 1]


async def test_a_new_vehicle_key_is_learnt_by_handshake(
    client: VehicleCommandClient, vehicle: Vehicle, store: MemorySessionStore
) -> None:
    await run(client, vehicle, LIMIT)
    before = store.saved[-1]
    vehicle.infotainment.change_key()
    await run(client, vehicle, LIMIT)
    assert vehicle.infotainment.handshakes == 2
    assert store.saved[-1].vehicle_public_key != before.vehicle_public_key


async def test_counters_that_another_writer_used_are_jumped_over(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    await run(client, vehicle, LOCK)
    vehicle.vcsec.counter = 500
    await run(client, vehicle, LOCK)
    assert vehicle.vcsec.counters_seen == [1, 501]


@pytest.mark.parametrize("drift", [-3000.0, 3000.0])
async def test_a_local_clock_that_drifted_is_corrected(
    client: VehicleCommandClient,
    vehicle: Vehicle,
    store: MemorySessionStore,
    key: ClientKey,
    clock: Clock,
    drift: float,
) -> None:
    vehicle.infotainment.max_lifetime = 60
    vehicle.infotainment.booted -= 5000
    await run(client, vehicle, LIMIT)
    saved = store.saved[-1]
    await store.save(replace(saved, clock_offset=saved.clock_offset + drift, clock_time=0))
    await run(client, vehicle, LIMIT)
    assert vehicle.infotainment.handshakes == 1
    assert store.saved[-1].clock_offset == saved.clock_offset


async def test_a_clock_far_beyond_an_epoch_makes_a_new_handshake(
    client: VehicleCommandClient, vehicle: Vehicle, clock: Clock
) -> None:
    await run(client, vehicle, LIMIT)
    clock.now += 2**31
    vehicle.infotainment.booted += 2**31
    await run(client, vehicle, LIMIT)
    assert vehicle.infotainment.handshakes == 2


async def test_an_expiry_too_far_ahead_is_shortened(client: VehicleCommandClient, vehicle: Vehicle) -> None:
    vehicle.infotainment.max_lifetime = 10
    await run(client, vehicle, LIMIT)
    assert vehicle.infotainment.executed == [LIMIT.data]


async def test_a_busy_vehicle_is_left_alone_for_a_second(
    client: VehicleCommandClient, vehicle: Vehicle, clock: Clock
) -> None:
    started = clock.now
    vehicle.infotainment.faults.extend([1, 11])
    await run(client, vehicle, LIMIT)
    assert clock.now == started + 2


async def test_no_pause_runs_past_the_callers_time(
    client: VehicleCommandClient, vehicle: Vehicle, clock: Clock
) -> None:
    vehicle.infotainment.faults.append(1)
    with pytest.raises(VehicleFault) as caught:
        await client.execute(VIN, LIMIT.domain, LIMIT.data, vehicle.send, expires_in=0.9)
    assert caught.value.name == "BUSY"
    assert vehicle.infotainment.executed == []


async def test_silence_after_a_command_that_must_not_run_twice_is_not_retried(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    vehicle.infotainment.faults.append(2)
    with pytest.raises(VehicleFault) as caught:
        await run(client, vehicle, HONK)
    assert caught.value.may_have_executed
    assert caught.value.retry is RetryPolicy.AFTER_PAUSE
    assert vehicle.infotainment.executed == []


async def test_a_try_that_may_have_run_is_remembered_by_the_last_error(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    vehicle.infotainment.faults.extend([2, 21])
    with pytest.raises(VehicleFault) as caught:
        await run(client, vehicle, LIMIT)
    assert caught.value.name == "REMOTE_ACCESS_DISABLED"
    assert caught.value.may_have_executed


@pytest.mark.parametrize("domain", list(Domain))
async def test_an_unpaired_key_is_told_in_teslas_words_after_a_handshake(
    client: VehicleCommandClient, vehicle: Vehicle, domain: Domain
) -> None:
    vehicle.subsystems[domain].paired.clear()
    with pytest.raises(VehicleFault) as caught:
        await client.execute(VIN, domain, b"payload", vehicle.send, expires_in=30)
    assert str(caught.value) == ("vehicle rejected request: your public key has not been paired with the vehicle")
    assert (caught.value.number, caught.value.name) == (3, "UNKNOWN_KEY_ID")
    assert not caught.value.may_have_executed
    assert len(vehicle.messages) == 1


async def test_a_key_removed_after_the_handshake_gives_the_same_words(
    client: VehicleCommandClient, vehicle: Vehicle
) -> None:
    await run(client, vehicle, LIMIT)
    vehicle.infotainment.paired.clear()
    with pytest.raises(VehicleFault, match="your public key has not been paired with the vehicle"):
        await run(client, vehicle, LIMIT)


@pytest.mark.parametrize("fault", [1, 2, 11])
async def test_a_handshake_with_a_waking_vehicle_is_repeated(
    client: VehicleCommandClient, vehicle: Vehicle, fault: int
) -> None:
    vehicle.infotainment.handshake_faults.append(fault)
    await run(client, vehicle, HONK)
    assert vehicle.infotainment.handshakes == 2


@pytest.mark.parametrize("fault", EVERY_FAULT)
async def test_no_fault_of_a_handshake_can_have_executed_anything(
    client: VehicleCommandClient, vehicle: Vehicle, fault: int
) -> None:
    vehicle.infotainment.handshake_faults.extend([fault] * 20)
    with pytest.raises(VehicleFault) as caught:
        await run(client, vehicle, HONK)
    assert caught.value.number == fault
    assert not caught.value.may_have_executed
    assert vehicle.infotainment.executed == []
