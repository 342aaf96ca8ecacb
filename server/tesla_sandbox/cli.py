"""Command line: `tesla-sandbox` serves a scenario, `tesla-sandbox ctl …` changes a running one."""

from pathlib import Path
from typing import Annotated

import typer

from tesla_sandbox.control.commands import ctl
from tesla_sandbox.scenario import DEFAULT_SCENARIO, ClockSpec, ScenarioError, load_scenario
from tesla_sandbox.scenario_overrides import ScenarioOverrides
from tesla_sandbox.telemetry.outputs import TelemetrySpec, mqtt_spec_of
from tesla_sandbox.telemetry.zmq_output import ZmqSpec

app = typer.Typer(add_completion=False, help="A simulated Tesla cloud.", no_args_is_help=False)
app.add_typer(ctl, name="ctl")


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    scenario: Annotated[str, typer.Option(help="File, or name of a bundled one.")] = (DEFAULT_SCENARIO),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free port.")] = 8090,
    public_url: Annotated[
        str | None, typer.Option(help="How clients reach the sandbox, if not by that address.")
    ] = None,
    fleet_host: Annotated[
        list[str] | None,
        typer.Option(help="Host of a region's Fleet API, e.g. 'eu=fleet-api.prd.eu.vn.cloud.tesla.com'; repeatable."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Serve by TLS with this certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's private key.")] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces the scenario's seed.")] = None,
    clock: Annotated[str | None, typer.Option(help="'real', 'paused', or a speed such as 'x60'.")] = None,
    open_control: Annotated[
        bool, typer.Option("--open-control", help="Let other computers change the world too.")
    ] = False,
    client_id: Annotated[str | None, typer.Option(help="Application client id.")] = None,
    client_secret: Annotated[
        str | None, typer.Option(envvar="TESLA_SANDBOX_CLIENT_SECRET", help="Application client secret.")
    ] = None,
    redirect_uri: Annotated[list[str] | None, typer.Option(help="Registered redirect URI; may be repeated.")] = None,
    domain: Annotated[str | None, typer.Option(help="Registered domain.")] = None,
    public_key: Annotated[Path | None, typer.Option(help="PEM file of the application's public key.")] = None,
    telemetry_zmq: Annotated[
        str | None, typer.Option(help="Publish telemetry by ZeroMQ here, e.g. 'tcp://127.0.0.1:5284'.")
    ] = None,
    telemetry_mqtt: Annotated[
        str | None, typer.Option(help="Publish telemetry to this broker, e.g. 'mqtt://127.0.0.1:1883/telemetry'.")
    ] = None,
    telemetry_json: Annotated[
        bool, typer.Option("--telemetry-json", help="Send JSON instead of protobuf by ZeroMQ.")
    ] = False,
) -> None:
    """Serve a scenario until interrupted; the first line on stdout is JSON with all URLs."""
    if context.invoked_subcommand is not None:
        return
    # Imported here so that `ctl` does not load the whole sandbox.
    from tesla_sandbox.server import Certificate, Door, fleet_hosts, serve

    try:
        application = {
            "client_id": client_id,
            "client_secret": client_secret,
            "redirect_uris": redirect_uri or None,
            "domain": domain,
            "public_key": public_key.read_text() if public_key is not None else None,
        }
        overrides = ScenarioOverrides(
            seed=seed,
            clock=parse_clock(clock) if clock is not None else None,
            application={name: value for name, value in application.items() if value is not None},
            telemetry=telemetry_outputs(telemetry_zmq, telemetry_mqtt, as_json=telemetry_json),
        )
        if (tls_cert is None) != (tls_key is None):
            raise ValueError("--tls-cert and --tls-key come together")
        certificate = Certificate(tls_cert, tls_key) if tls_cert is not None and tls_key is not None else None
        door = Door(host, port, public_url, fleet_hosts(fleet_host or []), certificate)
        serve(load_scenario(scenario), door, overrides=overrides, open_control=open_control)
    except (ScenarioError, OSError, ValueError) as unfit:
        raise typer.BadParameter(str(unfit)) from unfit


def telemetry_outputs(zmq: str | None, mqtt: str | None, *, as_json: bool) -> TelemetrySpec:
    """The outputs that the command line asks for.

    Raises:
        ValueError: If an address is unfit.
    """
    publisher = ZmqSpec(bind=zmq, transmit_decoded_records=as_json) if zmq is not None else None
    return TelemetrySpec(zmq=publisher, mqtt=mqtt_spec_of(mqtt) if mqtt is not None else None)


def parse_clock(text: str) -> ClockSpec:
    """The clock for `real`, `paused` or `x<speed>`.

    Raises:
        ValueError: For any other text.
    """
    if text == "real":
        return ClockSpec()
    if text == "paused":
        return ClockSpec(paused=True)
    if text.startswith("x"):
        return ClockSpec(speed=float(text[1:]))
    raise ValueError("the clock is 'real', 'paused' or a speed such as 'x60'")


def main() -> None:
    """Entry point of the console script."""
    app()
