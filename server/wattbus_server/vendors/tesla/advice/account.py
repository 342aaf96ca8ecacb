"""Advice on what concerns the end user's account, or Tesla's service itself."""

from collections.abc import Mapping

from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.vendors.tesla.advice import notice
from wattbus_server.vendors.tesla.advice.pages import DOCS
from wattbus_server.vendors.tesla.advice.rows import AdviceRow, Breadth, RemedyRow

_LINK_AGAIN = RemedyRow(
    Actor.ACTOR_END_USER,
    "A link page of this server",
    (
        "Create a link session (ConnectionService.CreateLinkSession) and send its URL to the end user.",
        "Sign in with the same Tesla account and allow the access again.",
    ),
    notice.LINK,
)

ACCOUNT_ADVICE: Mapping[Reason.ValueType, AdviceRow] = {
    Reason.REASON_SCOPE_MISSING: AdviceRow(
        "The end user did not grant {missing_scopes} at Tesla.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                "Tesla account, third-party apps, manage access",
                (
                    "Open the link and sign in with the Tesla account that was linked.",
                    "Choose this application and tick {missing_scope_titles}.",
                    "Save.",
                ),
                notice.SCOPES,
                "{consent_page}",
            ),
        ),
        Breadth.CONNECTION,
    ),
    Reason.REASON_REAUTHORIZATION_REQUIRED: AdviceRow(
        "Tesla no longer accepts the grant of this connection.", (_LINK_AGAIN,), Breadth.CONNECTION
    ),
    Reason.REASON_ACCOUNT_LOCKED: AdviceRow(
        "Tesla locked the end user's account.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                "Tesla account",
                ("Sign in at the link and follow what it says.", "If it stays locked, contact Tesla support."),
                notice.ACCOUNT,
                "https://www.tesla.com/teslaaccount",
            ),
        ),
        Breadth.CONNECTION,
    ),
    Reason.REASON_ACCOUNT_IN_OTHER_REGION: AdviceRow(
        "The account lives in a Tesla region that this server does not reach.",
        (
            RemedyRow(
                Actor.ACTOR_OPERATOR,
                "This server's settings",
                (
                    "Add the base URL of the region to the setting tesla.api_urls.",
                    "Register the application in that region.",
                ),
                notice.RESTART,
                f"{DOCS}/getting-started/regions-countries",
            ),
        ),
        Breadth.CONNECTION,
        ("region",),
    ),
    Reason.REASON_VENDOR_UNAVAILABLE: AdviceRow(
        "Tesla's service failed, timed out or sent something unreadable.",
        (
            RemedyRow(
                Actor.ACTOR_VENDOR,
                "Tesla's service",
                (
                    "Tesla must repair it; nobody else can.",
                    "Wait as long as the error says, then try again.",
                ),
                notice.NEXT_CALL,
            ),
        ),
        Breadth.CONNECTION,
        lasts=False,
    ),
    Reason.REASON_VENDOR_RATE_LIMITED: AdviceRow(
        "Tesla's rate limit for this device is reached.",
        (
            RemedyRow(
                Actor.ACTOR_NOBODY,
                "Nowhere: it passes within about a minute",
                ("Wait as long as the error says, then try again.", "Send fewer calls for this device."),
                notice.NEXT_CALL,
            ),
        ),
        lasts=False,
    ),
    Reason.REASON_BUDGET_EXHAUSTED: AdviceRow(
        "The operator's own budget for calls to Tesla is used up.",
        (
            RemedyRow(
                Actor.ACTOR_OPERATOR,
                "This server's settings",
                ("Raise the budget, or wait for the next period.",),
                notice.RESTART,
            ),
        ),
        Breadth.APPLICATION,
        lasts=False,
    ),
    Reason.REASON_VENDOR_ERROR_UNCLASSIFIED: AdviceRow(
        "Tesla refused with words that this server does not know.",
        (
            RemedyRow(
                Actor.ACTOR_OPERATOR,
                "This server's log and Tesla's answer",
                ("Read Tesla's words in the evidence.", "Report them to the Wattbus project if they recur."),
                notice.NEXT_CALL,
            ),
        ),
        metadata=("vendor_reason", "http_status"),
        lasts=False,
    ),
}
"""What concerns the end user's account, or Tesla's service itself."""
