"""Every command of a simulated car, whichever way it arrives."""

from collections.abc import Mapping
from types import MappingProxyType

from tesla_sandbox.cars.commands import (
    access,
    charging,
    climate,
    comfort,
    restrictions,
    scheduling,
)
from tesla_sandbox.cars.commands.contract import AnyCommand, CommandRefusal, Unsigned

COMMANDS: Mapping[str, AnyCommand] = MappingProxyType(
    {
        command.name: command
        for group in (access, charging, climate, comfort, restrictions, scheduling)
        for command in group.COMMANDS
    }
)
"""Commands by name."""

__all__ = ["COMMANDS", "AnyCommand", "CommandRefusal", "Unsigned"]
