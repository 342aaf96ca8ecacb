"""A `SessionStore` in memory; two clients that share one are two replicas or a restart."""

import asyncio

from wattbus_server.vendors.tesla.signing import Domain, StoredSession


class MemorySessionStore:
    """Keeps sessions and counters, and gives way to other tasks in every call, as a database does."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, Domain, str], StoredSession] = {}
        self.counters: dict[tuple[str, Domain, str, bytes], int] = {}
        self.reserved: list[int] = []
        self.saved: list[StoredSession] = []

    async def load(self, vin: str, domain: Domain, key_fingerprint: str) -> StoredSession | None:
        await asyncio.sleep(0)
        return self.sessions.get((vin, domain, key_fingerprint))

    async def save(self, session: StoredSession) -> None:
        await asyncio.sleep(0)
        self.saved.append(session)
        self.sessions[session.vin, session.domain, session.key_fingerprint] = session

    async def forget(self, vin: str) -> None:
        self.sessions = {key: session for key, session in self.sessions.items() if key[0] != vin}

    async def reserve_counter(self, vin: str, domain: Domain, key_fingerprint: str, epoch: bytes, floor: int) -> int:
        key = (vin, domain, key_fingerprint, epoch)
        counter = max(floor, self.counters.get(key, 0)) + 1
        self.counters[key] = counter
        self.reserved.append(counter)
        await asyncio.sleep(0)
        return counter
