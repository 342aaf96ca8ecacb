"""An event loop whose clock can be put forward, so that no test waits for time to pass."""

import asyncio


class ForwardLoop(asyncio.SelectorEventLoop):
    """A loop that runs as usual; its clock goes ahead when told, and only then once it stands."""

    ahead = 0.0
    standing_at: float | None = None

    def time(self) -> float:
        now = super().time() if self.standing_at is None else self.standing_at
        return now + self.ahead

    def stand(self) -> None:
        """Stop the clock: what tests expect of the next second must not depend on how slow the machine is."""
        self.standing_at = super().time()

    async def settle(self) -> None:
        """Let everything run that can run without time passing."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def forward(self, seconds: float) -> None:
        """Put the clock forward and let run what became due."""
        await self.settle()
        self.ahead += seconds
        await self.settle()
