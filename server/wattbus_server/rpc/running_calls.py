"""The unary calls that wait for something, so that a server that closes can still answer them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem


class RunningCalls:
    """Ends calls with a status of ours before gRPC cuts them off with one that tells nothing."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended = False

    @contextmanager
    def tracked(self) -> Iterator[None]:
        """Count the call of the current task as one that runs.

        Raises:
            Problem: SERVER_DRAINING if the call was ended.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("calls run in tasks")
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self._ended or task.uncancel() > 0:
                raise
            raise Problem(
                Reason.REASON_SERVER_DRAINING, "This server is shutting down and did not finish the call. Ask again."
            ) from None
        finally:
            self._tasks.discard(task)

    def end_all(self) -> None:
        """End every call that runs; new ones are refused at the gate by now."""
        self._ended = True
        for task in self._tasks:
            task.cancel()
