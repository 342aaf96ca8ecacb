import asyncio

import pytest

from tests.turns import settled
from wattbus_server.shared_work import FreshWork, SharedWork, few_at_a_time


class Gate:
    """Work that waits until it is let go, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def work(self) -> int:
        self.begun += 1
        await self.open.wait()
        self.ended += 1
        if self.error is not None:
            raise self.error
        return self.begun


async def test_those_who_ask_at_the_same_time_share_one_result() -> None:
    gate, shared = Gate(), SharedWork[str, int]()
    callers = [asyncio.create_task(shared.join("a", gate.work)) for _ in range(3)]
    await asyncio.sleep(0)
    assert "a" in shared
    gate.open.set()
    assert await asyncio.gather(*callers) == [1, 1, 1]
    assert "a" not in shared
    assert await shared.join("a", gate.work) == 2


async def test_other_keys_have_work_of_their_own() -> None:
    gate, shared = Gate(), SharedWork[str, int]()
    gate.open.set()
    await asyncio.gather(shared.join("a", gate.work), shared.join("b", gate.work))
    assert gate.begun == 2


async def test_a_caller_who_is_cancelled_leaves_the_work_to_the_others() -> None:
    gate, shared = Gate(), SharedWork[str, int]()
    first, second = (asyncio.create_task(shared.join("a", gate.work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    gate.open.set()
    assert await second == 1


async def test_work_that_nobody_waits_for_is_finished_at_the_end() -> None:
    gate, shared = Gate(), SharedWork[str, int]()
    caller = asyncio.create_task(shared.join("a", gate.work))
    await asyncio.sleep(0)
    caller.cancel()
    gate.open.set()
    await shared.close()
    assert gate.ended == 1


async def test_every_caller_gets_the_error_and_the_next_one_begins_anew() -> None:
    gate, shared = Gate(), SharedWork[str, int]()
    gate.error = ValueError("no")
    gate.open.set()
    results = await asyncio.gather(*(shared.join("a", gate.work) for _ in range(2)), return_exceptions=True)
    assert results == [gate.error, gate.error]
    gate.error = None
    assert await shared.join("a", gate.work) == 2


async def test_what_runs_can_be_stopped() -> None:
    gate, shared = Gate(), SharedWork[str, int]()
    caller = asyncio.create_task(shared.join("a", gate.work))
    await asyncio.sleep(0)
    await shared.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert gate.ended == 0


# Fresh work


async def test_who_asks_while_work_runs_gets_the_result_of_the_next() -> None:
    gate, fresh = Gate(), FreshWork[str, int]()
    first = [asyncio.create_task(fresh.join("a", gate.work)) for _ in range(3)]
    await settled()
    later = [asyncio.create_task(fresh.join("a", gate.work)) for _ in range(20)]
    await settled()
    assert gate.begun == 1
    gate.open.set()
    assert await asyncio.gather(*first, *later) == [1] * 3 + [2] * 20


async def test_fresh_work_that_fails_fails_for_those_who_wait_and_goes_on() -> None:
    gate, fresh = Gate(), FreshWork[str, int]()
    gate.error = OSError("not now")
    gate.open.set()
    for failed in await asyncio.gather(*(fresh.join("a", gate.work) for _ in range(2)), return_exceptions=True):
        assert failed is gate.error
    gate.error = None
    assert await fresh.join("a", gate.work) == 2


async def test_closing_stops_fresh_work_that_takes_too_long() -> None:
    gate, fresh = Gate(), FreshWork[str, int]()
    caller = asyncio.create_task(fresh.join("a", gate.work))
    await settled()
    await fresh.close(0.01)
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert gate.ended == 0


async def test_a_few_at_a_time_are_worked_on() -> None:
    gates = [Gate() for _ in range(5)]
    working = asyncio.create_task(few_at_a_time(2, gates, Gate.work))
    for ended in range(5):
        await settled()
        assert sum(gate.begun for gate in gates) == min(ended + 2, 5)
        gates[ended].open.set()
    await working
    assert [gate.ended for gate in gates] == [1] * 5
