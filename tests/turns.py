"""Turns of the event loop and its clock, so that no test waits for time to pass or hopes that it does not."""

import asyncio


async def settled() -> None:
    """Let everything run that can run without time passing and without an answer from outside of the loop."""
    for _ in range(50):
        await asyncio.sleep(0)


def let_time_pass(seconds: float) -> None:
    """Put the clock of the running loop forward, until the end of the loop; what is due by then runs next."""
    loop = asyncio.get_running_loop()
    time = loop.time
    loop.time = lambda: time() + seconds  # type: ignore[method-assign]
