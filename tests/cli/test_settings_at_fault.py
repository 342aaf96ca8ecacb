"""Commands whose settings are wrong end with status 2 and a sentence that names the variable."""

import asyncio
import json
import os
import socket
import sqlite3
import sys
from pathlib import Path

import pytest

from tests.certificates import new_pair
from tests.processes import PATIENCE_SECONDS, ROOT
from wattbus_server.cli.keys import new_encryption_key


async def command_line(folder: Path, *arguments: str, **settings: str) -> tuple[int | None, str]:
    """Run a command in a folder of its own, and return its status and what it wrote to standard error."""
    changes = {f"WATTBUS_{name}": value for name, value in settings.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WATTBUS_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wattbus_server", *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**inherited, "PYTHONPATH": f"{ROOT / 'server'}:{ROOT / 'generated'}", **changes},
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, errors.decode()


def fit_settings() -> dict[str, str]:
    return {"GRPC_PORT": "0", "HTTP_PORT": "0", "ENCRYPTION_KEY": new_encryption_key()}


UNFIT: list[tuple[str, str, str]] = [
    ("DATABASE_URL", "sqlite+aiosqlite:///nowhere/wattbus.db", "No such file or directory"),
    ("DATABASE_URL", "sqlite+aiosqlite:///folder", "cannot be opened"),
    ("DATABASE_URL", "sqlite+aiosqlite:///garbage", "file is not a database"),
    ("DATABASE_URL", "wattbus.db", "is no SQLAlchemy URL"),
    ("DATABASE_URL", "oracle+nonsense://host", "is no SQLAlchemy URL"),
    ("DATABASE_URL", "sqlite:///wattbus.db", "not asynchronous"),
    ("DATABASE_URL", "postgresql+asyncpg://me:hunter2@localhost/wattbus", "not installed"),
    ("TESLA__API_URLS", "https://eu.example", "must be JSON"),
    ("TESLA", "eu", "must be JSON"),
    ("TESLA__TOKEN_URL", "http://tesla.example", "must be an https address"),
    ("TESLA__HOME_REGION", "cn", "has no address"),
    ("PUBLIC_URL", "ftp://link.example.com", "must be an address"),
]


@pytest.mark.parametrize("command", [["serve"], ["tenants", "create", "Acme"]], ids=" ".join)
@pytest.mark.parametrize(("name", "value", "complaint"), UNFIT, ids=[f"{row[0]}={row[1]}" for row in UNFIT])
async def test_a_value_that_is_wrong_is_explained(
    tmp_path: Path, command: list[str], name: str, value: str, complaint: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "garbage").write_text("This is a letter and no database.\n" * 100)
    status, errors = await command_line(tmp_path, *command, **fit_settings() | {name: value})
    assert status == 2, errors
    told = errors.splitlines()[-1]
    assert told.startswith(f"WATTBUS_{name}: ")
    assert complaint in told
    assert "Traceback" not in errors
    assert "hunter2" not in errors


@pytest.mark.parametrize("name", ["GRPC_PORT", "HTTP_PORT", "CHANNELZ_PORT"])
async def test_a_port_that_is_taken_is_explained(tmp_path: Path, name: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        status, errors = await command_line(tmp_path, "serve", **fit_settings() | {name: port})
    assert status == 2, errors
    told = errors.splitlines()[-1]
    assert told.startswith(f"WATTBUS_{name}: 127.0.0.1:{port} cannot be opened")
    assert "another program listens there" in told
    assert "Traceback" not in errors


@pytest.mark.parametrize("name", ["TESLA__COMMAND_KEY_FILE", "TLS__CERTIFICATE_FILE", "TLS__PRIVATE_KEY_FILE"])
@pytest.mark.parametrize("content", [None, "no key"], ids=["missing", "unreadable"])
async def test_a_key_file_that_cannot_be_used_is_explained(tmp_path: Path, name: str, content: str | None) -> None:
    files = new_pair("wattbus").write(tmp_path)
    if content is not None:
        (tmp_path / "unfit.pem").write_text(content)
    status, errors = await command_line(tmp_path, "serve", **fit_settings() | files | {name: "unfit.pem"})
    assert status == 2, errors
    told = errors.splitlines()[-1]
    assert told.startswith(f"WATTBUS_{name}: ")
    assert "unfit.pem" in told
    assert "Traceback" not in errors


async def test_a_database_of_a_newer_version_is_explained(tmp_path: Path) -> None:
    assert (await command_line(tmp_path, "tenants", "create", "Acme"))[0] == 0
    with sqlite3.connect(tmp_path / "wattbus.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    status, errors = await command_line(tmp_path, "tenants", "create", "Acme")
    assert status == 2, errors
    assert errors.startswith("WATTBUS_DATABASE_URL: a newer version has changed this database")
    assert "Traceback" not in errors


async def test_misspelt_names_are_told_wherever_they_are_written(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WATTBUS_TESLA__CLIENT_IDD=mine\nOTHER_PROGRAM=1\n")
    status, errors = await command_line(tmp_path, "tenants", "create", "Acme", GRPC_PORTT="1")
    assert status == 0, errors
    assert errors.splitlines() == [
        "WATTBUS_GRPC_PORTT is not a setting.",
        "WATTBUS_TESLA__CLIENT_IDD is not a setting.",
    ]
    # The database ends the server; what was logged before is looked at.
    unfit = fit_settings() | {"DATABASE_URL": "nonsense", "GRPC_PORTT": "1"}
    _, errors = await command_line(tmp_path, "serve", **unfit)
    logged = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    told = [line["variable"] for line in logged if line["event"] == "unknown_setting"]
    assert told == ["WATTBUS_GRPC_PORTT", "WATTBUS_TESLA__CLIENT_IDD"]


async def test_what_is_wrong_in_the_file_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WATTBUS_TESLA__API_URLS=https://eu.example\n")
    status, errors = await command_line(tmp_path, "tenants", "list")
    assert (status, errors) == (2, "WATTBUS_TESLA__API_URLS: must be JSON\n")
    (tmp_path / ".env").write_bytes(b"WATTBUS_ADMIN_KEY=\xff\n")
    status, errors = await command_line(tmp_path, "tenants", "list")
    assert status == 2
    assert errors.startswith(".env: cannot be read")
