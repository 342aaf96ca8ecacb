"""`wattbus keygen`: make the keys that the settings ask for."""

import base64
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

ENCRYPTION_KEY_BYTES = 32


def new_encryption_key() -> str:
    """Return a fresh value for `WATTBUS_ENCRYPTION_KEY`."""
    return base64.b64encode(secrets.token_bytes(ENCRYPTION_KEY_BYTES)).decode()


def write_command_key(path: Path) -> None:
    """Write a fresh private key that signs vehicle commands, readable by its owner only.

    Raises:
        FileExistsError: a key is never overwritten; vehicles would have to pair again.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def keygen(
    command_key: Annotated[
        Path | None, typer.Option(help="Also write a private key for vehicle commands (prime256v1, PEM) to this file.")
    ] = None,
) -> None:
    """Print a fresh encryption key, and make a command key if asked."""
    if command_key is not None:
        try:
            write_command_key(command_key)
        except FileExistsError:
            typer.echo(
                f"{command_key} exists and is kept: with another key every vehicle would have to pair again.", err=True
            )
            raise typer.Exit(1) from None
        typer.echo(f"WATTBUS_TESLA__COMMAND_KEY_FILE={command_key}")
    typer.echo(f"WATTBUS_ENCRYPTION_KEY={new_encryption_key()}")
