"""The catalogue of reasons: for each one the gRPC code, who acts, what the end user reads, and how it heals.

`reason.proto` is the contract; a test compares code and metadata keys of every row with its comments there.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, IntEnum

from grpc import StatusCode
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason


class Importance(IntEnum):
    """What is told first when several things block: nothing further down can heal before what stands above it."""

    CALL = 0
    """The call itself is wrong or not allowed."""
    OPERATOR = 1
    """The operator's application at the vendor."""
    GRANT = 2
    """The end user's grant is gone."""
    SCOPE = 3
    """The grant is there, but too small."""
    KEY = 4
    """The virtual key or remote access of a vehicle."""
    IMPOSSIBLE = 5
    """The device, or the vendor's interface, cannot do it."""
    DEVICE = 6
    """A setting or condition of the device or its site."""
    REACH = 7
    """The device or the vendor is away, or too busy."""
    OUTCOME = 8
    """What became of something that was sent."""


class Healing(Enum):
    """How the server learns that the cause is gone."""

    VERIFIED = "verified"
    """It asks the vendor, regularly and before it refuses because of it."""
    ON_USE = "on_use"
    """Only the next command can tell, so that an open blocker does not refuse commands."""
    WAITING = "waiting"
    """It passes with time and is never recorded."""
    CALLER = "caller"
    """The caller changes the request; there is nothing to record."""


_VERIFICATION = {
    Healing.VERIFIED: "The server asks the vendor regularly and before the next command; the blocker closes by itself.",
    Healing.ON_USE: "The vendor offers no way to ask. The next command that gets through closes the blocker.",
    Healing.WAITING: "It passes with time; try again after the retry delay.",
    Healing.CALLER: "The next call is judged anew.",
}


@dataclass(frozen=True)
class CatalogueEntry:
    """What is generally true of a reason."""

    reason: Reason.ValueType
    code: StatusCode
    importance: Importance
    actor: Actor.ValueType
    """Who must act, unless a remedy says otherwise."""
    end_user_message: str
    """One sentence for the end user, in English."""
    healing: Healing
    retry_delay: timedelta | None = None
    """When to try again if nothing more exact is known. None: waiting alone does not help."""
    metadata_keys: tuple[str, ...] = ()
    """Keys of `google.rpc.ErrorInfo.metadata`, as `reason.proto` lists them."""

    @property
    def name(self) -> str:
        """The reason as it stands on the wire, for example `SCOPE_MISSING`."""
        return Reason.Name(self.reason).removeprefix("REASON_")

    @property
    def anchor(self) -> str:
        """The reason's anchor in the documentation, for example `scope-missing`."""
        return self.name.lower().replace("_", "-")

    @property
    def retriable(self) -> bool:
        """Whether waiting helps."""
        return self.retry_delay is not None

    @property
    def lasting(self) -> bool:
        """Whether it is recorded as a blocker that stays open until its cause is gone."""
        return self.healing in (Healing.VERIFIED, Healing.ON_USE)

    @property
    def verification(self) -> str:
        """One sentence: how the server notices that the cause is gone."""
        return _VERIFICATION[self.healing]


_SECONDS = timedelta(seconds=1)
_MINUTES = timedelta(minutes=1)
_SCOPE_KEYS = ("requiredScopes", "grantedScopes", "missingScopes", "missingAccess", "connection")

_CALL = Importance.CALL
_OPERATOR = Importance.OPERATOR
_GRANT = Importance.GRANT
_KEY = Importance.KEY
_IMPOSSIBLE = Importance.IMPOSSIBLE
_DEVICE = Importance.DEVICE
_REACH = Importance.REACH
_OUTCOME = Importance.OUTCOME

_BY_CALLER = Actor.ACTOR_CALLER
_BY_OPERATOR = Actor.ACTOR_OPERATOR
_BY_END_USER = Actor.ACTOR_END_USER
_BY_INSTALLER = Actor.ACTOR_INSTALLER
_BY_UTILITY = Actor.ACTOR_UTILITY
_BY_VENDOR = Actor.ACTOR_VENDOR
_BY_NOBODY = Actor.ACTOR_NOBODY

_VERIFIED = Healing.VERIFIED
_ON_USE = Healing.ON_USE
_WAITING = Healing.WAITING
_RECALL = Healing.CALLER

_APP_FAULT = "The app could not do this because of a fault on its side."
_APP_SETUP = "The app is not set up completely at the manufacturer. Its operator must complete that."
_LATER = "This did not work right now. Please try again in a moment."

