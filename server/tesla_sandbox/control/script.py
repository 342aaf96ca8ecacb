"""A scenario's script: changes of the world at given moments of virtual time."""

import logging
import math
from collections import deque
from collections.abc import Callable
from operator import itemgetter

from pydantic import ValidationError

from tesla_sandbox.auth import consent_management
from tesla_sandbox.cars import control as car_control
from tesla_sandbox.control.account_changes import GrantChange, change_grant
from tesla_sandbox.control.answers import ControlError, problems_of
from tesla_sandbox.control.home_changes import HomeChange, apply_home_change
from tesla_sandbox.control.lookups import application_key, find_car, find_home, find_parties
from tesla_sandbox.scenario import CarStep, FaultStep, GrantStep, HomeStep, ScenarioError, ScriptStep
from tesla_sandbox.world import World

Action = Callable[[], None]

log = logging.getLogger(__name__)


class Script:
    """The steps that are still to come.

    Args:
        world: The world to change; its present time is moment zero of the script.
        steps: The steps, in any order.

    Raises:
        ScenarioError: If a step names what the world does not have, or a change that there is not.
    """

    def __init__(self, world: World, steps: list[ScriptStep]) -> None:
        self._world = world
        self._started_at = world.clock.time()
        prepared = [(step.after_s, _checked(world, number, step)) for number, step in enumerate(steps)]
        self._pending = deque(sorted(prepared, key=itemgetter(0)))

    def next_moment(self) -> float:
        """When the next step is due, in unix seconds; infinite after the last."""
        return self._started_at + self._pending[0][0] if self._pending else math.inf

    def take_due(self) -> None:
        """Take the steps whose moment has come; one that does not fit is logged and left out."""
        while self.next_moment() <= self._world.clock.time():
            after_s, take = self._pending.popleft()
            try:
                take()
            except (ControlError, ValueError) as unfit:
                log.error("script step after %g s: %s", after_s, unfit)


def _checked(world: World, number: int, step: ScriptStep) -> Action:
    try:
        return _action(world, step)
    except ValidationError as unfit:
        raise ScenarioError(f"script.{number}.change: {problems_of(unfit)}") from unfit
    except (ControlError, ValueError) as unfit:
        raise ScenarioError(f"script.{number}: {unfit}") from unfit


def _action(world: World, step: ScriptStep) -> Action:
    """What a step does; everything about it that is known now is looked up and checked now."""
    match step:
        case CarStep():
            car = find_car(world, step.car)
            car_control.read_changes(step.change)
            return lambda: car_control.patch(car, step.change, application_key(world))
        case HomeStep():
            home, change = find_home(world, str(step.home)), HomeChange.model_validate(step.change)
            return lambda: apply_home_change(home, change)
        case FaultStep():
            return lambda: _arm(world, step)
        case GrantStep():
            user, application = find_parties(world, step.email, step.client_id)
            if step.scopes is None:
                return lambda: consent_management.revoke(world, user, application)
            granted = GrantChange(scopes=list(step.scopes))
            return lambda: change_grant(world, user, application, granted)


def _arm(world: World, step: FaultStep) -> None:
    world.faults.inject(step.fault, target=step.target, count=step.count, parameters=step.parameters)
