"""How the demo speaks: numbered chapters, and messages as people at a terminal read them."""

import json

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import status_pb2
from rich.console import Console

# The packed details of a status can only be shown if their types are known.
from google.rpc import error_details_pb2  # noqa: F401  # isort: skip


class Narrator:
    """Prints the story."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._chapter = 0

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapter += 1
        self._console.print(f"\n[bold cyan]{self._chapter}. {title}[/bold cyan]")

    def say(self, text: str) -> None:
        """Say one thing."""
        self._console.print(f"   {text}", markup=False)

    def show(self, message: Message, *paths: str) -> None:
        """Show a message as JSON, or only some of its top-level fields."""
        shown = json_format.MessageToDict(message, preserving_proto_field_name=True)
        self._show_json({key: value for key, value in shown.items() if not paths or key in paths})

    def show_status(self, status: status_pb2.Status, code: str) -> None:
        """Show a refusal with its decoded details, most telling first."""
        self._console.print(f"   [bold red]{code}[/bold red] ", end="")
        self._console.print(status.message, markup=False)
        for detail in status.details:
            kind = detail.TypeName()
            if kind in ("google.rpc.ErrorInfo", "wattbus.v1.Blockers"):
                self._console.print(f"   [yellow]{kind}[/yellow]")
                shown = json_format.MessageToDict(detail, preserving_proto_field_name=True)
                shown.pop("@type")
                self._show_json(shown)

    def lines(self, title: str, lines: list[str]) -> None:
        """Show lines to copy, unchanged."""
        self._console.print(f"\n[bold]{title}[/bold]")
        for line in lines:
            self._console.print(line, markup=False)

    def failed(self, reason: str) -> None:
        """Say that the story broke."""
        self._console.print(f"\n[bold red]The demo failed:[/bold red] {reason}")

    def _show_json(self, value: object) -> None:
        for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines():
            self._console.print(f"   {line}", markup=False)
