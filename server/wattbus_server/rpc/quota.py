"""How many streams a tenant may hold open at once.

HTTP/2's own limit is of no use here: calls beyond it wait in the client without a word.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem


class StreamQuota:
    """Counts the open streams of every tenant."""

    def __init__(self, streams_per_tenant: int) -> None:
        self._limit = streams_per_tenant
        self._open: Counter[str] = Counter()

    @contextmanager
    def place(self, tenant: str) -> Iterator[None]:
        """Hold a place for one stream until the block ends.

        Raises:
            Problem: QUOTA_EXCEEDED.
        """
        if self._open[tenant] >= self._limit:
            raise Problem(
                Reason.REASON_QUOTA_EXCEEDED,
                f"This tenant has {self._limit} open streams already, which is the limit.",
                metadata={"limit": str(self._limit)},
            )
        self._open[tenant] += 1
        try:
            yield
        finally:
            self._open[tenant] -= 1
            if not self._open[tenant]:
                del self._open[tenant]
