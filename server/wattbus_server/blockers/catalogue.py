"""The catalogue of reasons: for each one the gRPC code, who acts, what the end user reads, and how it heals.

`reason.proto` is the contract; a test compares code and metadata keys of every row with its comments there.
"""

from datetime import timedelta

from grpc import StatusCode
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.blockers.catalogue_entry import CatalogueEntry, Healing, Importance

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
    CatalogueEntry(
        Reason.REASON_API_KEY_MISSING, StatusCode.UNAUTHENTICATED, _CALL, _BY_CALLER,
        _APP_FAULT,
        "Send the metadata `authorization: Bearer <key>` with a key of your tenant.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_API_KEY_INVALID, StatusCode.UNAUTHENTICATED, _CALL, _BY_CALLER,
        _APP_FAULT,
        "Send a key that works; the operator makes new ones.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_METHOD_NOT_ALLOWED, StatusCode.PERMISSION_DENIED, _CALL, _BY_CALLER,
        _APP_FAULT,
        "Call a method that this key may call: AdminService takes the operator's key, the others a tenant's.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_FIELD_INVALID, StatusCode.INVALID_ARGUMENT, _CALL, _BY_CALLER,
        _APP_FAULT,
        "Correct the fields that the error lists.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_RESOURCE_NOT_FOUND, StatusCode.NOT_FOUND, _CALL, _BY_CALLER,
        "This does not exist (any more).",
        "Check the name, and list again what there is.",
        _RECALL, metadata_keys=("resourceType", "resourceName"),
    ),
    CatalogueEntry(
        Reason.REASON_REQUEST_ID_REUSED, StatusCode.ALREADY_EXISTS, _CALL, _BY_CALLER,
        _APP_FAULT,
        "Use a new `request_id` for another request.",
        _RECALL, metadata_keys=("requestId",),
    ),
    CatalogueEntry(
        Reason.REASON_PAGE_TOKEN_INVALID, StatusCode.INVALID_ARGUMENT, _CALL, _BY_CALLER,
        _APP_FAULT,
        "List again from the first page, without a token.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_RESUME_TOKEN_INVALID, StatusCode.INVALID_ARGUMENT, _CALL, _BY_CALLER,
        _APP_FAULT,
        "Start again without a token.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_HISTORY_TRUNCATED, StatusCode.OUT_OF_RANGE, _CALL, _BY_CALLER,
        _APP_FAULT,
        "Start again without a token.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_COMMAND_NOT_CANCELLABLE, StatusCode.FAILED_PRECONDITION, _CALL, _BY_CALLER,
        "This is already under way and can no longer be cancelled.",
        "Look at the command to see what becomes of it; another command can undo it.",
        _RECALL, metadata_keys=("command", "state"),
    ),
    CatalogueEntry(
        Reason.REASON_QUOTA_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED, _CALL, _BY_CALLER,
        "Too much at once. Please try again in a moment.",
        "Wait as long as the error says; make fewer calls at a time.",
        _WAITING, 5 * _SECONDS, ("limit",),
    ),
    CatalogueEntry(
        Reason.REASON_SLOW_CONSUMER, StatusCode.RESOURCE_EXHAUSTED, _CALL, _BY_CALLER,
        _LATER,
        "Connect again with the last resume token, and read faster.",
        _WAITING, _SECONDS,
    ),
    CatalogueEntry(
        Reason.REASON_SERVER_DRAINING, StatusCode.UNAVAILABLE, _CALL, _BY_NOBODY,
        _LATER,
        "Connect again after the retry delay.",
        _WAITING, _SECONDS,
    ),
    CatalogueEntry(
        Reason.REASON_INTERNAL, StatusCode.INTERNAL, _CALL, _BY_OPERATOR,
        _APP_FAULT,
        "Look up the request id in this server's log.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_METHOD_NOT_IMPLEMENTED, StatusCode.UNIMPLEMENTED, _CALL, _BY_CALLER,
        _APP_FAULT,
        "Use another method.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_COMMAND_CANCELLED, StatusCode.CANCELLED, _CALL, _BY_CALLER,
        "This was cancelled.",
        "Send the command again if it is wanted after all.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_COMMAND_EXPIRED, StatusCode.DEADLINE_EXCEEDED, _CALL, _BY_CALLER,
        "This could not be done in time.",
        "Send the command again; give it a longer `time_to_live` if it may wait longer.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_DEADLINE_EXCEEDED, StatusCode.DEADLINE_EXCEEDED, _CALL, _BY_CALLER,
        "This could not be done in time.",
        "Call again with a deadline of your own. A command goes on by itself: look at it first.",
        _RECALL,
    ),
    # The grant.
    CatalogueEntry(
        Reason.REASON_SCOPE_MISSING, StatusCode.PERMISSION_DENIED, Importance.SCOPE, _BY_END_USER,
        "The app does not have your permission for this. Please allow it in your account at the manufacturer.",
        "Allow the missing permissions in the account at the manufacturer.",
        _VERIFIED, metadata_keys=_SCOPE_KEYS,
    ),
    CatalogueEntry(
        Reason.REASON_REAUTHORIZATION_REQUIRED, StatusCode.FAILED_PRECONDITION, _GRANT, _BY_END_USER,
        "The app has lost access to your account. Please connect it again.",
        "Open a new link of this service and allow the access again.",
        _VERIFIED, metadata_keys=("connection",),
    ),
    CatalogueEntry(
        Reason.REASON_ACCOUNT_LOCKED, StatusCode.FAILED_PRECONDITION, _GRANT, _BY_END_USER,
        "The manufacturer has locked your account. Please sign in there or contact its support.",
        "Sign in at the manufacturer and follow what it says, or contact its support.",
        _VERIFIED, metadata_keys=("connection",),
    ),
    CatalogueEntry(
        Reason.REASON_LINK_SESSION_EXPIRED, StatusCode.FAILED_PRECONDITION, _GRANT, _BY_CALLER,
        "This link has expired or was used already. Please ask the app for a new one.",
        "Create a new link session.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_CONSENT_CANCELLED, StatusCode.FAILED_PRECONDITION, _GRANT, _BY_END_USER,
        "You did not allow access. Nothing was connected.",
        "Open a new link of this service and allow the access.",
        _RECALL,
    ),
    CatalogueEntry(
        Reason.REASON_ACCOUNT_MISMATCH, StatusCode.FAILED_PRECONDITION, _GRANT, _BY_END_USER,
        "You signed in with another account than before. Please sign in with the account that is connected.",
        "Open a new link of this service and sign in with the account that is connected.",
        _RECALL, metadata_keys=("connection",),
    ),
    # The vehicle needs its owner.
    CatalogueEntry(
        Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, StatusCode.FAILED_PRECONDITION, _KEY, _BY_END_USER,
        "The app's key is not in your vehicle yet. Please open the link on your phone and add it.",
        "Add the app's key to the vehicle.",
        _VERIFIED, metadata_keys=("device", "vin", "domain"),
    ),
    CatalogueEntry(
        Reason.REASON_VIRTUAL_KEY_DISABLED, StatusCode.FAILED_PRECONDITION, _KEY, _BY_END_USER,
        "The app's key is switched off in your vehicle. Please switch it on again.",
        "Remove the app's key from the vehicle and add it again.",
        _ON_USE, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_KEYCHAIN_FULL, StatusCode.FAILED_PRECONDITION, _KEY, _BY_END_USER,
        "Your vehicle cannot hold another key. Please remove one that you no longer need.",
        "Remove a key that nobody uses, then add the app's key.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_REMOTE_ACCESS_DISABLED, StatusCode.FAILED_PRECONDITION, _KEY, _BY_END_USER,
        "Mobile access is switched off in your vehicle. Please switch it on at its screen.",
        "Switch on mobile access at the vehicle's screen.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_VEHICLE_REFUSED, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_END_USER,
        "Your vehicle refused this in its present condition.",
        "Look at what the vehicle shows, then try again.",
        _RECALL, metadata_keys=("device", "vendorReason"),
    ),
    CatalogueEntry(
        Reason.REASON_VEHICLE_IN_SERVICE, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_NOBODY,
        "Your vehicle is in service and cannot be controlled until that is over.",
        "Wait until the service has ended.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_KEY_ROLE_INSUFFICIENT, StatusCode.FAILED_PRECONDITION, _KEY, _BY_END_USER,
        "Your vehicle does not let the app's key do this. Please park it, or add the key again as its owner.",
        "Park the vehicle and try again; if it still refuses, add the app's key again as its owner.",
        _ON_USE, metadata_keys=("device",),
    ),
    # The battery needs its owner, installer or utility.
    CatalogueEntry(
        Reason.REASON_EXPORT_NOT_PERMITTED, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_UTILITY,
        "Your home has no permission to feed energy into the grid. Your installer or utility can arrange it.",
        "Permit the export from the battery, through the installer.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_EXPORT_RULE_EXCLUDES_BATTERY, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_END_USER,
        "Your home feeds only solar energy into the grid. Please allow the battery too in the manufacturer's app.",
        "Allow the battery to export too.",
        _VERIFIED, metadata_keys=("device", "exportRule"),
    ),
    CatalogueEntry(
        Reason.REASON_GRID_CHARGING_DISABLED, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_END_USER,
        "Charging your battery from the grid is switched off. Please allow it in the manufacturer's app.",
        "Allow charging from the grid.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_SETTING_LOCKED_BY_INSTALLER, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_INSTALLER,
        "Your installer or utility has locked this setting. Please ask them to unlock it.",
        "Unlock the setting, if the utility and local rules allow it.",
        _VERIFIED, metadata_keys=("device", "setting"),
    ),
    CatalogueEntry(
        Reason.REASON_TIME_BASED_CONTROL_UNSUPPORTED, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_INSTALLER,
        "Your battery is not set up for time-based control. Your installer can tell whether it is possible.",
        "Find out whether the system supports time-based control, and set it up.",
        _VERIFIED, metadata_keys=("device",),
    ),
    CatalogueEntry(
        Reason.REASON_STORM_WATCH_ACTIVE, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_NOBODY,
        "Your battery is being filled because a storm is expected.",
        "Wait until the storm has passed.",
        _VERIFIED, 30 * _MINUTES, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_GRID_SERVICES_ACTIVE, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_NOBODY,
        "Your utility controls the battery for the moment.",
        "Wait until the event has ended.",
        _VERIFIED, 30 * _MINUTES, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_OFF_GRID, StatusCode.FAILED_PRECONDITION, _DEVICE, _BY_END_USER,
        "Your home is disconnected from the grid at the moment.",
        "Connect the home to the grid again; in an outage, wait until the grid is back.",
        _VERIFIED, 5 * _MINUTES, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_WRITE_NOT_APPLIED, StatusCode.FAILED_PRECONDITION, _OUTCOME, _BY_CALLER,
        "The manufacturer accepted the change, but your device did not take it over.",
        "Read the device's state; if it still shows the old value, send the command again.",
        _RECALL, metadata_keys=("device", "setting", "wanted", "found"),
    ),
    # The operator.
    CatalogueEntry(
        Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        _APP_SETUP,
        "Register the application in the region of the end user's account.",
        _VERIFIED, metadata_keys=("region",),
    ),
    CatalogueEntry(
        Reason.REASON_PUBLIC_KEY_NOT_HOSTED, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        _APP_SETUP,
        "Host the public key where the manufacturer looks for it.",
        _ON_USE, metadata_keys=("domain",),
    ),
    CatalogueEntry(
        Reason.REASON_PUBLIC_KEY_MISMATCH, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        _APP_SETUP,
        "Host the public key of the key that signs commands, and register it.",
        _ON_USE, metadata_keys=("domain",),
    ),
    CatalogueEntry(
        Reason.REASON_VENDOR_BILLING_LIMIT_EXCEEDED, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        "The app has reached a limit at the manufacturer. Its operator must raise it.",
        "Pay what is open at the manufacturer, and raise the limit.",
        _VERIFIED,
    ),
    CatalogueEntry(
        Reason.REASON_CLIENT_CREDENTIALS_REJECTED, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        _APP_SETUP,
        "Correct the client id and secret in this server's settings.",
        _VERIFIED,
    ),
    CatalogueEntry(
        Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        _APP_SETUP,
        "Set what is missing in this server's settings, and start it again.",
        _VERIFIED, metadata_keys=("setting",),
    ),
    CatalogueEntry(
        Reason.REASON_ACCOUNT_IN_OTHER_REGION, StatusCode.FAILED_PRECONDITION, _OPERATOR, _BY_OPERATOR,
        "Your account belongs to another region than the one the app can reach.",
        "Add the region of the account to this server's settings.",
        _VERIFIED, metadata_keys=("region",),
    ),
    # Away or too busy.
    CatalogueEntry(
        Reason.REASON_VEHICLE_ASLEEP, StatusCode.UNAVAILABLE, _REACH, _BY_CALLER,
        "Your vehicle is asleep.",
        "Let the vehicle be woken, or wait until it is awake.",
        _WAITING, 30 * _SECONDS, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_DEVICE_OFFLINE, StatusCode.UNAVAILABLE, _REACH, _BY_END_USER,
        "Your device has no connection to the internet at the moment.",
        "Make sure that the device has power and a connection to the internet.",
        _WAITING, 5 * _MINUTES, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_COMMAND_PATH_UNAVAILABLE, StatusCode.UNAVAILABLE, _REACH, _BY_NOBODY,
        "Your vehicle does not take commands at the moment.",
        "Wait some minutes, then try again.",
        _WAITING, 2 * _MINUTES, ("device",),
    ),
    CatalogueEntry(
        Reason.REASON_VENDOR_UNAVAILABLE, StatusCode.UNAVAILABLE, _REACH, _BY_VENDOR,
        "The manufacturer's service does not answer properly at the moment.",
        "Until it is repaired: wait as long as the error says, then try again.",
        _WAITING, 15 * _SECONDS,
    ),
    CatalogueEntry(
        Reason.REASON_VENDOR_RATE_LIMITED, StatusCode.RESOURCE_EXHAUSTED, _REACH, _BY_NOBODY,
        "Too many requests to the manufacturer. Please try again in a while.",
        "Wait as long as the error says, then try again.",
        _WAITING, _MINUTES,
    ),
    CatalogueEntry(
        Reason.REASON_BUDGET_EXHAUSTED, StatusCode.RESOURCE_EXHAUSTED, _REACH, _BY_OPERATOR,
        "The app has used up what it may spend at the manufacturer for now.",
        "Raise the budget, or wait for the next period.",
        _WAITING, 60 * _MINUTES,
    ),
    # What became of it, and what cannot be.
    CatalogueEntry(
        Reason.REASON_OUTCOME_UNKNOWN, StatusCode.ABORTED, _OUTCOME, _BY_CALLER,
        "It is not certain whether this was done. Please look before you repeat it.",
        "Read the device's state before you send the command again.",
        Healing.WATCHED,
    ),
    CatalogueEntry(
        Reason.REASON_NOT_SUPPORTED_BY_DEVICE, StatusCode.FAILED_PRECONDITION, _IMPOSSIBLE, _BY_CALLER,
        "Your device cannot do this.",
        "Use another device or another action.",
        _RECALL, metadata_keys=("device", "action"),
    ),
    CatalogueEntry(
        Reason.REASON_NOT_EXPOSED_BY_VENDOR, StatusCode.FAILED_PRECONDITION, _IMPOSSIBLE, _BY_CALLER,
        "The manufacturer does not let apps do this.",
        "Use another action.",
        _RECALL, metadata_keys=("device", "action"),
    ),
    CatalogueEntry(
        Reason.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE, StatusCode.FAILED_PRECONDITION, _IMPOSSIBLE, _BY_CALLER,
        "Your device does not accept this value.",
        "Use a value within the parameter bounds of the device's capability.",
        _RECALL, metadata_keys=("parameter", "minimum", "maximum", "gapStart", "gapEnd"),
    ),
    CatalogueEntry(
        Reason.REASON_VENDOR_ERROR_UNCLASSIFIED, StatusCode.UNKNOWN, _OUTCOME, _BY_OPERATOR,
        "The manufacturer refused this for a reason that the app does not know.",
        "Read the vendor's own words in the error; report them to the Wattbus project if they recur.",
        _RECALL, metadata_keys=("vendorReason", "httpStatus"),
    ),
)  # fmt: skip

_BY_REASON = {row.reason: row for row in _ROWS}


def entry(reason: Reason.ValueType) -> CatalogueEntry:
    """Return the row of a reason; a number that the contract does not know is treated as unclassified."""
    return _BY_REASON.get(reason, _BY_REASON[Reason.REASON_VENDOR_ERROR_UNCLASSIFIED])
