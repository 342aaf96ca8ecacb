"""The command line: `wattbus …`."""

import os
import sys
from typing import Annotated

import typer

# gRPC core reads this when it is imported. Below errors it tells of other people's broken handshakes only, and its
# lines among the logs are no JSON.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from wattbus_server.cli import administration, demo, keys, serve

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Control people's energy devices."
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("keygen")(keys.keygen)
app.add_typer(administration.tenants_app, name="tenants")
app.add_typer(administration.api_keys_app, name="api-keys")


@app.command(
    "sandbox", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def sandbox(context: typer.Context, _arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Run the simulated Tesla cloud, a program of its own; the arguments are those of `tesla-sandbox`."""
    arguments = [sys.executable, "-m", "tesla_sandbox", *(_arguments or []), *context.args]
    os.execv(sys.executable, arguments)  # noqa: S606 - no shell, and the program is our own


def main() -> None:
    """Run the command line."""
    app()
