"""Advice on what only the operator of this server can remove.

Sources: Tesla Fleet API documentation, partner-endpoints and billing-and-limits.
"""

from collections.abc import Mapping

from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.vendors.tesla.advice import notice
from wattbus_server.vendors.tesla.advice.pages import DEVELOPER, DOCS
from wattbus_server.vendors.tesla.advice.rows import AdviceRow, Breadth, RemedyRow

OPERATOR_ADVICE: Mapping[Reason.ValueType, AdviceRow] = {
    Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION: AdviceRow(
        "The operator's application is not registered in the end user's Tesla region.",
        (
            RemedyRow(
                Actor.ACTOR_OPERATOR,
                "Fleet API of the region, partner_accounts",
                (
                    "Host the public key at {hosted_key}.",
                    "Register the domain {domain} in the region with a partner token (POST /api/1/partner_accounts).",
                    "Repeat it for every region that end users live in.",
                ),
                notice.ACCOUNT,
                f"{DOCS}/endpoints/partner-endpoints#register",
            ),
        ),
        Breadth.CONNECTION,
        ("region",),
    ),
    Reason.REASON_PUBLIC_KEY_NOT_HOSTED: AdviceRow(
        "The operator's public key cannot be read where Tesla looks for it.",
        (
            RemedyRow(
                Actor.ACTOR_OPERATOR,
                "The web server of {domain}",
                ("Serve the public key in PEM form at {hosted_key}, permanently and without a redirect.",),
                notice.NEXT_TRY,
                "{hosted_key}",
            ),
        ),
        Breadth.APPLICATION,
        ("domain",),
    ),
    Reason.REASON_PUBLIC_KEY_MISMATCH: AdviceRow(
        "The hosted public key does not belong to the private key that signs commands.",
        (
            RemedyRow(
                Actor.ACTOR_OPERATOR,
                "The web server of {domain}",
                (
                    "Host the public key of the private key in the setting tesla.command_key_file.",
                    "Register the domain again in every region, so that Tesla reads the key.",
                    "Vehicles that hold the former key must be paired again.",
                ),
                notice.NEXT_TRY,
                f"{DOCS}/virtual-keys/developer-guide",
            ),
        ),
        Breadth.APPLICATION,
        ("domain",),
    ),
    Reason.REASON_VENDOR_BILLING_LIMIT_EXCEEDED: AdviceRow(
        "The operator's Tesla developer account reached its billing limit; Tesla refuses all calls.",
        (
            RemedyRow(
                Actor.ACTOR_OPERATOR,
                "Tesla developer dashboard, billing",
                (
                    "Add a payment method and pay what is open.",
                    "Raise the billing limit; the default is 0.",
                    "Afterwards create telemetry configurations again: Tesla has removed them.",
                ),
                notice.ACCOUNT,
                f"{DEVELOPER}/dashboard",
            ),
        ),
        Breadth.APPLICATION,
    ),
    Reason.REASON_CLIENT_CREDENTIALS_REJECTED: AdviceRow(
        "Tesla does not accept the application's client id and secret.",
        (
            RemedyRow(
                Actor.ACTOR_OPERATOR,
                "Tesla developer dashboard, application",
                (
                    "Compare client id and secret with the settings tesla.client_id and tesla.client_secret.",
                    "Restart this server with the right ones.",
                ),
                notice.RESTART,
                f"{DEVELOPER}/dashboard",
            ),
        ),
        Breadth.APPLICATION,
    ),
    Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED: AdviceRow(
        "This server lacks the setting {setting}.",
        (
            RemedyRow(
                Actor.ACTOR_OPERATOR,
                "This server's settings",
                ("Set {setting} and start the server again.",),
                notice.RESTART,
                f"{DOCS}/getting-started/what-is-fleet-api",
            ),
        ),
        Breadth.APPLICATION,
        ("setting",),
    ),
}
"""What only the operator of this server can remove."""
