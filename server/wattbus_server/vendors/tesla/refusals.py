"""Turns what Tesla answers into the one domain error: this is the only place where that happens."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import Connectivity, ConnectivityStatus, DeviceState

from wattbus_server.problem import Execution, Problem
from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.advice import ADVICE
from wattbus_server.vendors.tesla.advice.rows import Breadth
from wattbus_server.vendors.tesla.exchange import Answer, Call, plain_text
from wattbus_server.vendors.tesla.normalize.fields import timestamp
from wattbus_server.vendors.tesla.refusal_rules import About, Rule, rule_for
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.scopes import to_grant

_SOON = timedelta(seconds=30)
_LONGEST_RETRY = timedelta(days=1)
_RETRY_IN = re.compile(r"retry in (\d{1,6}) second", re.IGNORECASE)
_MISSING_SCOPES = re.compile(r"missing scopes?((?:[ ,]+[a-z]+(?:_[a-z]+)+)*)", re.IGNORECASE)

_AWAY = {
    Reason.REASON_VEHICLE_ASLEEP: ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP,
    Reason.REASON_DEVICE_OFFLINE: ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE,
}

_AWAY_RETRY = timedelta(seconds=60)
_SEEN_AWAY = {
    ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP: (Reason.REASON_VEHICLE_ASLEEP, "The vehicle is asleep."),
    ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE: (
        Reason.REASON_DEVICE_OFFLINE,
        "The vehicle is offline; it may be asleep, and then it can be woken.",
    ),
}

# What they block depends on the call that met them; the other reasons of accounts and applications block everything.
_OF_WHAT_WAS_ASKED = frozenset({Reason.REASON_SCOPE_MISSING, Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED})


class Refusals:
    """Explains refusals; the blockers in the explanations come from `remedies`.

    Every explanation has one, so that who must act is always said, also of what passes by itself.
    """

    def __init__(self, remedies: TeslaRemedies) -> None:
        self._remedies = remedies

    def problem(self, call: Call, answer: Answer, account: VendorAccount) -> Problem:
        """Explain an answer other than success."""
        rule = rule_for(answer, _about(call))
        scopes = _scope_facts(call, answer, account) if rule.reason == Reason.REASON_SCOPE_MISSING else _NO_SCOPES
        return Problem(
            rule.reason,
            f"{rule.message} ({call.operation}, HTTP {answer.status})",
            blockers=(self._blocker(rule, call, answer, account, scopes),),
            metadata=_metadata(rule, call, answer, account, scopes),
            retry_delay=retry_delay(answer) or rule.retry if rule.retry else None,
            execution=rule.execution if call.changes_something else Execution.NOT_SENT,
            vendor_reason=answer.words,
            observed=_observed(rule, call),
        )

    def unreadable(self, call: Call, answer: Answer, account: VendorAccount, why: str) -> Problem:
        """Explain a successful answer that cannot be read: whatever was asked may have been done."""
        message = f"Tesla answered {call.operation} with something unreadable: {why}."
        problem = self._unavailable(call, account, message, sent=True)
        facts = {"httpStatus": str(answer.status)} | ({"vendorRequest": answer.txid} if answer.txid else {})
        # A piece of data is nobody's words, and may be private.
        words = "" if answer.text.lstrip().startswith(("{", "[")) else answer.words
        return replace(problem, metadata={**problem.metadata, **facts}, vendor_reason=words)

    def unanswered(self, call: Call, account: VendorAccount, why: str, *, sent: bool) -> Problem:
        """Explain a call that brought no answer."""
        return self._unavailable(call, account, f"Tesla gave no usable answer to {call.operation}: {why}.", sent=sent)

    def away(self, account: VendorAccount, device: DeviceRecord, seen: DeviceState) -> Problem | None:
        """Explain why a vehicle cannot be read whose record was just seen; None if it is reachable."""
        row = _SEEN_AWAY.get(seen.connectivity.status)
        if row is None:
            return None
        reason, message = row
        words = seen.connectivity.vendor_status
        problem = self._remedies.problem(
            reason, account=account, device=device, vendor_reason=words, message=message, retry_delay=_AWAY_RETRY
        )
        return replace(problem, observed=(seen,))

    def unclear(self, account: VendorAccount, device: DeviceRecord) -> Problem:
        """Explain a record of a vehicle that does not tell its connectivity."""
        return self._remedies.problem(
            Reason.REASON_VENDOR_UNAVAILABLE,
            account=account,
            device=device,
            message="Tesla's record of the vehicle does not say whether it is online.",
            retry_delay=_AWAY_RETRY,
        )

    def of_account(self, problem: Problem, account: VendorAccount) -> Problem:
        """Add the blocker to a problem with the grant, which whoever keeps tokens raises without one."""
        if problem.blockers or problem.reason not in ADVICE:
            return problem
        blocker = self._remedies.blocker(
            problem.reason,
            account=account,
            message=problem.message,
            evidence=problem.vendor_reason,
            setting=problem.metadata.get("setting", ""),
            region=problem.metadata.get("region", ""),
        )
        return replace(problem, blockers=(blocker,), metadata={"connection": account.connection, **problem.metadata})

    def _unavailable(self, call: Call, account: VendorAccount, message: str, *, sent: bool) -> Problem:
        return self._remedies.problem(
            Reason.REASON_VENDOR_UNAVAILABLE,
            account=account,
            device=call.device,
            message=message,
            retry_delay=_SOON,
            execution=Execution.UNKNOWN if call.changes_something and sent else Execution.NOT_SENT,
        )

    def _blocker(
        self, rule: Rule, call: Call, answer: Answer, account: VendorAccount, scopes: "_ScopeFacts"
    ) -> Blocker:
        advice = ADVICE[rule.reason]
        narrow = advice.breadth is Breadth.DEVICE or rule.reason in _OF_WHAT_WAS_ASKED
        return self._remedies.blocker(
            rule.reason,
            account=account,
            device=call.device,
            evidence=_evidence(answer),
            message="" if advice.lasts else rule.message,
            blocked_actions=call.blocked_actions if narrow else (),
            required_scopes=scopes.required,
            missing_scopes=scopes.missing,
            region=answer.region,
            setting=rule.setting,
            vendor_reason=answer.words,
            http_status=answer.status,
            resource_type="device" if call.device else "",
            resource_name=call.device.name if call.device else "",
        )


def _observed(rule: Rule, call: Call) -> tuple[DeviceState, ...]:
    """A refusal because a device is away is news of its connectivity, newer than any list that says `online`."""
    status = _AWAY.get(rule.reason)
    if call.device is None or status is None:
        return ()
    connectivity = Connectivity(observe_time=timestamp(datetime.now(UTC)), status=status)
    return (DeviceState(device=call.device.name, connectivity=connectivity),)


def retry_delay(answer: Answer) -> timedelta | None:
    """Return how long the answer asks to wait, by `retry-after`, `ratelimit-reset` or its text."""
    stated = answer.headers.get("retry-after") or answer.headers.get("ratelimit-reset") or ""
    found = _RETRY_IN.search(answer.text[:1000])
    seconds = _seconds(stated)
    if seconds is None and found:
        seconds = float(found[1])
    if seconds is None:
        return None
    return min(max(timedelta(seconds=seconds), timedelta(seconds=1)), _LONGEST_RETRY)


def _seconds(stated: str) -> float | None:
    text = stated.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


@dataclass(frozen=True)
class _ScopeFacts:
    required: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


_NO_SCOPES = _ScopeFacts()


def _scope_facts(call: Call, answer: Answer, account: VendorAccount) -> _ScopeFacts:
    """Put together what Tesla's words and the token say.

    If Tesla names no scope and the token has everything that the call is known to need, nothing is called missing.
    """
    required, missing = to_grant(call.scope_rule, account.scopes)
    found = _MISSING_SCOPES.search(answer.text[:1000])
    named = tuple(re.split(r"[ ,]+", found[1].strip(" ,"))) if found and found[1].strip(" ,") else ()
    return _ScopeFacts(
        required=tuple(dict.fromkeys((*required, *named))),
        granted=tuple(sorted(account.scopes)),
        missing=tuple(dict.fromkeys((*named, *missing))),
    )


def _about(call: Call) -> About:
    if call.device is not None:
        return About.VEHICLE if call.device.kind == DeviceKind.DEVICE_KIND_VEHICLE else About.SITE
    if "/energy_sites/" in call.path:
        return About.SITE
    return About.VEHICLE if "/vehicles/" in call.path else About.ACCOUNT


def _evidence(answer: Answer) -> str:
    words = answer.words or "no text"
    return f"HTTP {answer.status}: {words}" + (f" (txid {answer.txid})" if answer.txid else "")


def _metadata(rule: Rule, call: Call, answer: Answer, account: VendorAccount, scopes: _ScopeFacts) -> dict[str, str]:
    facts = {
        "httpStatus": str(answer.status),
        "vendorRequest": answer.txid,
        "connection": account.connection,
        "device": call.device.name if call.device else "",
        "region": answer.region if answer.status in (412, 421) else "",
        "setting": rule.setting,
        "requiredScopes": " ".join(scopes.required),
        "grantedScopes": " ".join(scopes.granted),
        "missingScopes": " ".join(scopes.missing),
    }
    if rule.reason in (Reason.REASON_VEHICLE_REFUSED, Reason.REASON_VENDOR_ERROR_UNCLASSIFIED):
        facts["vendorReason"] = answer.words
    if rule.reason == Reason.REASON_RESOURCE_NOT_FOUND and call.device:
        facts |= {"resourceType": "device", "resourceName": call.device.name}
    return {key: value for key, value in facts.items() if value}


_REASON_PREFIX = re.compile(r"^(?:car|vcsec) could not execute command: ")


def nominal_failure(response: object) -> str | None:
    """Return Tesla's reason if a 200 answer says `result: false`, else None. The reason may be an empty text."""
    if isinstance(response, dict) and response.get("result") is False:
        return _REASON_PREFIX.sub("", plain_text(response.get("reason")))[:500]
    return None
