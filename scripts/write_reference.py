"""Write the reference pages that are made from the code: settings, reasons, telemetry fields of the sandbox.

`--check` writes nothing and exits 1 if a page differs from the code.
"""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from tesla_protocol.telemetry.vehicle_data_pb2 import Field as TelemetryField
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from tesla_sandbox.telemetry.signals import SIGNALS
from wattbus_server.blockers import catalogue
from wattbus_server.settings import variables

ROOT = Path(__file__).resolve().parent.parent

SETTINGS_HEAD = """# Settings

Every setting is an environment variable. A file `.env` in the working directory is read too. Durations are seconds or
ISO 8601 (`PT30S`). This page is made from `settings.py` by `make reference`.

| variable | default | meaning |
|---|---|---|
"""

REASONS_HEAD = """# Reasons

Every error carries `google.rpc.ErrorInfo` with one of these reasons and the domain `wattbus`. Reasons never change
their meaning; accept ones that you do not know. This page is made from `reason.proto` and the catalogue by
`make reference`.

"""


TELEMETRY_HEAD = """# Telemetry fields of the sandbox

What simulated cars send, by the field's number in the protocol: the arm of `Value` that carries it, and the first
firmware that has it. Values are `invalid` while a car has none, for example without a route. Moments are sent as real
cars send them: the time on the car's own clock, taken for Pacific time. This page is made from the code by
`make reference`; the [sandbox](tesla-sandbox.md) says when fields are sent.

| number | field | arm | from firmware |
|---|---|---|---|
"""

TELEMETRY_FOOT = """

## Fields that stay silent

These can be configured and send nothing, as on a car without the part, until a test forces a value
(`tesla-sandbox ctl telemetry VIN NAME=value`):

"""


def setting_rows() -> Iterator[str]:
    """Yield a table row for each setting."""
    for variable, field in variables():
        if not field.description:
            raise SystemExit(f"{variable} has no docstring")
        meaning = " ".join(field.description.split())
        yield f"| `{variable}` | {shown_default(field)} | {meaning} |"


def shown_default(field: FieldInfo) -> str:
    """Return a default as a person writes it."""
    default = field.default
    if default in (None, "") or isinstance(default, SecretStr):
        return ""
    if isinstance(default, timedelta):
        return f"`{default.total_seconds():g}` s"
    if isinstance(default, dict):
        return ", ".join(f"`{key}`: `{value}`" for key, value in default.items())
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def reason_comments() -> dict[str, str]:
    """Return the comment of each reason in the proto."""
    compiled = ROOT / "build" / "reason.binpb"
    compiled.parent.mkdir(exist_ok=True)
    arguments = [
        "protoc",
        f"--proto_path={ROOT / 'proto'}",
        "--include_source_info",
        f"--descriptor_set_out={compiled}",
    ]
    if protoc.main([*arguments, "wattbus/v1/reason.proto"]) != 0:
        raise SystemExit("reason.proto does not compile")
    file = FileDescriptorSet.FromString(compiled.read_bytes()).file[0]
    values = file.enum_type[0].value
    # The path of a value's comment is: enum_type (5), first enum (0), value (2), its index.
    return {
        values[location.path[3]].name: " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
        if len(location.path) == 4 and list(location.path[:3]) == [5, 0, 2]
    }


def reason_sections() -> Iterator[str]:
    """Yield a section for each reason."""
    comments = reason_comments()
    for number in Reason.values()[1:]:
        entry = catalogue.entry(number)
        comment = comments[Reason.Name(number)].split(". ", 1)[-1]
        actor = Actor.Name(entry.actor).removeprefix("ACTOR_").lower().replace("_", " ")
        yield f"## {entry.anchor}\n\n`{entry.name}` · {entry.code.name} · who acts: {actor}\n\n{comment}\n"
        yield f"* What helps: {entry.step}"
        yield f"* How it heals: {entry.verification}"
        if entry.retry_delay is not None:
            yield f"* Usual retry delay: {entry.retry_delay.total_seconds():g} s"
        yield f"* For the end user: “{entry.end_user_message}”\n"


def telemetry_rows() -> Iterator[str]:
    """Yield a table row for each telemetry field that simulated cars send, by its number."""
    for name, number in TelemetryField.items():
        if name in SIGNALS:
            signal = SIGNALS[name]
            yield f"| {number} | `{name}` | `{signal.arm}` | {'.'.join(map(str, signal.since))} |"


def silent_fields() -> str:
    """Return the fields that simulated cars do not send, as a list in a sentence."""
    return ", ".join(f"`{name}`" for name in TelemetryField.keys() if name not in SIGNALS)  # noqa: SIM118 - an enum


def pages() -> dict[Path, str]:
    """Return the pages by path."""
    return {
        ROOT / "docs" / "settings.md": SETTINGS_HEAD + "\n".join(setting_rows()) + "\n",
        ROOT / "docs" / "reasons.md": REASONS_HEAD + "\n".join(reason_sections()),
        ROOT / "docs" / "tesla-sandbox-fields.md": (
            TELEMETRY_HEAD + "\n".join(telemetry_rows()) + TELEMETRY_FOOT + silent_fields() + ".\n"
        ),
    }


def main() -> int:
    """Write the pages, or with `--check` compare them."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"stale: {path.relative_to(ROOT)} (run `make reference`)")
        return 1 if stale else 0
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
