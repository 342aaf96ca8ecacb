"""Settings as commands read them: what is wrong is told by the variable's name, never by its value."""

import typer
from pydantic import ValidationError

from wattbus_server.settings import Settings


def read_settings() -> Settings:
    """Read the settings, or say what is wrong with them and end with status 2."""
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors():
            variable = "WATTBUS_" + "__".join(str(part).upper() for part in problem["loc"])
            typer.echo(f"{variable}: {problem['msg']}", err=True)
        raise typer.Exit(2) from None
