"""A running sandbox: one world at a time behind one ASGI application, replaced by `load`."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from starlette.types import Receive, Scope, Send

from tesla_sandbox.app import build_app
from tesla_sandbox.control.script import Script
from tesla_sandbox.scenario import Scenario, ScenarioError
from tesla_sandbox.scenario_overrides import ScenarioOverrides
from tesla_sandbox.telemetry.emitter import TelemetryEmitter
from tesla_sandbox.telemetry.output import OutputError
from tesla_sandbox.telemetry.outputs import Outputs, TelemetrySpec
from tesla_sandbox.timeline import Timeline
from tesla_sandbox.world_builder import build_world

log = logging.getLogger(__name__)


class Sandbox:
    """An ASGI application that serves the world of a scenario, and can begin again with another.

    Args:
        scenario: The first scenario.
        base_url: How clients reach the sandbox.
        fleet_hosts: Hosts of regions, beside the paths that every region has below `base_url`.
        overrides: What replaces parts of every scenario.
        open_control: Whether other computers may use the control surface too.

    Attributes:
        scenario: What is played, with the overrides.
        on_startup: Called when the server begins to serve.
        outputs: Where telemetry goes; they stay open as long as scenarios describe the same.

    Raises:
        ScenarioError: If the parts of the scenario contradict each other, or an output cannot be opened.
    """

    def __init__(
        self,
        scenario: Scenario,
        base_url: str,
        *,
        fleet_hosts: Mapping[str, str] | None = None,
        overrides: ScenarioOverrides | None = None,
        open_control: bool = False,
    ) -> None:
        self.on_startup: Callable[[], None] | None = None
        self.outputs = Outputs(TelemetrySpec())
        self._base_url = base_url
        self._fleet_hosts = dict(fleet_hosts or {})
        self._overrides = overrides or ScenarioOverrides()
        self._open_control = open_control
        self._playing: asyncio.Task[None] | None = None
        self._prepare(scenario)

    def load(self, scenario: Scenario) -> None:
        """Replace the world by that of a scenario; nothing of the former one stays.

        Raises:
            ScenarioError: As at creation; the world stays.
        """
        former = self.world
        self._prepare(scenario)
        self._play()
        former.clock.end()

    def end(self) -> None:
        """Let no request wait for virtual time any longer; the sandbox is about to stop."""
        if self._playing is not None:
            self._playing.cancel()
        self.world.clock.end()

    def _prepare(self, scenario: Scenario) -> None:
        scenario = self._overrides.applied_to(scenario)
        world = build_world(scenario)
        world.base_url, world.fleet_hosts = self._base_url, self._fleet_hosts
        script = Script(world, scenario.script)
        self._open_outputs(scenario.telemetry)
        self.scenario, self.world = scenario, world
        self.timeline = Timeline(world.clock)
        self.timeline.add(script)
        emitter = TelemetryEmitter(world, self.outputs.publish, self.timeline.nudge)
        self.timeline.add(emitter, punctual=False)
        self._app = build_app(world, self, self._started, open_control=self._open_control)

    def _open_outputs(self, spec: TelemetrySpec) -> None:
        if spec == self.outputs.spec:
            return
        former = self.outputs
        former.close()
        try:
            self.outputs = Outputs(spec)
        except OutputError as unfit:
            self.outputs = Outputs(former.spec)
            raise ScenarioError(f"telemetry: {unfit}") from unfit

    def _started(self) -> None:
        self._play()
        if self.on_startup is not None:
            self.on_startup()

    def _play(self) -> None:
        self.outputs.start()
        if self._playing is not None:
            self._playing.cancel()
        self._playing = asyncio.create_task(self.timeline.run())
        self._playing.add_done_callback(_report_failure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request by the present world."""
        await self._app(scope, receive, send)


def _report_failure(playing: asyncio.Task[None]) -> None:
    if not playing.cancelled() and (failure := playing.exception()) is not None:
        log.critical("what is planned happens no more", exc_info=failure)
