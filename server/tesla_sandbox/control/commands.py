"""`tesla-sandbox ctl …`: changes a running sandbox through its control API."""

import json
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from tesla_sandbox.control.client import ControlRefusedError, call
from tesla_sandbox.scenario import ScenarioError, load_scenario
from tesla_sandbox.telemetry.mqtt_output import WITH_SECRETS

ctl = typer.Typer(help="Look at and change a running sandbox.", no_args_is_help=True)

Assignments = Annotated[list[str] | None, typer.Argument(help="name=value; the value is JSON or text.")]


@ctl.callback()
def connect(
    context: typer.Context,
    url: Annotated[str, typer.Option(envvar="TESLA_SANDBOX_URL", help="Where the sandbox listens.")] = (
        "http://127.0.0.1:8090"
    ),
) -> None:
    """Choose the sandbox to talk to."""
    context.obj = url


@ctl.command()
def load(context: typer.Context, scenario: str) -> None:
    """Begin again with another scenario: a file, or the name of a bundled one."""
    try:
        description = load_scenario(scenario)
    except ScenarioError as unfit:
        raise typer.BadParameter(str(unfit)) from unfit
    _show(context, "PUT", "/scenario", description.model_dump(mode="json", context={WITH_SECRETS: True}))


@ctl.command()
def reset(context: typer.Context) -> None:
    """Begin the present scenario again."""
    _show(context, "POST", "/reset", {})


@ctl.command()
def clock(
    context: typer.Context,
    pause: Annotated[bool | None, typer.Option("--pause/--resume")] = None,
    speed: Annotated[float | None, typer.Option(help="Virtual seconds per second.")] = None,
    step: Annotated[float | None, typer.Option(help="Seconds to jump forward.")] = None,
) -> None:
    """Show or change the clock."""
    given = {"paused": pause, "speed": speed, "step_seconds": step}
    change = {name: value for name, value in given.items() if value is not None}
    _show(context, "PATCH" if change else "GET", "/clock", change or None)


@ctl.command()
def cars(context: typer.Context) -> None:
    """Show all cars."""
    _show(context, "GET", "/cars")


@ctl.command()
def car(context: typer.Context, vin: str, changes: Assignments = None) -> None:
    """Show or change a car, for example: ctl car VIN key=paired plugged_in=true."""
    _show_or_patch(context, f"/cars/{quote(vin, safe='')}", changes)


@ctl.command()
def telemetry(
    context: typer.Context,
    vin: str,
    values: Assignments = None,
    clear: Annotated[bool, typer.Option("--clear", help="Let the car speak for itself again.")] = False,
) -> None:
    """Show or force telemetry fields, for example: ctl telemetry VIN Soc=12.5 LocatedAtWork=true."""
    forced = _assignments(values) if values or clear else None
    _show(context, "GET" if forced is None else "PUT", f"/cars/{quote(vin, safe='')}/telemetry", forced)


@ctl.command()
def homes(context: typer.Context) -> None:
    """Show all homes."""
    _show(context, "GET", "/homes")


@ctl.command()
def home(context: typer.Context, site_id: int, changes: Assignments = None) -> None:
    """Show or change a home, for example: ctl home 20260001 outage=grid_failure."""
    _show_or_patch(context, f"/homes/{site_id}", changes)


@ctl.command()
def users(context: typer.Context) -> None:
    """Show all people."""
    _show(context, "GET", "/users")


@ctl.command()
def grants(context: typer.Context) -> None:
    """Show who granted what to whom."""
    _show(context, "GET", "/grants")


@ctl.command()
def grant(context: typer.Context, email: str, client_id: str, scopes: list[str]) -> None:
    """Set the scopes that a person grants an application."""
    _show(context, "PUT", _grant_path(email, client_id), {"scopes": scopes})


@ctl.command()
def revoke(context: typer.Context, email: str, client_id: str) -> None:
    """Withdraw a person's consent."""
    _show(context, "DELETE", _grant_path(email, client_id))


@ctl.command()
def end_tokens(
    context: typer.Context,
    email: str,
    client_id: str,
    everything: Annotated[bool, typer.Option("--all", help="Refresh tokens too.")] = False,
) -> None:
    """End a person's access tokens before their time."""
    _show(context, "POST", f"{_grant_path(email, client_id)}/tokens", {"end": "all" if everything else "access"})


@ctl.command()
def applications(context: typer.Context) -> None:
    """Show all applications and their bills."""
    _show(context, "GET", "/applications")


@ctl.command()
def application(context: typer.Context, client_id: str, changes: Assignments = None) -> None:
    """Change an application, for example: ctl application my-app billing_limit_usd=0."""
    _show(context, "PATCH", f"/applications/{quote(client_id, safe='')}", _assignments(changes))


@ctl.command()
def rate_limits(context: typer.Context, changes: Assignments = None) -> None:
    """Show or change the rate limits, for example: ctl rate-limits data=null."""
    _show_or_patch(context, "/rate_limits", changes)


@ctl.command()
def faults(context: typer.Context) -> None:
    """Show armed and known faults."""
    _show(context, "GET", "/faults")


@ctl.command()
def fault(
    context: typer.Context,
    name: str,
    target: Annotated[str | None, typer.Option(help="VIN, site id, client id or path.")] = None,
    count: Annotated[int, typer.Option(min=0, help="How many hits; 0 until cleared.")] = 1,
    parameters: Assignments = None,
) -> None:
    """Arm a fault."""
    body = {"name": name, "target": target, "count": count or None, "parameters": _assignments(parameters)}
    _show(context, "POST", "/faults", body)


@ctl.command()
def clear_faults(context: typer.Context, name: str | None = None, target: str | None = None) -> None:
    """Disarm faults, all or some."""
    filters = {key: value for key, value in (("name", name), ("target", target)) if value is not None}
    _show(context, "DELETE", f"/faults?{urlencode(filters)}")


@ctl.command()
def requests(context: typer.Context, path: Annotated[str, typer.Option(help="A part of the path.")] = "") -> None:
    """Show the requests that clients have made."""
    _show(context, "GET", f"/requests?{urlencode({'path': path})}")


def _grant_path(email: str, client_id: str) -> str:
    return f"/grants/{quote(email, safe='')}/{quote(client_id, safe='')}"


def _show_or_patch(context: typer.Context, path: str, changes: list[str] | None) -> None:
    _show(context, "PATCH" if changes else "GET", path, _assignments(changes) if changes else None)


def _show(context: typer.Context, method: str, path: str, body: Mapping[str, object] | None = None) -> None:
    try:
        answer = call(str(context.obj), method, path, body)
    except ControlRefusedError as refused:
        typer.echo(f"error: {refused}", err=True)
        raise typer.Exit(1) from refused
    typer.echo(json.dumps(answer, indent=2))


def _assignments(pairs: list[str] | None) -> dict[str, object]:
    changes: dict[str, object] = {}
    for pair in pairs or []:
        name, separator, text = pair.partition("=")
        if not separator:
            raise typer.BadParameter(f"{pair!r} is not of the form name=value")
        try:
            changes[name] = json.loads(text)
        except ValueError:
            changes[name] = text
    return changes
