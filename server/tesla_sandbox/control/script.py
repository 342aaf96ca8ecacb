"""A scenario's script: changes of the world at given moments of virtual time."""

import logging
import math
from collections import deque

from pydantic import ValidationError

from tesla_sandbox.auth import consent_management
from tesla_sandbox.cars import control as car_control
from tesla_sandbox.control.account_changes import GrantChange, change_grant
from tesla_sandbox.control.answers import ControlError
from tesla_sandbox.control.home_changes import HomeChange, apply_home_change
from tesla_sandbox.control.lookups import application_key, find_car, find_home, find_parties
from tesla_sandbox.scenario import CarStep, FaultStep, GrantStep, HomeStep, ScriptStep
from tesla_sandbox.world import World

log = logging.getLogger(__name__)


class Script:
    """The steps that are still to come.

    Args:
        world: The world to change; its present time is moment zero of the script.
        steps: The steps, in any order.
    """

    def __init__(self, world: World, steps: list[ScriptStep]) -> None:
        self._world = world
        self._started_at = world.clock.time()
        self._pending = deque(sorted(steps, key=lambda step: step.after_s))

    def next_moment(self) -> float:
        """When the next step is due, in unix seconds; infinite after the last."""
        return self._started_at + self._pending[0].after_s if self._pending else math.inf

    def take_due(self) -> None:
        """Take the steps whose moment has come; one that does not fit is logged and left out."""
        while self.next_moment() <= self._world.clock.time():
            step = self._pending.popleft()
            try:
                _take(self._world, step)
            except (ControlError, ValidationError, ValueError) as unfit:
                log.error("script step after %g s: %s", step.after_s, unfit)


def _take(world: World, step: ScriptStep) -> None:
    match step:
        case CarStep():
            car_control.patch(find_car(world, step.car), step.change, application_key(world))
        case HomeStep():
            apply_home_change(find_home(world, str(step.home)), HomeChange.model_validate(step.change))
        case FaultStep():
            world.faults.inject(step.fault, target=step.target, count=step.count, parameters=step.parameters)
        case GrantStep():
            user, application = find_parties(world, step.email, step.client_id)
            if step.scopes is None:
                consent_management.revoke(world, user, application)
            else:
                change_grant(world, user, application, GrantChange(scopes=list(step.scopes)))
