"""What vehicles answer, as problems: refusals in their own words, protocol faults, and calls that got no answer."""

from datetime import timedelta

from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.blocker_pb2 import Remedy
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Execution, Problem
from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.control.action_row import ActionRow
from wattbus_server.vendors.tesla.control.actions import signed_kinds
from wattbus_server.vendors.tesla.control.fault_reasons import FAULT_REASONS, UNKNOWN_FAULT
from wattbus_server.vendors.tesla.control.refusal_words import REFUSAL_WORDS, RefusalRow
from wattbus_server.vendors.tesla.remedies import TeslaRemedies, problem_of
from wattbus_server.vendors.tesla.signing import CommandExpired, SigningError, VehicleFault

_PREFIXES = ("car could not execute command: ", "vcsec could not execute command: ")
"""Put in front of the vehicle's word by Tesla's proxy (teslamotors/vehicle-command pkg/proxy)."""

_RETRY_SIGNING = timedelta(seconds=10)

OF_THE_VEHICLE = frozenset(
    {
        Reason.REASON_VIRTUAL_KEY_NOT_PAIRED,
        Reason.REASON_VIRTUAL_KEY_DISABLED,
        Reason.REASON_KEYCHAIN_FULL,
        Reason.REASON_REMOTE_ACCESS_DISABLED,
        Reason.REASON_VEHICLE_IN_SERVICE,
        Reason.REASON_COMMAND_PATH_UNAVAILABLE,
        Reason.REASON_VEHICLE_ASLEEP,
    }
)
"""Reasons that block every command of a vehicle, not only the one that met them."""


class VehicleRefusals:
    """Explains why a vehicle did not do what it was told."""

    def __init__(self, remedies: TeslaRemedies) -> None:
        self._remedies = remedies

    def refused(self, account: VendorAccount, device: DeviceRecord, row: ActionRow, reason: str) -> Problem:
        """Explain an answer of the vehicle's application, in its own words."""
        known = REFUSAL_WORDS.get(word(reason))
        code = known.reason if known is not None else Reason.REASON_VEHICLE_REFUSED
        blocker = self._remedies.blocker(
            code,
            account=account,
            device=device,
            evidence=reason,
            message=f"The vehicle refused to {row.label}: {reason or 'it gave no reason'}.",
            blocked_actions=_blocked(code, row),
            vendor_reason=reason,
            action=row.name,
        )
        if known is not None:
            blocker.end_user_message = known.end_user_message
            del blocker.remedies[:]
            blocker.remedies.append(_remedy(known))
        return problem_of(
            blocker,
            device=device,
            vendor_reason=reason,
            execution=Execution.REFUSED,
            retry_delay=known.retry_delay if known is not None else None,
        )

    def failed(self, account: VendorAccount, device: DeviceRecord, row: ActionRow, error: SigningError) -> Problem:
        """Explain why signing and sending did not end in an answer of the vehicle's application."""
        reason, delay = _reason(error)
        if error.may_have_executed:
            reason, delay = Reason.REASON_OUTCOME_UNKNOWN, None
        return self._remedies.problem(
            reason,
            account=account,
            device=device,
            vendor_reason=error.sentence,
            message=f"{row.label.capitalize()}: {error.sentence}.",
            execution=_execution(error),
            retry_delay=delay,
            blocked_actions=_blocked(reason, row),
            action=row.name,
        )


def word(reason: str) -> str:
    """Return the vehicle's word without the prefix that a proxy put in front."""
    for prefix in _PREFIXES:
        reason = reason.removeprefix(prefix)
    return reason.strip().lower()


def _blocked(reason: Reason.ValueType, row: ActionRow) -> frozenset[ActionKind.ValueType]:
    return signed_kinds() if reason in OF_THE_VEHICLE else frozenset({row.kind})


def _reason(error: SigningError) -> tuple[Reason.ValueType, timedelta | None]:
    if isinstance(error, VehicleFault):
        row = FAULT_REASONS.get(error.number, UNKNOWN_FAULT)
        return row.reason, row.retry_delay
    if isinstance(error, CommandExpired):
        return Reason.REASON_COMMAND_PATH_UNAVAILABLE, _RETRY_SIGNING
    return Reason.REASON_VENDOR_UNAVAILABLE, _RETRY_SIGNING


def _execution(error: SigningError) -> Execution:
    if error.may_have_executed:
        return Execution.UNKNOWN
    return Execution.REFUSED if isinstance(error, VehicleFault) else Execution.NOT_SENT


def _remedy(row: RefusalRow) -> Remedy:
    return Remedy(
        actor=row.actor,
        place=row.place,
        steps=row.steps,
        verification="Send the command again: its answer tells.",
    )
