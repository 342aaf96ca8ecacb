"""Work that is done once for all who ask for it, and work that is done a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")
Item = TypeVar("Item")


async def few_at_a_time(limit: int, items: Iterable[Item], work: Callable[[Item], Awaitable[object]]) -> None:
    """Do the work for every item, for at most `limit` of them at the same time."""
    left = iter(items)

    async def do_what_is_left() -> None:
        for item in left:
            await work(item)

    await asyncio.gather(*(do_what_is_left() for _ in range(limit)))


class SharedWork(Generic[Key, Result]):
    """Runs at most one piece of work for each key.

    A caller who is cancelled leaves it running: somebody else may wait for it, and half of it may be worse than none.
    """

    def __init__(self) -> None:
        self._running: dict[Key, asyncio.Task[Result]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._running

    async def join(self, key: Key, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Wait for the work that runs for a key, or start it, and return its result.

        Args:
            key: what must not be done twice at a time.
            work: starts the work; called only if none runs.
        """
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(work(), name=f"shared work {key}")
            self._running[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let what runs come to its end."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def cancel(self) -> None:
        """Stop what runs."""
        for task in self._running.values():
            task.cancel()
        await self.close()

    def _ended(self, key: Key, task: asyncio.Task[Result]) -> None:
        del self._running[key]
        if not task.cancelled():
            # Those who wait get the error; if nobody is left, asyncio must not call it forgotten.
            task.exception()


class FreshWork(Generic[Key, Result]):
    """Does work for each key so that everybody gets a result of after they asked, those who ask together the same one.

    While a piece of work runs, whoever asks waits for the next one.
    """

    def __init__(self) -> None:
        self._running: dict[Key, asyncio.Task[Result]] = {}
        self._next: dict[Key, asyncio.Task[Result]] = {}

    async def join(self, key: Key, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return the result of the next piece of work for a key. A caller who is cancelled leaves it to the others."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._in_turn(key, work), name=f"fresh work {key}")
            # Those who wait get the error; if nobody is left, asyncio must not call it forgotten.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def close(self, seconds: float) -> None:
        """Let what runs come to its end, and stop it after some seconds."""
        tasks = {*self._running.values(), *self._next.values()}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _in_turn(self, key: Key, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        if (before := self._running.get(key)) is not None:
            await asyncio.wait([before])
        self._running[key] = self._next.pop(key)
        try:
            return await work()
        finally:
            del self._running[key]
