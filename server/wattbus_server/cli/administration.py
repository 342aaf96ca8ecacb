"""`wattbus tenants …` and `wattbus api-keys …`: administration on the database, before or while a server runs.

A running server sees the change within seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from wattbus_server.cli.environment import explained_settings, misspelt_settings, read_settings
from wattbus_server.problem import Problem
from wattbus_server.storage.database import open_engine
from wattbus_server.storage.migrate import migrate
from wattbus_server.tenants.directory import TenantDirectory

Result = TypeVar("Result")

tenants_app = typer.Typer(no_args_is_help=True, help="Customers of this server.")
api_keys_app = typer.Typer(no_args_is_help=True, help="API keys of tenants.")


@tenants_app.command("create")
def create_tenant(display_name: Annotated[str, typer.Argument(help="A name for people.")]) -> None:
    """Create a tenant and print its name."""
    tenant = _with_directory(lambda directory: directory.create_tenant(display_name))
    typer.echo(tenant.name)


@tenants_app.command("list")
def list_tenants() -> None:
    """Print all tenants."""

    async def read(directory: TenantDirectory) -> list[str]:
        return [f"{tenant.name}\t{tenant.display_name}" for tenant in directory.all_tenants()]

    for line in _with_directory(read):
        typer.echo(line)


@api_keys_app.command("create")
def create_key(
    tenant: Annotated[str, typer.Argument(help="`tenants/…`, as `wattbus tenants create` printed it.")],
    display_name: Annotated[str, typer.Option(help="A name for people.")] = "",
) -> None:
    """Create an API key and print its secret, which is shown only now."""
    _, secret = _with_directory(lambda directory: directory.create_key(tenant, display_name))
    typer.echo(secret)


@api_keys_app.command("list")
def list_keys(tenant: Annotated[str, typer.Argument(help="`tenants/…`")]) -> None:
    """Print the API keys of a tenant, without secrets."""

    async def read(directory: TenantDirectory) -> list[str]:
        keys = directory.keys_of(tenant)
        return [
            f"{key.name}\t{'revoked' if key.HasField('revoke_time') else 'works'}\t{key.display_name}" for key in keys
        ]

    for line in _with_directory(read):
        typer.echo(line)


@api_keys_app.command("revoke")
def revoke_key(name: Annotated[str, typer.Argument(help="`tenants/…/apiKeys/…`")]) -> None:
    """Revoke an API key."""
    typer.echo(_with_directory(lambda directory: directory.revoke_key(name)).name)


def _with_directory(work: Callable[[TenantDirectory], Awaitable[Result]]) -> Result:
    settings = read_settings()
    for variable in misspelt_settings():
        typer.echo(f"{variable} is not a setting.", err=True)

    async def run() -> Result:
        engine = open_engine(settings.database_url)
        try:
            await migrate(engine)
            directory = TenantDirectory(engine)
            await directory.load()
            return await work(directory)
        finally:
            await engine.dispose()

    try:
        with explained_settings():
            return asyncio.run(run())
    except Problem as problem:
        typer.echo(problem.message, err=True)
        raise typer.Exit(1) from problem
