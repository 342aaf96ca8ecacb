"""Which key may authorise which command over the internet.

Source: teslamotors/vehicle-command, pkg/protocol/protocol.md, section Roles.
"""

from tesla_protocol.command.keys_pb2 import Role
from tesla_protocol.command.universal_message_pb2 import MessageFault_E

from tesla_sandbox.cars.commands.contract import AnyCommand
from tesla_sandbox.cars.security.faults import ProtocolFault

_EVERYTHING = frozenset({Role.ROLE_OWNER, Role.ROLE_FM})
_EVERYDAY = frozenset({Role.ROLE_DRIVER, Role.ROLE_GUEST})

_ACCESS_CONTROLS = frozenset(
    {
        "set_pin_to_drive",
        "reset_pin_to_drive_pin",
        "clear_pin_to_drive_admin",
        "speed_limit_clear_pin_admin",
        "guest_mode",
        "erase_user_data",
        "parental_controls_activate",
        "parental_controls_deactivate",
        "parental_controls_clear_pin",
        "parental_controls_clear_pin_admin",
        "parental_controls_enable_setting",
        "parental_controls_set_speed_limit",
    }
)
"""Commands about PINs and other users, which drivers and guests cannot give."""

_ROADSIDE_HELP = frozenset({"door_lock", "door_unlock"})


def check_permission(role: "Role", command: AnyCommand) -> None:
    """Refuse a command that the key's role does not cover.

    Raises:
        ProtocolFault: INSUFFICIENT_PRIVILEGES, or for service keys the fault of their own.
    """
    if role in _EVERYTHING:
        return
    if role in _EVERYDAY and command.name not in _ACCESS_CONTROLS:
        return
    if role == Role.ROLE_CHARGING_MANAGER and command.charging:
        return
    if role == Role.ROLE_SERVICE:
        if command.name in _ROADSIDE_HELP:
            return
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_REMOTE_SERVICE_ACCESS_DISABLED)
    raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES)
