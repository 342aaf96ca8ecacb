"""The control API under `/sandbox/v1`: everything about the world can be seen and changed."""

from dataclasses import asdict
from typing import Protocol

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tesla_sandbox.auth import consent_management
from tesla_sandbox.cars import control as car_control
from tesla_sandbox.cars.car import Car
from tesla_sandbox.control.account_changes import (
    ApplicationChange,
    GrantChange,
    RateLimitChange,
    TokenChange,
    application_summary,
    change_application,
    change_grant,
    change_rate_limits,
    end_tokens,
    grant_summary,
    user_summary,
)
from tesla_sandbox.control.answers import Change, ControlError, Handler, read_change, reporting_errors
from tesla_sandbox.control.clock_changes import ClockChange, apply_clock_change, clock_summary
from tesla_sandbox.control.home_changes import HomeChange, apply_home_change, home_summary
from tesla_sandbox.control.lookups import (
    application_key,
    car_summary,
    find_application,
    find_car,
    find_home,
    find_parties,
)
from tesla_sandbox.fault_table import FAULTS
from tesla_sandbox.faults import Fault, FaultError, FaultParameters
from tesla_sandbox.fleet_api.answers import json_answer
from tesla_sandbox.homes.home import Home
from tesla_sandbox.scenario import Scenario, ScenarioError, parse_scenario
from tesla_sandbox.timeline import Timeline
from tesla_sandbox.world import Application, User, World

MOST_LISTED = 1_000


class FaultChange(Change):
    """A fault to arm; `count` null keeps it until it is cleared."""

    name: str
    target: str | None = None
    count: int | None = Field(default=1, ge=1)
    parameters: FaultParameters = Field(default_factory=dict)


class ScenarioLoader(Protocol):
    """Whoever can replace the world."""

    scenario: Scenario
    timeline: Timeline

    def load(self, scenario: Scenario) -> None:
        """Begin again with a scenario."""


