"""Turns what Tesla answers into the one domain error. This table is the only place that reads Tesla's refusals.

Sources: Tesla Fleet API documentation, getting-started/conventions and support/faq; teslamotors/vehicle-command
pkg/connector/inet and pkg/proxy (what may have run); error texts from public issue reports.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Flag, auto

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import Connectivity, ConnectivityStatus, DeviceState

from wattbus_server.problem import Execution, Problem
from wattbus_server.vendors.contract import VendorAccount
from wattbus_server.vendors.tesla.exchange import Answer, Call, plain_text
from wattbus_server.vendors.tesla.normalize.fields import timestamp
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.scopes import to_grant

_RATE_WINDOW = timedelta(seconds=60)
_LONGEST_RETRY = timedelta(days=1)
_RETRY_IN = re.compile(r"retry in (\d{1,6}) second", re.IGNORECASE)
_MISSING_SCOPES = re.compile(r"missing scopes?((?:[ ,]+[a-z]+(?:_[a-z]+)+)*)", re.IGNORECASE)


class About(Flag):
    """What a call was about."""

    VEHICLE = auto()
    SITE = auto()
    ACCOUNT = auto()
    """No single device."""
    DEVICE = VEHICLE | SITE
    ANYTHING = VEHICLE | SITE | ACCOUNT


@dataclass(frozen=True)
class Rule:
    """One row: an answer with this status whose text holds `words` means `reason`."""

    statuses: range
    reason: Reason.ValueType
    message: str
    """One sentence for developers."""
    words: str = ""
    """In lower case, part of the answer's text. Empty: whatever it says."""
    about: About = About.ANYTHING
    execution: Execution = Execution.REFUSED
    """What is known of a call that asked for a change."""
    retry: timedelta | None = None
    blocks: bool = False
    """True if it lasts until somebody acts, so that it is a blocker."""
    setting: str = ""

    def covers(self, answer: Answer, about: About) -> bool:
        """Say whether this row explains the answer."""
        return answer.status in self.statuses and bool(about & self.about) and self.words in answer.text.lower()


def _status(status: int) -> range:
    return range(status, status + 1)


_R = Reason
_MINUTE = timedelta(seconds=60)
_SOON = timedelta(seconds=30)

