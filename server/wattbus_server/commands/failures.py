"""Between refusals and commands: a problem becomes a stored failure, a stored failure becomes an error again."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from wattbus.v1.action_pb2 import Action
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.command_pb2 import Command, CommandFailure, Rung
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.completion import explained, general_blocker
from wattbus_server.problem import Execution, Problem
from wattbus_server.vendors.contract import DeviceRecord


def failure_of(problem: Problem, *, may_have_run: bool) -> CommandFailure:
    """Return what a command keeps of the problem that ended it; its blockers say who must act."""
    failure = CommandFailure(
        reason=problem.reason,
        message=problem.message,
        blockers=explained(problem).blockers,
        may_have_run=may_have_run,
    )
    if problem.retry_delay is not None:
        failure.retry_delay.FromTimedelta(problem.retry_delay)
    return failure


def problem_of(command: Command, device: DeviceRecord | None, known: Problem | None) -> Problem:
    """Return the error for a caller who waited for a command that ended without success. It names the command.

    Args:
        command: a command with a failure.
        device: the device, if it still exists.
        known: the problem that ended the command, if it is still in memory; a stored failure holds less.
    """
    failure = command.failure
    keys = catalogue.entry(failure.reason).metadata_keys
    action = {"action": action_name(command.action)} if "action" in keys else {}
    if known is not None and known.reason == failure.reason:
        return replace(known, metadata={**action, **known.metadata, "command": command.name})
    own = next((blocker for blocker in failure.blockers if blocker.reason == failure.reason), None)
    metadata = {"device": command.device} | ({} if own is None else blocker_metadata(own, device))
    if "vendorReason" in keys and command.reason:
        metadata["vendorReason"] = command.reason
    return Problem(
        failure.reason,
        failure.message,
        blockers=tuple(failure.blockers),
        metadata={**metadata, **action, "command": command.name},
        retry_delay=failure.retry_delay.ToTimedelta() if failure.HasField("retry_delay") else None,
        execution=Execution.UNKNOWN if failure.may_have_run else Execution.REFUSED,
        vendor_reason=command.reason,
    )


def blocker_metadata(blocker: Blocker, device: DeviceRecord | None) -> dict[str, str]:
    """Return the metadata of an error whose reason is this blocker, by the keys that its reason names."""
    known: Mapping[str, str] = {
        "device": device.name if device is not None else blocker.device,
        "vin": device.vendor_id if device is not None and device.kind == DeviceKind.DEVICE_KIND_VEHICLE else "",
        "connection": blocker.connection or (device.connection if device is not None else ""),
        "requiredScopes": " ".join(blocker.required_scopes),
        "grantedScopes": " ".join(blocker.granted_scopes),
        "missingScopes": " ".join(blocker.missing_scopes),
        "vendorReason": blocker.evidence,
        **blocker.metadata,
    }
    keys = catalogue.entry(blocker.reason).metadata_keys
    # The device is what was asked for, also when its whole connection is blocked.
    return {key: known[key] for key in ("device", *keys) if known.get(key)}


def with_blockers(command: Command, change: Callable[[Iterable[Blocker]], Iterable[Blocker]]) -> Command:
    """Return a command with other versions of the blockers in its failure, or itself if it has none."""
    if not command.failure.blockers:
        return command
    result = Command()
    result.CopyFrom(command)
    del result.failure.blockers[:]
    result.failure.blockers.extend(change(command.failure.blockers))
    return result


def cancelled() -> CommandFailure:
    """Return the failure of a command that the caller cancelled."""
    return failure_of(
        Problem(Reason.REASON_COMMAND_CANCELLED, "The command was cancelled before it was sent."), may_have_run=False
    )


def expired(command: Command, waits_for: str, trouble: Problem | None) -> CommandFailure:
    """Return the failure of a command whose time to live ended before it was sent.

    Args:
        command: the command.
        waits_for: what it waited for at the end, for example `the vehicle to wake`.
        trouble: what it last met, whose blockers are told first: they say who could have helped.
    """
    words = trouble.message if trouble is not None else command.reason
    last = f" Last met: {words}" if words else ""
    message = f"The command could not be sent before it expired. It waited for {waits_for}.{last}"
    problem = Problem(Reason.REASON_COMMAND_EXPIRED, message, metadata={"device": command.device})
    met = explained(trouble).blockers if trouble is not None else ()
    return failure_of(replace(problem, blockers=(*met, general_blocker(problem))), may_have_run=False)


def outcome_unknown(command: Command, why: str, words: str = "") -> CommandFailure:
    """Return the failure of a command that may or may not have run.

    Args:
        command: the command.
        why: why nobody knows.
        words: the vendor's own words.
    """
    problem = Problem(
        Reason.REASON_OUTCOME_UNKNOWN,
        f"The command may have run: {why}",
        metadata={"device": command.device},
        vendor_reason=words,
    )
    return failure_of(problem, may_have_run=True)


def write_not_applied(command: Command, found: str) -> Problem:
    """Return the problem of a write that the vendor accepted, or did not answer, and that the device does not show.

    Args:
        command: the command.
        found: what the device shows, for example `charge.limit_percent=60`.
    """
    wanted = action_text(command.action)
    setting, _, value = found.partition("=")
    accepted = any(reached.rung == Rung.RUNG_ACCEPTED for reached in command.rungs)
    answer = f"The vendor accepted {wanted}" if accepted else f"The vendor's answer to {wanted} is lost"
    return Problem(
        Reason.REASON_WRITE_NOT_APPLIED,
        f"{answer}, but the device shows {found or 'another value'}.",
        metadata={"device": command.device, "setting": setting, "wanted": wanted, "found": value},
        execution=Execution.UNKNOWN,
    )


def action_name(action: Action) -> str:
    """Return the field of the action that is set, for example `set_charge_limit`."""
    return action.WhichOneof("action") or "none"


def action_text(action: Action) -> str:
    """Return the action in one line, for example `set_charge_limit limit_percent=80`."""
    name = action_name(action)
    fields = getattr(action, name).ListFields() if name != "none" else []
    return " ".join([name, *(f"{field.name}={_value_text(field, value)}" for field, value in fields)])


def _value_text(field: object, value: object) -> str:
    enum = getattr(field, "enum_type", None)
    if enum is not None and value in enum.values_by_number:
        return str(enum.values_by_number[value].name)
    return " ".join(str(value).split())
