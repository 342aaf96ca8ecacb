"""The sandbox's page: what it tells to type does what it shows, and its tables are whole."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tesla_protocol.telemetry.vehicle_data_pb2 import Field

from tesla_sandbox.cars.control import CHANGES
from tesla_sandbox.control.home_changes import HomeChange
from tesla_sandbox.fault_table import FAULTS
from tesla_sandbox.telemetry.signals import SIGNALS
from tests.docs.transcript import Typed, transcript
from tests.processes import ROOT, sandbox_process
from tests.service import free_port

pytestmark = pytest.mark.timeout(400)

PAGE = (ROOT / "docs" / "tesla-sandbox.md").read_text(encoding="utf-8")
PROGRAMS = {"tesla-sandbox": "tesla_sandbox", "wattbus": "wattbus_server"}
END = "--- end of the output ---"

needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "openssl"))), reason="bash, curl or openssl is not installed"
)


def block(kind: str) -> str:
    """The first block of a kind."""
    found = re.search(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def section(heading: str) -> str:
    """What stands below a heading of the second level."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


async def typed_in(folder: Path, commands: list[Typed], **environment: str) -> list[str]:
    """What each command prints, typed into one shell in this folder; what it starts ends with it."""
    for program, module in PROGRAMS.items():
        (folder / program).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (folder / program).chmod(0o755)
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", "\n".join(f"{entry.command}\necho '{END}'" for entry in commands)),
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT / 'server'}:{ROOT / 'generated'}",
            "no_proxy": "*",
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        printed, _ = await shell.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    return [part.strip("\n") for part in printed.decode().split(END)[:-1]]


def moved(text: str, ports: Mapping[str, str]) -> str:
    """The text with other ports."""
    return re.sub(r"\b(8090|8080|50051)\b", lambda port: ports.get(port[0], port[0]), text)


@needs_tools
async def test_the_server_runs_on_the_sandbox_as_the_page_shows(tmp_path: Path) -> None:
    recipe = section("The Wattbus server on the sandbox")
    ports = {documented: str(free_port()) for documented in ("8090", "8080", "50051")}
    # The first three commands install, and enter a folder.
    typed = [Typed(moved(entry.command, ports), entry.output) for entry in transcript(recipe)[3:]]
    settings = re.search(r"^```sh\n(.*?)^```$", recipe, re.MULTILINE | re.DOTALL)
    assert settings is not None
    start = next(number for number, entry in enumerate(typed) if entry.command.startswith("KEY="))
    await typed_in(tmp_path, typed[:start])
    with (tmp_path / ".env").open("a") as file:
        file.write(moved(settings[1], ports))
    printed = await typed_in(tmp_path, typed[start:], WATTBUS_GRPC_PORT=ports["50051"], WATTBUS_HTTP_PORT=ports["8080"])
    logs = [(tmp_path / name).read_text() for name in ("sandbox.log", "server.log")]
    assert printed == [entry.output for entry in typed[start:]], logs


@needs_tools
async def test_the_first_five_minutes_print_what_the_page_shows(tmp_path: Path) -> None:
    typed = transcript(section("The first five minutes"))
    start = next(number for number, entry in enumerate(typed) if entry.command.startswith("tesla-sandbox --scenario"))
    (tmp_path / "first.yaml").write_text(block("yaml"))
    await typed_in(tmp_path, typed[:start])
    options = ["--public-key", str(tmp_path / "public.pem")]
    async with sandbox_process(scenario=tmp_path / "first.yaml", options=options) as sandbox:
        ports = {"8090": sandbox.base_url.rpartition(":")[2]}
        (tmp_path / "signed.py").write_text(moved(block("python"), ports))
        commands = [Typed(moved(entry.command, ports), entry.output) for entry in typed[start + 1 :]]
        printed = await typed_in(tmp_path, commands, TESLA_SANDBOX_URL=sandbox.base_url)
    shown = [(entry.command, entry.output) for entry in commands]
    assert list(zip((entry.command for entry in commands), printed, strict=True)) == shown


def test_the_table_of_faults_is_complete() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.partition("## Faults")[2].partition("\n## ")[0], re.MULTILINE)
    assert dict(rows) == {name: kind.summary for name, kind in FAULTS.items()}


@pytest.mark.parametrize(
    ("command", "names"), [("ctl car VIN", {"key", *CHANGES}), ("ctl home SITE_ID", set(HomeChange.model_fields))]
)
def test_the_tables_of_changes_are_complete(command: str, names: set[str]) -> None:
    table = PAGE.partition(f"| `{command} …` |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(names)


def test_the_list_of_telemetry_fields_is_complete() -> None:
    text = (ROOT / "docs" / "tesla-sandbox-fields.md").read_text(encoding="utf-8")
    simulated, _, silent = text.partition("## Fields that stay silent")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| `(\w+)` \| ([\d.]+) \|$", simulated, re.MULTILINE)
    assert {name: (arm, since) for _, name, arm, since in rows} == {
        name: (signal.arm, ".".join(map(str, signal.since))) for name, signal in SIGNALS.items()
    }
    assert {name: int(number) for number, name, _, _ in rows} == {name: Field.Value(name) for name in SIGNALS}
    assert set(re.findall(r"`(\w+)`[,.]", silent)) == set(Field.keys()) - set(SIGNALS)
