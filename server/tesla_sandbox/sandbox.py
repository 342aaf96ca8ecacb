"""A running sandbox: one world at a time behind one ASGI application, replaced by `load`."""

import asyncio
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from tesla_sandbox.app import build_app
from tesla_sandbox.control.script import Script
from tesla_sandbox.scenario import Scenario
from tesla_sandbox.world_builder import build_world


class Sandbox:
    """An ASGI application that serves the world of a scenario, and can begin again with another.

    Args:
        scenario: The first scenario.
        base_url: How clients reach the sandbox.
        seed: Replaces the seed of every scenario.
        on_startup: Called when the server begins to serve.
        open_control: Whether other computers may use the control surface too.
    """

    def __init__(
        self,
        scenario: Scenario,
        base_url: str,
        *,
        seed: int | None = None,
        on_startup: Callable[[], None] | None = None,
        open_control: bool = False,
    ) -> None:
        self._base_url = base_url
        self._seed = seed
        self._on_startup = on_startup
        self._open_control = open_control
        self._playing: asyncio.Task[None] | None = None
        self._prepare(scenario)

    def load(self, scenario: Scenario) -> None:
        """Replace the world by that of a scenario; nothing of the former one stays.

        Raises:
            ScenarioError: If the parts of the scenario contradict each other; the world stays.
        """
        self._prepare(scenario)
        self._play()

    def _prepare(self, scenario: Scenario) -> None:
        world = build_world(scenario, seed=self._seed)
        world.base_url = self._base_url
        self.scenario, self.world = scenario, world
        self.script = Script(world, scenario.script)
        self._app = build_app(world, self, self._started, open_control=self._open_control)

    def _started(self) -> None:
        self._play()
        if self._on_startup is not None:
            self._on_startup()

    def _play(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
        self._playing = asyncio.create_task(self.script.run())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request by the present world."""
        await self._app(scope, receive, send)
