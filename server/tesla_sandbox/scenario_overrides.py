"""What the command line says of every scenario that a sandbox plays, also of those that are loaded later."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tesla_sandbox.scenario import ApplicationSpec, ClockSpec, Scenario
from tesla_sandbox.telemetry.outputs import TelemetrySpec


@dataclass(frozen=True, slots=True)
class ScenarioOverrides:
    """Parts that replace those of a scenario; what is absent stays as the scenario says.

    Attributes:
        seed: The seed.
        clock: How time flows. The start stays that of the scenario.
        application: Fields of the first application, which is made up if none is described.
        telemetry: Outputs by name.
    """

    seed: int | None = None
    clock: ClockSpec | None = None
    application: Mapping[str, object] = field(default_factory=dict)
    telemetry: TelemetrySpec = field(default_factory=TelemetrySpec)

    def applied_to(self, scenario: Scenario) -> Scenario:
        """The scenario as it is played."""
        changes: dict[str, object] = {"telemetry": scenario.telemetry.replaced_by(self.telemetry)}
        if self.seed is not None:
            changes["seed"] = self.seed
        if self.clock is not None:
            changes["clock"] = self.clock.model_copy(update={"start": scenario.clock.start})
        if self.application:
            first, *others = scenario.applications or [ApplicationSpec()]
            changes["applications"] = [first.model_copy(update=self.application), *others]
        return scenario.model_copy(update=changes)
