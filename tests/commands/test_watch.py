import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wattbus.v1.command_pb2 import Command
from wattbus.v1.device_service_pb2 import CreateCommandRequest, WatchCommandsRequest, WatchCommandsResponse
from wattbus.v1.reason_pb2 import Reason

from tests.commands.house import House, opened, set_limit, simple, states
from tests.processes import PATIENCE_SECONDS
from tests.state.world import OTHER_TENANT, TENANT
from wattbus_server.commands import journal as journal_module
from wattbus_server.commands import life
from wattbus_server.commands.journal import Journal
from wattbus_server.devices.selection import Selection
from wattbus_server.problem import Problem

LIFE_OF_A_SETTING = ["RECEIVED", "QUEUED", "SENT", "ACCEPTED", "APPLIED", "SUCCEEDED"]


class Reader:
    """A client of WatchCommands that can hang up and come back."""

    def __init__(self, house: House, selection: Selection | None = None, token: str = "") -> None:
        self.house = house
        self.selection = selection or Selection(house.tenant)
        self.token = token
        self.seen: list[tuple[str, str]] = []
        self.sequences: list[int] = []

    def open(self, **fields: object) -> AsyncIterator[WatchCommandsResponse]:
        request = WatchCommandsRequest(resume_token=self.token, **fields)  # type: ignore[arg-type] # proto keywords
        return self.house.commands.watch(self.selection.tenant, self.selection, request, self.house.draining)

    def take(self, response: WatchCommandsResponse) -> None:
        self.token = response.resume_token
        for event in response.events:
            self.seen.append((event.command.name, states(event.command)))
            self.sequences.append(event.sequence)

    async def begin(self) -> None:
        """Connect just to learn where the stream stands."""
        async with aclosing(self.open()) as stream:  # type: ignore[type-var] # an async generator
            self.take(await anext(stream))

    async def read(self, events: int) -> None:
        """Read until so many events were seen in all."""
        async with asyncio.timeout(PATIENCE_SECONDS), aclosing(self.open()) as stream:  # type: ignore[type-var] # as above
            async for response in stream:
                self.take(response)
                if len(self.seen) >= events:
                    return


async def test_every_transition_is_told_in_order(house: House, car: str) -> None:
    reader = Reader(house)
    await reader.begin()
    command = await house.create(car, set_limit(80))
    await reader.read(6)
    assert reader.seen == [(command.name, state) for state in LIFE_OF_A_SETTING]
    assert reader.sequences == sorted(set(reader.sequences))


async def test_transitions_that_happen_while_connected_arrive(house: House, car: str) -> None:
    reader = Reader(house)
    reading = asyncio.ensure_future(reader.read(6))
    await asyncio.sleep(0)
    while not reader.token:  # noqa: ASYNC110 - the first response says that the stream stands
        await asyncio.sleep(0.001)
    await house.create(car, set_limit(80))
    await reading
    assert [state for _, state in reader.seen] == LIFE_OF_A_SETTING


async def test_a_stream_without_a_token_begins_with_the_next_transition(house: House, car: str) -> None:
    await house.ended((await house.create(car, simple("honk_horn"))).name)
    reader = Reader(house)
    await reader.begin()
    assert reader.seen == []


async def test_a_token_continues_after_a_restart(house: House, car: str) -> None:
    reader = Reader(house)
    await reader.begin()
    command = await house.ended((await house.create(car, set_limit(80))).name)
    await reader.read(2)
    reader.house = await house.killed()
    await reader.read(6)
    assert reader.seen == [(command.name, state) for state in LIFE_OF_A_SETTING]


async def test_a_selection_shows_only_its_devices_and_only_the_tenants(house: House) -> None:
    one, two = await house.link("one", "two")
    await house.link("theirs", connection="connections/foreign", tenant=OTHER_TENANT)
    selected, everything = Reader(house, Selection(TENANT, devices=frozenset({one}))), Reader(house)
    theirs = Reader(house, Selection(OTHER_TENANT))
    for reader in (selected, everything, theirs):
        await reader.begin()
    commands = [await house.ended((await house.create(device, set_limit(70))).name) for device in (two, one)]
    await selected.read(6)
    await everything.read(12)
    await theirs.begin()
    assert {name for name, _ in selected.seen} == {commands[1].name}
    assert {name for name, _ in everything.seen} == {command.name for command in commands}
    assert theirs.seen == []