RULES: tuple[Rule, ...] = (
    Rule(
        _status(400),
        _R.REASON_NOT_EXPOSED_BY_VENDOR,
        "Tesla's interface does not know this command.",
        words="invalid_command",
    ),
    Rule(
        _status(401),
        _R.REASON_REMOTE_ACCESS_DISABLED,
        "Mobile access is switched off in the vehicle.",
        words="mobile_access_disabled",
        blocks=True,
    ),
    Rule(
        _status(401),
        _R.REASON_REAUTHORIZATION_REQUIRED,
        "Tesla accepts no token of this account any more.",
        blocks=True,
    ),
    Rule(
        _status(402),
        _R.REASON_VENDOR_BILLING_LIMIT_EXCEEDED,
        "Tesla asks the application's owner to pay first.",
        blocks=True,
    ),
    Rule(
        _status(403),
        _R.REASON_VENDOR_BILLING_LIMIT_EXCEEDED,
        "The application reached its billing limit at Tesla; Tesla refuses all its calls.",
        words="exceeded_limit",
        blocks=True,
    ),
    Rule(
        _status(403),
        _R.REASON_SCOPE_MISSING,
        "The end user did not grant a permission that this needs.",
        words="missing scope",
        blocks=True,
    ),
    Rule(
        _status(403),
        _R.REASON_VENDOR_APPLICATION_NOT_CONFIGURED,
        "The vehicle takes signed commands only, and this one went out unsigned.",
        words="vehicle command protocol required",
        setting="tesla.command_key_file",
    ),
    Rule(
        _status(403),
        _R.REASON_NOT_SUPPORTED_BY_DEVICE,
        "Tesla says that this vehicle does not support it.",
        words="unsupported vehicle",
    ),
    Rule(
        _status(404),
        _R.REASON_DEVICE_OFFLINE,
        "Tesla does not know the site at the moment: its gateway is gone, or it left the account.",
        about=About.SITE,
        retry=_MINUTE,
    ),
    Rule(
        _status(404),
        _R.REASON_RESOURCE_NOT_FOUND,
        "Tesla does not list this vehicle for the account any more.",
        about=About.VEHICLE,
    ),
    Rule(
        _status(405),
        _R.REASON_VENDOR_ERROR_UNCLASSIFIED,
        "Tesla refused the method of the call.",
        words="invalid_method",
    ),
    Rule(
        _status(405),
        _R.REASON_VEHICLE_IN_SERVICE,
        "The vehicle is in service.",
        about=About.VEHICLE,
        blocks=True,
    ),
    Rule(
        _status(408),
        _R.REASON_VEHICLE_ASLEEP,
        "The vehicle is asleep or has no connection.",
        words="vehicle unavailable",
        retry=_MINUTE,
    ),
    Rule(
        _status(408),
        _R.REASON_VEHICLE_ASLEEP,
        "The vehicle is asleep or has no connection.",
        words="vehicle is offline",
        retry=_MINUTE,
    ),
    Rule(
        _status(408),
        _R.REASON_DEVICE_OFFLINE,
        "Tesla could not reach the device.",
        retry=_MINUTE,
    ),
    Rule(
        _status(412),
        _R.REASON_APPLICATION_NOT_REGISTERED_IN_REGION,
        "The application is not registered in the region of the account.",
        words="must be registered",
        blocks=True,
    ),
    Rule(
        _status(412),
        _R.REASON_NOT_SUPPORTED_BY_DEVICE,
        "Tesla says that this vehicle is not prepared for it.",
        words="unsupported",
    ),
    Rule(
        _status(421),
        _R.REASON_ACCOUNT_IN_OTHER_REGION,
        "The account lives in a region that this server is not configured for.",
        blocks=True,
    ),
    Rule(
        _status(422),
        _R.REASON_NOT_SUPPORTED_BY_DEVICE,
        "The vehicle does not take part in this.",
        about=About.VEHICLE,
    ),
    Rule(
        _status(423),
        _R.REASON_ACCOUNT_LOCKED,
        "Tesla locked the account.",
        blocks=True,
    ),
    Rule(
        _status(424),
        _R.REASON_VENDOR_UNAVAILABLE,
        "A part of Tesla's service answered another part wrongly.",
        execution=Execution.UNKNOWN,
        retry=_SOON,
    ),
    Rule(_status(429), _R.REASON_VENDOR_RATE_LIMITED, "Tesla's rate limit is reached.", retry=_RATE_WINDOW),
    Rule(
        _status(499),
        _R.REASON_VENDOR_UNAVAILABLE,
        "Tesla gave up on the call before it was done.",
        execution=Execution.UNKNOWN,
        retry=_SOON,
    ),
    Rule(
        range(500, 504),
        _R.REASON_VIRTUAL_KEY_NOT_PAIRED,
        "The operator's virtual key is not on the vehicle.",
        words="public key has not been paired",
        blocks=True,
    ),
    Rule(
        range(500, 504),
        _R.REASON_VEHICLE_ASLEEP,
        "The vehicle is asleep or has no connection.",
        words="offline or asleep",
        retry=_MINUTE,
    ),
    Rule(
        _status(500),
        _R.REASON_COMMAND_PATH_UNAVAILABLE,
        "The vehicle did not answer in time.",
        words="context deadline exceeded",
        execution=Execution.UNKNOWN,
        retry=_MINUTE,
    ),
    Rule(
        _status(500),
        _R.REASON_DEVICE_OFFLINE,
        "Tesla cannot reach the site.",
        words="upstream internal error",
        about=About.SITE,
        execution=Execution.UNKNOWN,
        retry=_MINUTE,
    ),
    Rule(_status(503), _R.REASON_VENDOR_UNAVAILABLE, "Tesla's service is not available.", retry=_SOON),
    Rule(
        _status(540),
        _R.REASON_VEHICLE_REFUSED,
        "The vehicle answered with an error of its own; it may need a restart or service.",
        execution=Execution.UNKNOWN,
    ),
    Rule(
        range(500, 600),
        _R.REASON_VENDOR_UNAVAILABLE,
        "Tesla's service failed.",
        execution=Execution.UNKNOWN,
        retry=_SOON,
    ),
    Rule(range(300, 400), _R.REASON_VENDOR_UNAVAILABLE, "Tesla's host sent the call elsewhere.", retry=_SOON),
)

_AWAY = {
    Reason.REASON_VEHICLE_ASLEEP: ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP,
    Reason.REASON_DEVICE_OFFLINE: ConnectivityStatus.CONNECTIVITY_STATUS_OFFLINE,
}

UNCLASSIFIED = Rule(
    range(100, 1000), _R.REASON_VENDOR_ERROR_UNCLASSIFIED, "Tesla refused with words that this server does not know."
)


class Refusals:
    """Explains refusals; the blockers in the explanations come from `remedies`."""

    def __init__(self, remedies: TeslaRemedies) -> None:
        self._remedies = remedies

    def problem(self, call: Call, answer: Answer, account: VendorAccount) -> Problem:
        """Explain an answer other than success."""
        about = _about(call)
        rule = next((rule for rule in RULES if rule.covers(answer, about)), UNCLASSIFIED)
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
