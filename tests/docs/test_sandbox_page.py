"""The sandbox's page: what it tells to type does what it shows, and its tables are whole."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from tesla_protocol.telemetry.vehicle_data_pb2 import Field

from tesla_sandbox.cars.control import CHANGES
from tesla_sandbox.control.home_changes import HomeChange
from tesla_sandbox.fault_table import FAULTS
from tesla_sandbox.telemetry.signals import SIGNALS
from tests.docs.transcript import Typed, transcript
from tests.processes import ROOT, sandbox_process

pytestmark = pytest.mark.timeout(400)

PAGE = (ROOT / "docs" / "tesla-sandbox.md").read_text(encoding="utf-8")
DOCUMENTED_ADDRESS = "127.0.0.1:8090"
END = "--- end of the output ---"

needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "openssl"))), reason="bash, curl or openssl is not installed"
)


def block(kind: str) -> str:
    """The first block of a kind."""
    found = re.search(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


async def typed_in(folder: Path, commands: list[Typed], address: str) -> list[str]:
    """What each command prints, typed into one shell in this folder."""
    program = folder / "tesla-sandbox"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tesla_sandbox "$@"\n')
    program.chmod(0o755)
    lines = [f"{entry.command}\necho '{END}'" for entry in commands]
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", "\n".join(lines).replace(DOCUMENTED_ADDRESS, address)),
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "server"),
            "TESLA_SANDBOX_URL": f"http://{address}",
            "no_proxy": "*",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await shell.communicate()
    text = printed.decode().replace(address, DOCUMENTED_ADDRESS)
    return [part.strip("\n") for part in text.split(END)[:-1]]


@needs_tools
async def test_the_first_five_minutes_print_what_the_page_shows(tmp_path: Path) -> None:
    typed = transcript(PAGE)
    start = next(number for number, entry in enumerate(typed) if entry.command.startswith("tesla-sandbox --scenario"))
    (tmp_path / "first.yaml").write_text(block("yaml"))
    await typed_in(tmp_path, typed[:start], "")
    options = ["--public-key", str(tmp_path / "public.pem")]
    async with sandbox_process(scenario=tmp_path / "first.yaml", options=options) as sandbox:
        address = sandbox.base_url.removeprefix("http://")
        (tmp_path / "signed.py").write_text(block("python").replace(DOCUMENTED_ADDRESS, address))
        printed = await typed_in(tmp_path, typed[start + 1 :], address)
    shown = [(entry.command, entry.output) for entry in typed[start + 1 :]]
    assert list(zip((entry.command for entry in typed[start + 1 :]), printed, strict=True)) == shown


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
