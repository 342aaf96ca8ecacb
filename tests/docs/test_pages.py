"""The pages tell the truth: links lead somewhere, and what they name exists."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from pydantic import BaseModel
from wattbus.v1 import admin_service_pb2, connection_service_pb2, device_service_pb2
from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.reason_pb2 import Reason

from tests.docs.pages import PAGES, Page, page_id
from tests.processes import ROOT
from wattbus_server.cli import app
from wattbus_server.settings import Settings
from wattbus_server.vendors.tesla.control.actions import ACTIONS

SERVICES = {
    **device_service_pb2.DESCRIPTOR.services_by_name,
    **connection_service_pb2.DESCRIPTOR.services_by_name,
    **admin_service_pb2.DESCRIPTOR.services_by_name,
}

every_page = pytest.mark.parametrize("page", PAGES, ids=page_id)


@every_page
def test_links_lead_to_files_and_headings(page: Page) -> None:
    for link in page.links:
        name, _, anchor = link.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        assert target.exists(), link
        if anchor:
            assert anchor in Page(target).anchors, link


def setting_names(model: type[BaseModel] = Settings, prefix: str = "WATTBUS_") -> set[str]:
    names = set()
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names |= setting_names(field.annotation, f"{variable}__")
        else:
            names.add(variable)
    return names


@every_page
def test_settings_that_are_named_exist(page: Page) -> None:
    names = setting_names()
    for named in set(re.findall(r"WATTBUS_[A-Z_]*[A-Z](?!\w)", page.text)):
        groups = {name.rpartition("__")[0] for name in names}
        assert named in names or named in groups or named.rpartition("__")[0] in names, named


@every_page
def test_wattbus_commands_that_are_named_exist(page: Page) -> None:
    for line in page.commands:
        words = line.split()
        if words[0] != "wattbus" or words[1:2] == ["…"]:
            continue
        found: Any = typer.main.get_command(app)
        rest = words[1:]
        while hasattr(found, "commands") and rest:
            assert rest[0] in found.commands, line
            found, rest = found.commands[rest[0]], rest[1:]
        # What follows `wattbus sandbox` belongs to another program.
        if found.name != "sandbox":
            options = {option for parameter in found.params for option in parameter.opts}
            assert {word for word in rest if word.startswith("--")} <= options, line


@every_page
def test_make_targets_that_are_named_exist(page: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in page.commands:
        words = line.split()
        if words[0] == "make" and len(words) > 1 and words[1] != "…":
            assert words[1] in targets, line


@every_page
def test_requests_of_the_examples_fit_their_methods(page: Page) -> None:
    calls = re.findall(r"^\$ (grpcurl .*?/\w+)$", "\n".join(page.blocks), re.MULTILINE | re.DOTALL)
    for call in calls:
        method = re.search(r"(?:wattbus\.v1\.(\w+)|…)/(\w+)", call)
        data = re.search(r"-d '(\{.*\})'", call.replace("\\\n", " "), re.DOTALL)
        assert method is not None, call
        service = SERVICES[method[1] or "DeviceService"]
        assert method[2] in service.methods_by_name, call
        if data is not None:
            request = json.loads(data[1])
            # grpcurl writes field masks as messages, protobuf as one text.
            mask = request.pop("state_mask", {"paths": []})
            assert list(mask) == ["paths"], call
            json_format.ParseDict(request, GetMessageClass(service.methods_by_name[method[2]].input_type)())


@every_page
def test_reasons_that_are_named_exist(page: Page) -> None:
    for named in re.findall(r"\bREASON_([A-Z_]+)", page.text):
        assert f"REASON_{named}" in Reason.keys(), named  # noqa: SIM118 - an enum wrapper is no mapping


@pytest.mark.parametrize("path", [*(page.path for page in PAGES), *sorted((ROOT / "docs" / "examples").iterdir())])
def test_no_page_knows_the_machine_that_it_was_written_on(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(work|tmp|root|home|Users)/", text)


def test_the_page_about_commands_has_every_action_with_what_it_can_prove() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|[^|]*\| (?:`(\w+)` )?\|", text, re.MULTILINE)
    told = {action.strip("` "): rung for actions, rung in rows for action in actions.split(",")}
    offered = {
        row.name: Rung.Name(row.traits.provable_rung).removeprefix("RUNG_") for row in ACTIONS.values() if row.way
    }
    assert offered.items() <= told.items()
    for kind in ACTIONS:
        assert ActionKind.Name(kind).removeprefix("ACTION_KIND_").lower() in told
