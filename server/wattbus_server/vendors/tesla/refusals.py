"""Turns what Tesla answers into the one domain error: this is the only place where that happens."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import Connectivity, ConnectivityStatus, DeviceState

from wattbus_server.problem import Execution, Problem
from wattbus_server.vendors.contract import VendorAccount
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

_OF_ACCOUNT = frozenset({Reason.REASON_REAUTHORIZATION_REQUIRED, Reason.REASON_ACCOUNT_LOCKED})


class Refusals:
    """Explains refusals; the blockers in the explanations come from `remedies`."""

    def __init__(self, remedies: TeslaRemedies) -> None:
        self._remedies = remedies

    def problem(self, call: Call, answer: Answer, account: VendorAccount) -> Problem:
        """Explain an answer other than success."""
        rule = rule_for(answer, _about(call))
        scopes = _scope_facts(call, answer, account) if rule.reason == Reason.REASON_SCOPE_MISSING else _NO_SCOPES
        return Problem(
            rule.reason,
            f"{rule.message} ({call.operation}, HTTP {answer.status})",
            blockers=self._blockers(rule, call, answer, account, scopes),
            metadata=_metadata(rule, call, answer, account, scopes),
            retry_delay=retry_delay(answer) or rule.retry if rule.retry else None,
            execution=rule.execution if call.changes_something else Execution.NOT_SENT,
            vendor_reason=answer.words,
            observed=_observed(rule, call),
        )

    def of_account(self, problem: Problem, account: VendorAccount) -> Problem:
        """Add the blocker to a problem with the grant, which whoever keeps tokens raises without one."""
        if problem.blockers or problem.reason not in _OF_ACCOUNT:
            return problem
        return self._remedies.problem(
            problem.reason, account=account, message=problem.message, vendor_reason=problem.vendor_reason
        )

    def _blockers(
        self, rule: Rule, call: Call, answer: Answer, account: VendorAccount, scopes: "_ScopeFacts"
    ) -> tuple[Blocker, ...]:
        if not rule.blocks:
            return ()
        blocker = self._remedies.blocker(
            rule.reason,
            account=account,
            device=call.device,
            evidence=_evidence(answer),
            blocked_actions=call.blocked_actions if rule.reason == Reason.REASON_SCOPE_MISSING else (),
            required_scopes=scopes.required,
            missing_scopes=scopes.missing,
            region=answer.region,
            setting=rule.setting,
        )
        return (blocker,)


def _observed(rule: Rule, call: Call) -> tuple[DeviceState, ...]:
    """A refusal because a device is away is news of its connectivity, newer than any list that says `online`."""
    status = _AWAY.get(rule.reason)
    if call.device is None or status is None:
        return ()
    connectivity = Connectivity(observe_time=timestamp(datetime.now(UTC)), status=status)
    return (DeviceState(device=call.device.name, connectivity=connectivity),)


def unreadable(call: Call, answer: Answer, why: str) -> Problem:
    """Explain a successful answer that cannot be read: whatever was asked may have been done."""
    return Problem(
        Reason.REASON_VENDOR_UNAVAILABLE,
        f"Tesla answered {call.operation} with something unreadable: {why}.",
        metadata={"httpStatus": str(answer.status)} | ({"vendorRequest": answer.txid} if answer.txid else {}),
        retry_delay=_SOON,
        execution=Execution.UNKNOWN if call.changes_something else Execution.NOT_SENT,
        vendor_reason=answer.words,
    )


def unanswered(call: Call, why: str, *, sent: bool) -> Problem:
    """Explain a call that brought no answer."""
    return Problem(
        Reason.REASON_VENDOR_UNAVAILABLE,
        f"Tesla did not answer {call.operation}: {why}.",
        retry_delay=_SOON,
        execution=Execution.UNKNOWN if call.changes_something and sent else Execution.NOT_SENT,
    )


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
