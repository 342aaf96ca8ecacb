"""The contract of an output: where the telemetry server hands its records.

A further output is one module with a description (`OutputSpec`) and an implementation
(`TelemetryOutput`), and one line in `telemetry.outputs`.
"""

from typing import Protocol

from tesla_sandbox.telemetry.record import TelemetryRecord


class OutputError(Exception):
    """Raised for an output that cannot be opened; says why."""


class TelemetryOutput(Protocol):
    """An open output."""

    @property
    def address(self) -> str:
        """Where a subscriber finds the records; without secrets."""

    def start(self) -> None:
        """Begin to deliver; called in the running event loop."""

    def publish(self, record: TelemetryRecord) -> None:
        """Deliver a record, now or soon, without waiting."""

    def close(self) -> None:
        """Deliver no more, and release what is held."""


class OutputSpec(Protocol):
    """The description of an output in a scenario."""

    def open(self) -> TelemetryOutput:
        """The output itself.

        Raises:
            OutputError: If its library is missing or its address is taken.
        """


def missing_library(output: str, library: str) -> OutputError:
    """What to say when an output's library is not installed."""
    return OutputError(f"the {output} output needs {library}; install it with: pip install 'wattbus[telemetry]'")
