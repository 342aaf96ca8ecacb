"""The table of Tesla's refusals: which status and which words mean which reason, and what may have run.

Sources: Tesla Fleet API documentation, getting-started/conventions and support/faq; teslamotors/vehicle-command
pkg/connector/inet and pkg/proxy (what may have run); error texts from public issue reports.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Flag, auto

from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Execution
from wattbus_server.vendors.tesla.exchange import Answer

_R = Reason
_RATE_WINDOW = timedelta(seconds=60)
_MINUTE = timedelta(seconds=60)
_SOON = timedelta(seconds=30)


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
    """Only calls about this."""
    execution: Execution = Execution.REFUSED
    """What is known of a call that asked for a change."""
    retry: timedelta | None = None
    """When to try again if the answer does not say. None: waiting does not help."""
    setting: str = ""
    """The setting that the operator lacks, if that is the reason."""

    def covers(self, answer: Answer, about: About) -> bool:
        """Say whether this row explains the answer."""
        return answer.status in self.statuses and bool(about & self.about) and self.words in answer.text.lower()


def _status(status: int) -> range:
    return range(status, status + 1)


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
    ),
    Rule(
        _status(401),
        _R.REASON_REAUTHORIZATION_REQUIRED,
        "Tesla accepts no token of this account any more.",
    ),
    Rule(
        _status(402),
        _R.REASON_VENDOR_BILLING_LIMIT_EXCEEDED,
        "Tesla asks the application's owner to pay first.",
    ),
    Rule(
        _status(403),
        _R.REASON_VENDOR_BILLING_LIMIT_EXCEEDED,
        "The application reached its billing limit at Tesla; Tesla refuses all its calls.",
        words="exceeded_limit",
    ),
    Rule(
        _status(403),
        _R.REASON_SCOPE_MISSING,
        "The end user did not grant a permission that this needs.",
        words="missing scope",
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
        words="in service",
        about=About.VEHICLE,
    ),
    Rule(
        _status(405),
        _R.REASON_VEHICLE_IN_SERVICE,
        "The vehicle is in service.",
        words="in_service",
        about=About.VEHICLE,
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

UNCLASSIFIED = Rule(
    range(100, 1000), _R.REASON_VENDOR_ERROR_UNCLASSIFIED, "Tesla refused with words that this server does not know."
)


def rule_for(answer: Answer, about: About) -> Rule:
    """Return the first row that explains an answer."""
    return next((rule for rule in RULES if rule.covers(answer, about)), UNCLASSIFIED)
