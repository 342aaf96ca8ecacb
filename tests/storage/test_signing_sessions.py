import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbus_server.storage.database import open_engine
from wattbus_server.storage.migrate import migrate
from wattbus_server.storage.signing_sessions import SqlSessionStore
from wattbus_server.storage.tables import signing_counters
from wattbus_server.vendors.tesla.signing import Domain, StoredSession

VIN = "5YJ30123456789ABC"
KEY = "f" * 64
EPOCH = bytes(range(16))
SESSION = StoredSession(
    vin=VIN,
    domain=Domain.INFOTAINMENT,
    key_fingerprint=KEY,
    epoch=EPOCH,
    counter=7,
    vehicle_public_key=b"\x04" + bytes(64),
    clock_offset=1_700_000_000.25,
    clock_time=2655,
)


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[tuple[AsyncEngine, AsyncEngine]]:
    url = f"sqlite+aiosqlite:///{tmp_path}/wattbus.db"
    first, second = open_engine(url), open_engine(url)
    await migrate(first)
    yield first, second
    await first.dispose()
    await second.dispose()


async def test_a_session_is_found_as_it_was_saved_last(engines: tuple[AsyncEngine, AsyncEngine]) -> None:
    store = SqlSessionStore(engines[0])
    assert await store.load(VIN, Domain.INFOTAINMENT, KEY) is None
    await store.save(SESSION)
    newer = replace(SESSION, counter=9, clock_time=3000)
    await store.save(newer)
    assert await SqlSessionStore(engines[1]).load(VIN, Domain.INFOTAINMENT, KEY) == newer
    assert await store.load(VIN, Domain.VEHICLE_SECURITY, KEY) is None


async def test_two_stores_on_one_file_never_give_the_same_counter(engines: tuple[AsyncEngine, AsyncEngine]) -> None:
    stores = [SqlSessionStore(engine) for engine in engines]

    async def reserve(number: int) -> list[int]:
        return [await stores[number % 2].reserve_counter(VIN, Domain.INFOTAINMENT, KEY, EPOCH, 7) for _ in range(10)]

    runs = await asyncio.gather(*map(reserve, range(6)))
    assert all(run == sorted(run) for run in runs)
    assert sorted(counter for run in runs for counter in run) == list(range(8, 68))


async def test_a_counter_never_goes_back_within_an_epoch(engines: tuple[AsyncEngine, AsyncEngine]) -> None:
    store = SqlSessionStore(engines[0])
    assert await store.reserve_counter(VIN, Domain.INFOTAINMENT, KEY, EPOCH, 100) == 101
    await store.save(SESSION)
    assert await store.reserve_counter(VIN, Domain.INFOTAINMENT, KEY, EPOCH, 5) == 102
    assert await store.reserve_counter(VIN, Domain.INFOTAINMENT, KEY, EPOCH, 500) == 501
    assert await store.reserve_counter(VIN, Domain.INFOTAINMENT, KEY, bytes(16), 0) == 1
    assert await SqlSessionStore(engines[1]).reserve_counter(VIN, Domain.INFOTAINMENT, KEY, EPOCH, 0) == 502


async def test_counters_of_epochs_that_are_over_go(engines: tuple[AsyncEngine, AsyncEngine]) -> None:
    store = SqlSessionStore(engines[0])
    for boot in range(5):
        epoch = bytes([boot]) * 16
        await store.save(replace(SESSION, epoch=epoch, counter=0))
        await store.reserve_counter(VIN, Domain.INFOTAINMENT, KEY, epoch, 0)
    await store.reserve_counter(VIN, Domain.VEHICLE_SECURITY, KEY, EPOCH, 0)
    assert await rows(engines[0], signing_counters) == [(Domain.VEHICLE_SECURITY, 1), (Domain.INFOTAINMENT, 1)]


async def test_nothing_is_left_of_a_vehicle_that_is_forgotten(engines: tuple[AsyncEngine, AsyncEngine]) -> None:
    store = SqlSessionStore(engines[0])
    for vin in (VIN, VIN[::-1]):
        await store.save(replace(SESSION, vin=vin))
        await store.reserve_counter(vin, Domain.INFOTAINMENT, KEY, EPOCH, 0)
    await store.forget(VIN)
    assert await store.load(VIN, Domain.INFOTAINMENT, KEY) is None
    assert await store.load(VIN[::-1], Domain.INFOTAINMENT, KEY) is not None
    assert len(await rows(engines[0], signing_counters)) == 1


async def rows(engine: AsyncEngine, table: Table) -> list[tuple[int, int]]:
    async with engine.connect() as database:
        found = await database.execute(select(table.c.domain, table.c.counter).order_by(table.c.domain))
        return [(domain, counter) for domain, counter in found]


async def test_subsystems_vehicles_and_keys_count_apart(engines: tuple[AsyncEngine, AsyncEngine]) -> None:
    store = SqlSessionStore(engines[0])
    await store.reserve_counter(VIN, Domain.INFOTAINMENT, KEY, EPOCH, 10)
    assert await store.reserve_counter(VIN, Domain.VEHICLE_SECURITY, KEY, EPOCH, 0) == 1
    assert await store.reserve_counter(VIN[::-1], Domain.INFOTAINMENT, KEY, EPOCH, 0) == 1
    assert await store.reserve_counter(VIN, Domain.INFOTAINMENT, "0" * 64, EPOCH, 0) == 1
