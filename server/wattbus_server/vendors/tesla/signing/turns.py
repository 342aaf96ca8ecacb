"""Turns: who may talk to a subsystem now, within this process."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from wattbus_server.vendors.tesla.signing.errors import CommandExpired


class Turns:
    """One lock per key; a lock that nobody holds or awaits takes no memory."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, key: Hashable, *, within: float) -> AsyncIterator[None]:
        """Hold the lock of a key, in the order of asking.

        Args:
            key: what must not be used twice at a time.
            within: seconds to wait at most.

        Raises:
            CommandExpired: the turn did not come in time, so nothing was sent.
        """
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(within):
                await lock.acquire()
        except TimeoutError as error:
            raise CommandExpired(
                "time ran out while another command to the vehicle was under way",
                may_have_executed=False,
            ) from error
        try:
            yield
        finally:
            lock.release()