async def test_silence_is_broken_by_heartbeats_that_carry_a_token(house: House, car: str) -> None:
    reader = Reader(house)
    await reader.begin()
    await house.ended((await house.create(car, simple("honk_horn"))).name)
    async with aclosing(reader.open(heartbeat_interval=Duration(nanos=20_000_000))) as stream:  # type: ignore[type-var] # as above
        responses = [await anext(stream) for _ in range(5)]
    assert [len(response.events) for response in responses] == [0, 5, 0, 0, 0]
    assert all(response.resume_token for response in responses)


async def test_a_draining_server_tells_what_is_stored_and_ends_the_stream(house: House, car: str) -> None:
    reader = Reader(house)
    await reader.begin()
    await house.ended((await house.create(car, set_limit(80))).name)
    house.draining.set()
    with pytest.raises(Problem) as raised:
        await reader.read(100)
    assert raised.value.reason == Reason.REASON_SERVER_DRAINING
    assert [state for _, state in reader.seen] == LIFE_OF_A_SETTING


async def test_a_position_that_was_pruned_is_told(house: House, car: str) -> None:
    reader = Reader(house)
    await reader.begin()
    await house.ended((await house.create(car, set_limit(80))).name)
    await Journal(house.engine).prune(datetime.now(UTC), datetime.now(UTC) + timedelta(seconds=1))
    with pytest.raises(Problem) as raised:
        await reader.read(1)
    assert raised.value.reason == Reason.REASON_HISTORY_TRUNCATED
    reader.token = ""
    await reader.begin()
    command = await house.create(car, set_limit(70))
    await reader.read(6)
    assert reader.seen == [(command.name, state) for state in LIFE_OF_A_SETTING]


async def test_a_quiet_tenant_can_resume_after_the_transitions_of_others_are_pruned(house: House, car: str) -> None:
    (foreign,) = await house.link("foreign", connection="connections/foreign", tenant=OTHER_TENANT)
    reader, theirs = Reader(house), Reader(house, Selection(OTHER_TENANT))
    await reader.begin()
    await theirs.begin()
    request = CreateCommandRequest(parent=foreign, action=simple("honk_horn"))
    for _ in range(2):
        await house.commands.create(OTHER_TENANT, request, None, house.draining)
    await theirs.read(10)
    async with aclosing(reader.open(heartbeat_interval=Duration(nanos=10_000_000))) as stream:  # type: ignore[type-var] # an async generator
        for _ in range(2):
            reader.take(await anext(stream))
    await Journal(house.engine).prune(datetime.now(UTC), datetime.now(UTC) + timedelta(seconds=1))
    command = await house.create(car, set_limit(80))
    await reader.read(6)
    assert reader.seen == [(command.name, state) for state in LIFE_OF_A_SETTING]


async def test_finished_commands_are_pruned_and_running_ones_kept(house: House, car: str) -> None:
    finished = await house.ended((await house.create(car, simple("honk_horn"))).name)
    journal = Journal(house.engine)
    await journal.load()
    running = life.received(Command(name=f"{car}/commands/running", device=car), datetime.now(UTC))
    await journal.add(house.tenant, running, b"")
    later = datetime.now(UTC) + timedelta(seconds=1)
    await journal.prune(later, later)
    with pytest.raises(Problem):
        await journal.get(house.tenant, finished.name)
    assert (await journal.get(house.tenant, running.name)).name == running.name


@pytest.mark.parametrize("damage", ["garbage", "altered", "other selection", "other tenant"])
async def test_a_token_that_was_not_issued_for_this_stream_is_refused(house: House, car: str, damage: str) -> None:
    reader = Reader(house)
    await reader.begin()
    if damage == "garbage":
        reader.token = "garbage"
    elif damage == "altered":
        reader.token = reader.token[:10] + ("A" if reader.token[10] != "A" else "B") + reader.token[11:]
    elif damage == "other selection":
        reader.selection = Selection(TENANT, devices=frozenset({car}))
    else:
        reader.selection = Selection(OTHER_TENANT)
    with pytest.raises(Problem) as raised:
        await reader.begin()
    assert raised.value.reason == Reason.REASON_RESUME_TOKEN_INVALID