_ROWS = (
    # The call.
    CatalogueEntry(Reason.REASON_API_KEY_MISSING, StatusCode.UNAUTHENTICATED, _CALL, _BY_CALLER, _APP_FAULT, _RECALL),
    CatalogueEntry(Reason.REASON_API_KEY_INVALID, StatusCode.UNAUTHENTICATED, _CALL, _BY_CALLER, _APP_FAULT, _RECALL),
    CatalogueEntry(
        Reason.REASON_METHOD_NOT_ALLOWED, StatusCode.PERMISSION_DENIED, _CALL, _BY_CALLER, _APP_FAULT, _RECALL
    ),
    CatalogueEntry(Reason.REASON_FIELD_INVALID, StatusCode.INVALID_ARGUMENT, _CALL, _BY_CALLER, _APP_FAULT, _RECALL),
    CatalogueEntry(
        Reason.REASON_RESOURCE_NOT_FOUND, StatusCode.NOT_FOUND, _CALL, _BY_CALLER,
        "This does not exist (any more).", _RECALL, metadata_keys=("resourceType", "resourceName"),
    ),
    CatalogueEntry(
        Reason.REASON_REQUEST_ID_REUSED, StatusCode.ALREADY_EXISTS, _CALL, _BY_CALLER,
        _APP_FAULT, _RECALL, metadata_keys=("requestId",),
    ),
    CatalogueEntry(
        Reason.REASON_PAGE_TOKEN_INVALID, StatusCode.INVALID_ARGUMENT, _CALL, _BY_CALLER, _APP_FAULT, _RECALL
    ),
    CatalogueEntry(
        Reason.REASON_RESUME_TOKEN_INVALID, StatusCode.INVALID_ARGUMENT, _CALL, _BY_CALLER, _APP_FAULT, _RECALL
    ),
    CatalogueEntry(Reason.REASON_HISTORY_TRUNCATED, StatusCode.OUT_OF_RANGE, _CALL, _BY_CALLER, _APP_FAULT, _RECALL),
    CatalogueEntry(
        Reason.REASON_COMMAND_NOT_CANCELLABLE, StatusCode.FAILED_PRECONDITION, _CALL, _BY_CALLER,
        "This is already under way and can no longer be cancelled.", _RECALL, metadata_keys=("command", "state"),
    ),
    CatalogueEntry(
        Reason.REASON_QUOTA_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED, _CALL, _BY_CALLER,
        "Too much at once. Please try again in a moment.", _WAITING, 5 * _SECONDS, ("limit",),
    ),
    CatalogueEntry(
        Reason.REASON_SLOW_CONSUMER, StatusCode.RESOURCE_EXHAUSTED, _CALL, _BY_CALLER, _LATER, _WAITING, _SECONDS
    ),
    CatalogueEntry(
        Reason.REASON_SERVER_DRAINING, StatusCode.UNAVAILABLE, _CALL, _BY_NOBODY, _LATER, _WAITING, _SECONDS
    ),
    CatalogueEntry(Reason.REASON_INTERNAL, StatusCode.INTERNAL, _CALL, _BY_OPERATOR, _APP_FAULT, _RECALL),
    CatalogueEntry(
        Reason.REASON_METHOD_NOT_IMPLEMENTED, StatusCode.UNIMPLEMENTED, _CALL, _BY_CALLER, _APP_FAULT, _RECALL
    ),
    CatalogueEntry(
        Reason.REASON_COMMAND_CANCELLED, StatusCode.CANCELLED, _CALL, _BY_CALLER, "This was cancelled.", _RECALL
    ),
    CatalogueEntry(
        Reason.REASON_COMMAND_EXPIRED, StatusCode.DEADLINE_EXCEEDED, _CALL, _BY_CALLER,
        "This could not be done in time.", _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_DEADLINE_EXCEEDED, StatusCode.DEADLINE_EXCEEDED, _CALL, _BY_CALLER,
        "This could not be done in time.", _RECALL,
    ),
    # The grant.
    CatalogueEntry(
        Reason.REASON_SCOPE_MISSING, StatusCode.PERMISSION_DENIED, Importance.SCOPE, _BY_END_USER,
        "The app does not have your permission for this. Please allow it in your account at the manufacturer.",
        _VERIFIED, metadata_keys=_SCOPE_KEYS,
    ),
    CatalogueEntry(
        Reason.REASON_REAUTHORIZATION_REQUIRED, StatusCode.FAILED_PRECONDITION, _GRANT, _BY_END_USER,
        "The app has lost access to your account. Please connect it again.", _VERIFIED, metadata_keys=("connection",),
    ),
    CatalogueEntry(
        Reason.REASON_ACCOUNT_LOCKED, StatusCode.FAILED_PRECONDITION, _GRANT, _BY_END_USER,
        "The manufacturer has locked your account. Please sign in there or contact its support.",
        _VERIFIED, metadata_keys=("connection",),
    ),
    CatalogueEntry(
        Reason.REASON_LINK_SESSION_EXPIRED, StatusCode.FAILED_PRECONDITION, _GRANT, _BY_CALLER,
        "This link has expired or was used already. Please ask the app for a new one.", _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_CONSENT_CANCELLED, StatusCode.FAILED_PRECONDITION, _GRANT, _BY_END_USER,
        "You did not allow access. Nothing was connected.", _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_ACCOUNT_MISMATCH, StatusCode.FAILED_PRECONDITION, _GRANT, _BY_END_USER,
        "You signed in with another account than before. Please sign in with the account that is connected.",
        _RECALL, metadata_keys=("connection",),
    ),
    # The vehicle needs its owner.
    CatalogueEntry(
        Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, StatusCode.FAILED_PRECONDITION, _KEY, _BY_END_USER,
        "The app's key is not in your vehicle yet. Please open the link on your phone and add it.",
        _VERIFIED, metadata_keys=("device", "vin", "domain"),
    ),
    CatalogueEntry(
        Reason.REASON_VIRTUAL_KEY_DISABLED, StatusCode.FAILED_PRECONDITION, _KEY, _BY_END_USER,
        "The app's key is switched off in your vehicle. Please switch it on again.",
        _ON_USE, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_KEYCHAIN_FULL, StatusCode.FAILED_PRECONDITION, _KEY, _BY_END_USER,
        "Your vehicle cannot hold another key. Please remove one that you no longer need.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_REMOTE_ACCESS_DISABLED, StatusCode.FAILED_PRECONDITION, _KEY, _BY_END_USER,
        "Mobile access is switched off in your vehicle. Please switch it on at its screen.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_VEHICLE_REFUSED, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_END_USER,
        "Your vehicle refused this in its present condition.", _RECALL, metadata_keys=("device", "vendorReason"),
    ),
    CatalogueEntry(
        Reason.REASON_VEHICLE_IN_SERVICE, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_NOBODY,
        "Your vehicle is in service and cannot be controlled until that is over.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_KEY_ROLE_INSUFFICIENT, StatusCode.FAILED_PRECONDITION, _KEY, _BY_OPERATOR,
        "The app's key is not allowed to do this in your vehicle.", _ON_USE, metadata_keys=("device",),
    ),
    # The battery needs its owner, installer or utility.
    CatalogueEntry(
        Reason.REASON_EXPORT_NOT_PERMITTED, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_UTILITY,
        "Your home has no permission to feed energy into the grid. Your installer or utility can arrange it.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_EXPORT_RULE_EXCLUDES_BATTERY, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_END_USER,
        "Your home feeds only solar energy into the grid. Please allow the battery too in the manufacturer's app.",
        _VERIFIED, metadata_keys=("device", "exportRule"),
    ),
    CatalogueEntry(
        Reason.REASON_GRID_CHARGING_DISABLED, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_END_USER,
        "Charging your battery from the grid is switched off. Please allow it in the manufacturer's app.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_SETTING_LOCKED_BY_INSTALLER, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_INSTALLER,
        "Your installer or utility has locked this setting. Please ask them to unlock it.",
        _VERIFIED, metadata_keys=("device", "setting"),
    ),
    CatalogueEntry(
        Reason.REASON_TIME_BASED_CONTROL_UNSUPPORTED, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_INSTALLER,
        "Your battery is not set up for time-based control. Your installer can tell whether it is possible.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_STORM_WATCH_ACTIVE, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_NOBODY,
        "Your battery is being filled because a storm is expected.", _VERIFIED, 30 * _MINUTES, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_GRID_SERVICES_ACTIVE, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_NOBODY,
        "Your utility controls the battery for the moment.", _VERIFIED, 30 * _MINUTES, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_OFF_GRID, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_NOBODY,
        "Your home is disconnected from the grid at the moment.", _VERIFIED, 5 * _MINUTES, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_WRITE_NOT_APPLIED, StatusCode.FAILED_PRECONDITION, _OUTCOME, _BY_VENDOR,
        "The manufacturer accepted the change, but your device did not take it over.",
        _RECALL, metadata_keys=("device", "setting", "wanted", "found"),
    ),
    # The operator.
    CatalogueEntry(
        Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        _APP_SETUP, _VERIFIED, metadata_keys=("region",),
    ),
    CatalogueEntry(
        Reason.REASON_PUBLIC_KEY_NOT_HOSTED, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        _APP_SETUP, _ON_USE, metadata_keys=("domain",),
    ),
    CatalogueEntry(
        Reason.REASON_PUBLIC_KEY_MISMATCH, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        _APP_SETUP, _ON_USE, metadata_keys=("domain",),
    ),
    CatalogueEntry(
        Reason.REASON_VENDOR_BILLING_LIMIT_EXCEEDED, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        "The app has reached a limit at the manufacturer. Its operator must raise it.", _VERIFIED,
    ),
    CatalogueEntry(
        Reason.REASON_CLIENT_CREDENTIALS_REJECTED, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        _APP_SETUP, _VERIFIED,
    ),
    CatalogueEntry(
        Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        _APP_SETUP, _VERIFIED, metadata_keys=("setting",),
    ),
    CatalogueEntry(
        Reason.REASON_ACCOUNT_IN_OTHER_REGION, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        "Your account belongs to another region than the one the app can reach.", _VERIFIED, metadata_keys=("region",),
    ),
    # Away or too busy.
    CatalogueEntry(
        Reason.REASON_VEHICLE_ASLEEP, StatusCode.UNAVAILABLE, _REACH, _BY_NOBODY,
        "Your vehicle is asleep.", _WAITING, 30 * _SECONDS, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_DEVICE_OFFLINE, StatusCode.UNAVAILABLE, _REACH, _BY_END_USER,
        "Your device has no connection to the internet at the moment.", _WAITING, 5 * _MINUTES, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_COMMAND_PATH_UNAVAILABLE, StatusCode.UNAVAILABLE, _REACH, _BY_NOBODY,
        "Your vehicle does not take commands at the moment.", _WAITING, 2 * _MINUTES, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_VENDOR_UNAVAILABLE, StatusCode.UNAVAILABLE, _REACH, _BY_VENDOR,
        "The manufacturer's service does not answer properly at the moment.", _WAITING, 15 * _SECONDS,
    ),
    CatalogueEntry(
        Reason.REASON_VENDOR_RATE_LIMITED, StatusCode.RESOURCE_EXHAUSTED, _REACH, _BY_NOBODY,
        "Too many requests to the manufacturer. Please try again in a while.", _WAITING, _MINUTES,
    ),
    CatalogueEntry(
        Reason.REASON_BUDGET_EXHAUSTED, StatusCode.RESOURCE_EXHAUSTED, _REACH, _BY_OPERATOR,
        "The app has used up what it may spend at the manufacturer for now.", _WAITING, 60 * _MINUTES,
    ),
    # What became of it, and what cannot be.
    CatalogueEntry(
        Reason.REASON_OUTCOME_UNKNOWN, StatusCode.ABORTED, _OUTCOME, _BY_CALLER,
        "It is not certain whether this was done. Please look before you repeat it.", _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_NOT_SUPPORTED_BY_DEVICE, StatusCode.FAILED_PRECONDITION, _IMPOSSIBLE, _BY_NOBODY,
        "Your device cannot do this.", _RECALL, metadata_keys=("device", "action"),
    ),
    CatalogueEntry(
        Reason.REASON_NOT_EXPOSED_BY_VENDOR, StatusCode.FAILED_PRECONDITION, _IMPOSSIBLE, _BY_VENDOR,
        "The manufacturer does not let apps do this.", _RECALL, metadata_keys=("device", "action"),
    ),
    CatalogueEntry(
        Reason.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE, StatusCode.FAILED_PRECONDITION, _IMPOSSIBLE, _BY_CALLER,
        "Your device does not accept this value.", _RECALL, metadata_keys=("parameter", "minimum", "maximum"),
    ),
    CatalogueEntry(
        Reason.REASON_VENDOR_ERROR_UNCLASSIFIED, StatusCode.UNKNOWN, _OUTCOME, _BY_OPERATOR,
        "The manufacturer refused this for a reason that the app does not know.",
        _RECALL, metadata_keys=("vendorReason", "httpStatus"),
    ),
)  # fmt: skip

_BY_REASON = {row.reason: row for row in _ROWS}


def entry(reason: Reason.ValueType) -> CatalogueEntry:
    """Return the row of a reason; a number that the contract does not know is treated as unclassified."""
    return _BY_REASON.get(reason, _BY_REASON[Reason.REASON_VENDOR_ERROR_UNCLASSIFIED])
