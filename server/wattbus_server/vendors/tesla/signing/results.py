"""What the application inside the vehicle says about a command that it received."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from google.protobuf.message import DecodeError
from tesla_protocol.command import car_server_pb2 as car_server
from tesla_protocol.command import vcsec_pb2 as vcsec

from wattbus_server.vendors.tesla.signing.domains import Domain
from wattbus_server.vendors.tesla.signing.errors import InvalidAnswer

UNSPECIFIED = "unspecified error"
"""The reason of a refusal for which the vehicle gives none."""

BUSY = "vehicle busy or finishing wake-up"
"""The reason when VCSEC is occupied with another request."""

GENERIC_ERRORS: Mapping[int, str] = MappingProxyType(
    {
        0: UNSPECIFIED,
        1: "unknown error",
        2: "closures open",
        3: "already on",
        4: "disabled for user command",
        5: "vehicle not in park",
        6: "unauthorized",
        7: "not allowed over transport",
        8: "key not found",
        9: "not supported",
    }
)
"""Words for VCSEC's `GenericError_E` (errors.proto of teslamotors/vehicle-command)."""

_WHITELIST_PREFIX = "WHITELISTOPERATION_INFORMATION_"
_SIGNATURE_PREFIX = "SIGNEDMESSAGE_INFORMATION_"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Whether the vehicle executed a command.

    Attributes:
        ok: the vehicle says that it executed the command.
        reason: why not, in the vehicle's own words where it has any (infotainment, for example
            `is_charging`), else from `GENERIC_ERRORS`. Empty if ok and nothing was said.
    """

    ok: bool
    reason: str


def read_result(domain: Domain, payload: bytes) -> CommandResult:
    """Read the answer that `VehicleCommandClient.execute` returned.

    Raises:
        InvalidAnswer: the payload cannot be decoded; the command may have been executed.
    """
    try:
        return _READERS[domain](payload)
    except DecodeError as error:
        raise InvalidAnswer(
            "vehicle executed or refused the command, but its answer cannot be decoded",
            may_have_executed=True,
        ) from error


def _read_infotainment(payload: bytes) -> CommandResult:
    status = car_server.Response.FromString(payload).actionStatus
    reason = status.result_reason.plain_text
    if status.result == car_server.OPERATIONSTATUS_OK:
        return CommandResult(ok=True, reason=reason)
    return CommandResult(ok=False, reason=reason or UNSPECIFIED)


def _read_vehicle_security(payload: bytes) -> CommandResult:
    message = vcsec.FromVCSECMessage.FromString(payload)
    if message.HasField("nominalError"):
        code = int(message.nominalError.genericError)
        return CommandResult(ok=False, reason=GENERIC_ERRORS.get(code, f"error code {code}"))
    if message.HasField("commandStatus"):
        return _read_command_status(message.commandStatus)
    return CommandResult(ok=True, reason="")


def _read_command_status(status: vcsec.CommandStatus) -> CommandResult:
    if status.operationStatus == vcsec.OPERATIONSTATUS_OK:
        return CommandResult(ok=True, reason="")
    if status.operationStatus == vcsec.OPERATIONSTATUS_WAIT:
        return CommandResult(ok=False, reason=BUSY)
    return CommandResult(ok=False, reason=_command_status_reason(status))


def _command_status_reason(status: vcsec.CommandStatus) -> str:
    """Turn an enumeration name into words; a number that the bindings do not know stays one."""
    if status.HasField("whitelistOperationStatus"):
        code = int(status.whitelistOperationStatus.whitelistOperationInformation)
        names, prefix = vcsec.WhitelistOperation_information_E, _WHITELIST_PREFIX
        known = dict(zip(names.values(), names.keys(), strict=True))
    elif status.HasField("signedMessageStatus"):
        code = int(status.signedMessageStatus.signedMessageInformation)
        signature_names, prefix = vcsec.SignedMessage_information_E, _SIGNATURE_PREFIX
        known = dict(zip(signature_names.values(), signature_names.keys(), strict=True))
    else:
        return UNSPECIFIED
    name = known.get(code)
    if not code or name is None:
        return f"error code {code}" if code else UNSPECIFIED
    return name.removeprefix(prefix).replace("_", " ").lower()


_READERS: Mapping[Domain, Callable[[bytes], CommandResult]] = MappingProxyType(
    {
        Domain.INFOTAINMENT: _read_infotainment,
        Domain.VEHICLE_SECURITY: _read_vehicle_security,
    }
)