async def test_commands_of_a_device_that_is_gone_are_still_told(house: House, car: str) -> None:
    reader = Reader(house, Selection(TENANT, devices=frozenset({car})))
    await reader.begin()
    await house.ended((await house.create(car, set_limit(80))).name)
    await house.registry.remove_connection("connections/one")
    await reader.read(6)
    assert [state for _, state in reader.seen] == LIFE_OF_A_SETTING


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    pieces=st.lists(st.integers(min_value=1, max_value=7), min_size=1, max_size=8),
    commands=st.integers(min_value=1, max_value=4),
)
def test_a_reader_who_hangs_up_anywhere_loses_nothing_and_sees_nothing_twice(
    command_database: Path, tmp_path: Path, pieces: list[int], commands: int
) -> None:
    async def scenario() -> None:
        async with opened(command_database, tmp_path / "resume.db") as house:
            devices = await house.link(*(f"car{number}" for number in range(commands)))
            reader, whole = Reader(house), Reader(house)
            await reader.begin()
            await whole.begin()
            running = [asyncio.ensure_future(house.create(device, set_limit(80))) for device in devices]
            total = commands * len(LIFE_OF_A_SETTING)
            for piece in pieces:
                await reader.read(min(total, len(reader.seen) + piece))
            await reader.read(total)
            await asyncio.gather(*running)
            await whole.read(total)
            assert reader.seen == whole.seen
            assert len(set(reader.sequences)) == total
            for device in devices:
                told = [state for name, state in reader.seen if name.startswith(device)]
                assert told == LIFE_OF_A_SETTING

    asyncio.run(scenario())


@given(pieces=st.lists(st.integers(min_value=1, max_value=300), max_size=5))
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_a_long_backlog_arrives_whole(command_database: Path, tmp_path: Path, pieces: list[int]) -> None:
    async def scenario() -> None:
        async with opened(command_database, tmp_path / "backlog.db") as house:
            (device,) = await house.link("car")
            reader = Reader(house)
            await reader.begin()
            journal = Journal(house.engine)
            await journal.load()
            command = life.received(Command(name=f"{device}/commands/1", device=device), datetime.now(UTC))
            await journal.add(TENANT, command, b"")
            for number in range(249):
                await journal.save(TENANT, replace_reason(command, str(number)))
            reader.house = await house.killed()
            for piece in pieces:
                await reader.read(min(250, len(reader.seen) + piece))
            await reader.read(250)
            assert len(reader.sequences) == len(set(reader.sequences))
            assert len(reader.seen) >= 250

    asyncio.run(scenario())


def replace_reason(command: Command, reason: str) -> Command:
    result = Command()
    result.CopyFrom(command)
    result.reason = reason
    return result


async def test_a_reader_hears_a_heartbeat_while_other_devices_are_busy(house: House) -> None:
    quiet, busy = await house.link("quiet", "busy")
    reader = Reader(house, Selection(house.tenant, frozenset({quiet})))
    heard = asyncio.Event()

    async def keep_busy() -> None:
        while not heard.is_set():
            await house.create(busy, simple("honk_horn"))

    work = asyncio.create_task(keep_busy())
    stream = reader.open(heartbeat_interval=Duration(seconds=1))
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(stream):  # type: ignore[type-var] # an async generator
        await anext(stream)
        reader.take(await anext(stream))
    heard.set()
    await work
    assert reader.seen == []


async def test_readers_further_back_than_the_memory_reaches_lose_nothing(
    house: House, car: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "KEPT_IN_MEMORY", 4)
    late, live = Reader(house), Reader(house)
    await late.begin()
    live.token = late.token
    reading = asyncio.create_task(live.read(12))
    made = [await house.create(car, set_limit(percent)) for percent in (80, 90)]
    await reading
    await late.read(12)
    expected = [(command.name, state) for command in made for state in LIFE_OF_A_SETTING]
    assert sorted(late.seen) == sorted(live.seen) == sorted(expected)
    assert late.sequences == live.sequences == sorted(set(late.sequences))
