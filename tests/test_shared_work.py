import asyncio

import pytest

from wattbus_server.shared_work import SharedWork


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
