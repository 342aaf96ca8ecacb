"""The live page at `/sandbox/`: cars, homes, consents and faults, with a button for what people like to try.

The buttons are plain forms. What each one changes stands in `CAR_BUTTONS`, `HOME_BUTTONS` and `CLOCK_BUTTONS`.
"""

import json
from collections.abc import Awaitable, Callable, Mapping

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tesla_sandbox.auth import consent_management
from tesla_sandbox.auth.forms import UnreadableFormError, read_form, selected, texts
from tesla_sandbox.cars import control as car_control
from tesla_sandbox.control.account_changes import GrantChange, change_grant
from tesla_sandbox.control.answers import ControlError
from tesla_sandbox.control.clock_changes import ClockChange, apply_clock_change
from tesla_sandbox.control.home_changes import HomeChange, apply_home_change, home_summary
from tesla_sandbox.control.lookups import application_key, car_summary, find_car, find_home, find_parties
from tesla_sandbox.fault_table import FAULTS
from tesla_sandbox.pages import error_page, page
from tesla_sandbox.scopes import IMPLICIT_SCOPES, SCOPE_TITLES, USER_SCOPES, ordered
from tesla_sandbox.timeline import Timeline
from tesla_sandbox.world import World

Buttons = list[tuple[str, Mapping[str, object]]]

MOST_SHOWN = 50
REQUESTS_SHOWN = 15

CAR_BUTTONS: Buttons = [
    ("Plug in", {"plugged_in": True}),
    ("Unplug", {"plugged_in": False}),
    ("Pair key", {"key": "paired"}),
    ("Disable key", {"key": "disabled"}),
    ("Remove key", {"key": "unpaired"}),
    ("Wake", {"state": "online"}),
    ("Put to sleep", {"state": "asleep"}),
    ("Lose network", {"state": "offline"}),
]
HOME_BUTTONS: Buttons = [
    ("Cut the grid", {"outage": "grid_failure"}),
    ("Restore the grid", {"outage": "none"}),
    ("Storm for an hour", {"storm": {"seconds": 3600}}),
    ("End storm", {"storm": None}),
    ("Permit export", {"net_meter_mode": "battery_ok", "edit_energy_exports": True, "export_rule": "battery_ok"}),
    ("Forbid battery export", {"net_meter_mode": "pv_only", "edit_energy_exports": False, "export_rule": "pv_only"}),
    ("Permit grid charging", {"grid_charging": True, "edit_grid_charging": True}),
    ("Forbid grid charging", {"grid_charging": False, "edit_grid_charging": False}),
]
CLOCK_BUTTONS: Buttons = [
    ("Pause", {"paused": True}),
    ("Resume", {"paused": False}),
    ("Real time", {"speed": 1.0}),
    ("60 times", {"speed": 60.0}),
    ("Forward 10 minutes", {"step_seconds": 600.0}),
    ("Forward 6 hours", {"step_seconds": 21_600.0}),
]


class LivePage:
    """The live page and its actions."""

    def __init__(self, world: World, timeline: Timeline) -> None:
        self._world = world
        self._timeline = timeline

    def routes(self) -> list[Route]:
        """The page's routes, relative to `/sandbox`."""
        actions: dict[str, Callable[[dict[str, str], list[str]], None]] = {
            "/clock": self._change_clock,
            "/car": self._change_car,
            "/home": self._change_home,
            "/grant": self._change_grant,
            "/fault": self._arm_fault,
            "/faults/clear": self._clear_faults,
        }
        return [
            Route("/", self.show),
            *(Route(path, self._action(act), methods=["POST"]) for path, act in actions.items()),
        ]

    async def show(self, _: Request) -> Response:
        """The page."""
        world = self._world
        return page(
            "live.html",
            clock=world.clock,
            clock_buttons=_encoded(CLOCK_BUTTONS),
            cars=[car_summary(world, car) for car in list(world.cars.values())[:MOST_SHOWN]],
            car_count=len(world.cars),
            car_buttons=_encoded(CAR_BUTTONS),
            homes=[home_summary(home) for home in list(world.homes.values())[:MOST_SHOWN]],
            home_count=len(world.homes),
            home_buttons=_encoded(HOME_BUTTONS),
            grants=[
                (grant, world.users[grant.user_id], world.applications[grant.client_id])
                for grant in list(world.grants.values())[:MOST_SHOWN]
            ],
            scope_titles={scope: SCOPE_TITLES[scope] for scope in SCOPE_TITLES if scope in USER_SCOPES},
            implicit=IMPLICIT_SCOPES,
            ordered=ordered,
            armed=world.faults.armed(),
            known_faults={name: kind.summary for name, kind in FAULTS.items()},
            requests=list(world.requests)[-REQUESTS_SHOWN:][::-1],
        )

    def _action(self, act: Callable[[dict[str, str], list[str]], None]) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            try:
                form = await read_form(request)
                act(texts(form), selected(form, "granted"))
            except ControlError as refused:
                return error_page(refused.message, refused.status)
            except (UnreadableFormError, ValidationError, ValueError) as unfit:
                return error_page(str(unfit))
            return RedirectResponse("/sandbox/", 303)

        return serve

    def _change_clock(self, values: dict[str, str], _: list[str]) -> None:
        apply_clock_change(self._world.clock, self._timeline, ClockChange.model_validate_json(values.get("change", "")))

    def _change_car(self, values: dict[str, str], _: list[str]) -> None:
        car = find_car(self._world, values.get("vin", ""))
        changes = json.loads(values.get("change", ""))
        if not isinstance(changes, dict):
            raise ControlError(400, "change must be a JSON object")
        car_control.patch(car, changes, application_key(self._world))

    def _change_home(self, values: dict[str, str], _: list[str]) -> None:
        home = find_home(self._world, values.get("site_id", ""))
        apply_home_change(home, HomeChange.model_validate_json(values.get("change", "")))

    def _change_grant(self, values: dict[str, str], granted: list[str]) -> None:
        user, application = find_parties(self._world, values.get("email", ""), values.get("client_id", ""))
        if values.get("decision") == "revoke":
            consent_management.revoke(self._world, user, application)
        else:
            change_grant(self._world, user, application, GrantChange(scopes=granted))

    def _arm_fault(self, values: dict[str, str], _: list[str]) -> None:
        count = values.get("count", "1")
        if not count.isascii() or not count.isdigit() or len(count) > 6:
            raise ControlError(400, "count must be a number")
        target = values.get("target") or None
        self._world.faults.inject(values.get("name", ""), target=target, count=int(count) or None)

    def _clear_faults(self, values: dict[str, str], _: list[str]) -> None:
        self._world.faults.clear(values.get("name") or None)


def _encoded(buttons: Buttons) -> list[tuple[str, str]]:
    return [(label, json.dumps(change)) for label, change in buttons]