class ControlApi:
    """Handlers of the control API."""

    def __init__(self, world: World, loader: ScenarioLoader) -> None:
        self._world = world
        self._loader = loader

    def routes(self) -> list[Route]:
        """All routes, relative to `/sandbox/v1`."""
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/scenario", self.scenario),
            ("PUT", "/scenario", self.load_scenario),
            ("POST", "/reset", self.reset),
            ("GET", "/clock", self.clock),
            ("PATCH", "/clock", self.change_clock),
            ("GET", "/cars", self.cars),
            ("GET", "/cars/{vin}", self.car),
            ("PATCH", "/cars/{vin}", self.change_car),
            ("GET", "/cars/{vin}/telemetry", self.forced_telemetry),
            ("PUT", "/cars/{vin}/telemetry", self.force_telemetry),
            ("GET", "/homes", self.homes),
            ("GET", "/homes/{site_id}", self.home),
            ("PATCH", "/homes/{site_id}", self.change_home),
            ("GET", "/users", self.users),
            ("GET", "/grants", self.grants),
            ("PUT", "/grants/{email}/{client_id}", self.put_grant),
            ("DELETE", "/grants/{email}/{client_id}", self.revoke_grant),
            ("POST", "/grants/{email}/{client_id}/tokens", self.end_tokens),
            ("GET", "/applications", self.applications),
            ("PATCH", "/applications/{client_id}", self.change_application),
            ("GET", "/rate_limits", self.rate_limits),
            ("PATCH", "/rate_limits", self.change_rate_limits),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.inject_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/requests", self.requests),
            ("DELETE", "/requests", self.forget_requests),
        ]
        return [Route(path, reporting_errors(handler), methods=[method]) for method, path, handler in table]

    async def scenario(self, _: Request) -> Response:
        """The scenario that is being played, without secrets."""
        return json_answer(self._loader.scenario.model_dump(mode="json", exclude={"applications"}))

    async def load_scenario(self, request: Request) -> Response:
        """Begin again with the scenario in the body, YAML or JSON."""
        try:
            self._loader.load(parse_scenario((await request.body()).decode(), "the scenario"))
        except (ScenarioError, UnicodeDecodeError) as unfit:
            raise ControlError(400, str(unfit)) from unfit
        return await self.scenario(request)

    async def reset(self, request: Request) -> Response:
        """Begin the present scenario again."""
        self._loader.load(self._loader.scenario)
        return await self.scenario(request)

    async def clock(self, _: Request) -> Response:
        """The virtual time and how it flows."""
        return json_answer(clock_summary(self._world.clock))

    async def change_clock(self, request: Request) -> Response:
        """Pause, resume, speed up or step the clock."""
        apply_clock_change(self._world.clock, self._loader.timeline, await read_change(request, ClockChange))
        return await self.clock(request)

    async def cars(self, request: Request) -> Response:
        """Every car, in pages of at most 1000."""
        start = _offset(request)
        cars = list(self._world.cars.values())[start : start + MOST_LISTED]
        return json_answer({"cars": [car_summary(self._world, car) for car in cars]})

    async def car(self, request: Request) -> Response:
        """One car."""
        return json_answer(car_summary(self._world, self._car(request)))

    async def change_car(self, request: Request) -> Response:
        """Change one car; see `cars.control` for the fields."""
        car = self._car(request)
        try:
            car_control.patch(car, await _json_object(request), application_key(self._world))
        except ValueError as unfit:
            raise ControlError(400, str(unfit)) from unfit
        return json_answer(car_summary(self._world, car))

    async def forced_telemetry(self, request: Request) -> Response:
        """The telemetry fields of a car that say what they were told."""
        return json_answer(dict(self._world.forced_signals.given(self._car(request).vin)))

    async def force_telemetry(self, request: Request) -> Response:
        """Let telemetry fields of a car say exactly this, and all others again what the car says."""
        car = self._car(request)
        try:
            self._world.forced_signals.force(car.vin, await _json_object(request))
        except ValueError as unfit:
            raise ControlError(400, str(unfit)) from unfit
        car.tell_watcher()
        return await self.forced_telemetry(request)

    async def homes(self, request: Request) -> Response:
        """Every home, in pages of at most 1000."""
        start = _offset(request)
        homes = list(self._world.homes.values())[start : start + MOST_LISTED]
        return json_answer({"homes": [home_summary(home) for home in homes]})

    async def home(self, request: Request) -> Response:
        """One home."""
        return json_answer(home_summary(self._home(request)))

    async def change_home(self, request: Request) -> Response:
        """Change one home."""
        home = self._home(request)
        apply_home_change(home, await read_change(request, HomeChange))
        return json_answer(home_summary(home))

    async def users(self, _: Request) -> Response:
        """The people."""
        return json_answer({"users": [user_summary(user) for user in self._world.users.values()]})

    async def grants(self, _: Request) -> Response:
        """The consents."""
        grants = self._world.grants.values()
        return json_answer({"grants": [grant_summary(self._world, grant) for grant in grants]})

    async def put_grant(self, request: Request) -> Response:
        """Set the scopes of a consent."""
        user, application = self._parties(request)
        change_grant(self._world, user, application, await read_change(request, GrantChange))
        return await self.grants(request)

    async def revoke_grant(self, request: Request) -> Response:
        """Withdraw a consent."""
        user, application = self._parties(request)
        consent_management.revoke(self._world, user, application)
        return await self.grants(request)

    async def end_tokens(self, request: Request) -> Response:
        """End tokens of a consent that stays."""
        user, application = self._parties(request)
        end_tokens(self._world, user, application, await read_change(request, TokenChange))
        return await self.grants(request)

    async def applications(self, _: Request) -> Response:
        """The applications and their bills."""
        world = self._world
        summaries = [application_summary(world, entry) for entry in world.applications.values()]
        return json_answer({"applications": summaries})

    async def change_application(self, request: Request) -> Response:
        """Change an application: billing, registration, key."""
        application = self._application(request)
        change_application(self._world, application, await read_change(request, ApplicationChange))
        return json_answer(application_summary(self._world, application))

    async def rate_limits(self, _: Request) -> Response:
        """Requests per window by class."""
        return json_answer({rate.value: limit for rate, limit in self._world.rate_limits.limits.items()})

    async def change_rate_limits(self, request: Request) -> Response:
        """Change limits, and forget what was counted."""
        change_rate_limits(self._world, await read_change(request, RateLimitChange))
        return await self.rate_limits(request)

    async def faults(self, _: Request) -> Response:
        """The armed faults, and every fault there is with what its parameters can be."""
        armed = [asdict(fault) for fault in self._world.faults.armed()]
        known = {name: kind.summary for name, kind in FAULTS.items()}
        parameters = {
            name: {parameter: described.allowed for parameter, described in kind.parameters.items()}
            for name, kind in FAULTS.items()
            if kind.parameters
        }
        return json_answer({"armed": armed, "known": known, "parameters": parameters})

    async def inject_fault(self, request: Request) -> Response:
        """Arm a fault."""
        change = await read_change(request, FaultChange)
        try:
            fault: Fault = self._world.faults.inject(
                change.name, target=change.target, count=change.count, parameters=change.parameters
            )
        except FaultError as unfit:
            raise ControlError(400, str(unfit)) from unfit
        return json_answer(asdict(fault), 201)

    async def clear_faults(self, request: Request) -> Response:
        """Disarm faults, all or by `name` and `target`."""
        query = request.query_params
        return json_answer({"cleared": self._world.faults.clear(query.get("name"), query.get("target"))})

    async def requests(self, request: Request) -> Response:
        """The logged requests, oldest first; filters: `method`, `path` (a part of it), `device`, `price`."""
        query = request.query_params
        found = [
            asdict(entry)
            for entry in self._world.requests
            if query.get("path", "") in entry.path
            and query.get("method", entry.method) == entry.method
            and query.get("device", entry.device) == entry.device
            and query.get("price", entry.price) == entry.price
        ]
        return json_answer({"requests": found})

    async def forget_requests(self, _: Request) -> Response:
        """Empty the request log."""
        self._world.requests.clear()
        return json_answer({"requests": []})

    def _car(self, request: Request) -> Car:
        return find_car(self._world, str(request.path_params["vin"]))

    def _home(self, request: Request) -> Home:
        return find_home(self._world, str(request.path_params["site_id"]))

    def _application(self, request: Request) -> Application:
        return find_application(self._world, str(request.path_params["client_id"]))

    def _parties(self, request: Request) -> tuple[User, Application]:
        return find_parties(self._world, str(request.path_params["email"]), str(request.path_params["client_id"]))


def _offset(request: Request) -> int:
    text = request.query_params.get("offset", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ControlError(400, "offset must be a number")
    return int(text)


async def _json_object(request: Request) -> dict[str, object]:
    change = await read_change(request, _AnyObject)
    return dict(change.model_extra or {})


class _AnyObject(Change, extra="allow"):
    """Any JSON object; the car itself checks the fields."""
