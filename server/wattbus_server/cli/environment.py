"""Settings as commands read them: what is wrong is told by the variable's name, never by its value."""

import contextlib
import json
from collections.abc import Iterator

import typer
from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, SettingsError

from wattbus_server.settings import PREFIX, ConfigurationError, Settings, misspelt, written_as_json


def read_settings() -> Settings:
    """Read the settings, or say what is wrong with them and end with status 2."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = [(_variable(problem["loc"]), problem["msg"]) for problem in error.errors()]
    except SettingsError:
        # It names neither the variable nor what is wrong with it.
        values = _written()
        wrong = [(name, "must be JSON") for name in sorted(written_as_json()) if not _is_json(values.get(name))]
    except (OSError, UnicodeDecodeError) as error:
        wrong = [(".env", f"cannot be read: {error}")]
    for variable, complaint in wrong:
        typer.echo(f"{variable}: {complaint.removeprefix('Value error, ')}", err=True)
    raise typer.Exit(2)


def misspelt_settings() -> list[str]:
    """Return the variables, of the environment and of `.env`, that look like settings and are none."""
    return misspelt(_written())


@contextlib.contextmanager
def explained_settings() -> Iterator[None]:
    """Where the settings are at fault in the block, say so and end with status 2."""
    try:
        yield
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + "__".join(str(part).upper() for part in location)


def _written() -> dict[str, str | None]:
    """Return what the environment and `.env` hold, in the order in which settings are taken from them."""
    sources = (DotEnvSettingsSource(Settings), EnvSettingsSource(Settings))
    return {name.upper(): value for source in sources for name, value in source.env_vars.items()}


def _is_json(value: str | None) -> bool:
    try:
        return value is None or bool(json.loads(value) or True)
    except ValueError:
        return False
