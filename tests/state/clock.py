"""An event loop whose clock can be put forward, so that no test waits for time to pass."""

import asyncio


class ForwardLoop(asyncio.SelectorEventLoop):
    """A loop that runs as usual; its clock goes ahead when told."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    async def settle(self) -> None:
        """Let everything run that can run without time passing."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def forward(self, seconds: float) -> None:
        """Put the clock forward and let run what became due."""
        await self.settle()
        self.ahead += seconds
        await self.settle()
