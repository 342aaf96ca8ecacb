"""Every reason has advice that is complete, and links that lead to the right place."""

import re
from typing import Any

import pytest
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from tests.vendors.tesla.control.test_refusing import VEHICLE, Account
from wattbus_server.blockers import catalogue
from wattbus_server.blockers.catalogue_entry import Healing
from wattbus_server.problem import Execution
from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.tesla.advice import ADVICE
from wattbus_server.vendors.tesla.remedies import TeslaRemedies

SETTINGS = TeslaSettings(client_id="client & co", domain="app.example.com")
REMEDIES = TeslaRemedies(SETTINGS, "https://link.example.com/done")

# The flow of linking itself gives these; they never block a device.
OF_LINKING = {
    Reason.REASON_LINK_SESSION_EXPIRED,
    Reason.REASON_CONSENT_CANCELLED,
    Reason.REASON_ACCOUNT_MISMATCH,
}
FACTS: dict[str, Any] = {
    "action": "set charge limit",
    "export_rule": "EXPORT_RULE_NEVER",
    "found": "20",
    "gap_end": "100",
    "gap_start": "80",
    "http_status": "418",
    "maximum": "100",
    "minimum": "50",
    "parameter": "set_charge_limit.limit_percent",
    "region": "eu",
    "resource_name": "devices/gone",
    "resource_type": "device",
    "setting": "export rule",
    "vendor_reason": "no_power",
    "wanted": "30",
}
REASONS = sorted(ADVICE)
REGULAR = re.compile(r"about every|when it starts|finishes the link|next access token")


def test_every_reason_that_concerns_devices_has_advice() -> None:
    of_devices = {reason for reason in Reason.values() if reason >= Reason.REASON_SCOPE_MISSING}
    assert set(ADVICE) == (of_devices - OF_LINKING) | {Reason.REASON_RESOURCE_NOT_FOUND}


@pytest.mark.parametrize("reason", REASONS, ids=Reason.Name)
def test_the_best_remedy_is_for_the_one_who_acts_by_the_catalogue(reason: Reason.ValueType) -> None:
    wire = Actor.Name(ADVICE[reason].remedies[0].actor)
    assert wire == Actor.Name(catalogue.entry(reason).actor)


@pytest.mark.parametrize("reason", REASONS, ids=Reason.Name)
def test_what_lasts_is_what_the_catalogue_records(reason: Reason.ValueType) -> None:
    assert ADVICE[reason].lasts == catalogue.entry(reason).lasting


@pytest.mark.parametrize("reason", REASONS, ids=Reason.Name)
def test_a_check_is_promised_exactly_where_the_server_verifies(reason: Reason.ValueType) -> None:
    verified = catalogue.entry(reason).healing is Healing.VERIFIED
    for remedy in ADVICE[reason].remedies:
        assert not verified or REGULAR.search(remedy.verification), remedy
        assert verified or "{interval}" not in remedy.verification, remedy


@pytest.mark.parametrize("reason", REASONS, ids=Reason.Name)
def test_advice_says_who_where_what_and_how_it_is_noticed(reason: Reason.ValueType) -> None:
    blocker = REMEDIES.blocker(reason, account=Account(), device=VEHICLE, required_scopes=["energy_cmds"], **FACTS)
    text = str(blocker)
    assert "{" not in re.sub(r"remedies \{|metadata \{", "", text)
    assert "an unknown" not in text
    assert blocker.remedies
    for remedy in blocker.remedies:
        assert remedy.actor
        assert remedy.place
        assert remedy.steps
        assert remedy.verification.endswith(".")
        assert all(step.endswith(".") for step in remedy.steps)
        assert not remedy.link or remedy.link.startswith("https://")


@pytest.mark.parametrize("reason", REASONS, ids=Reason.Name)
def test_problems_carry_the_metadata_that_the_catalogue_promises(reason: Reason.ValueType) -> None:
    problem = REMEDIES.problem(
        reason,
        account=Account(),
        device=VEHICLE,
        required_scopes=["energy_cmds"],
        **{**FACTS, "vendor_reason": "words"},
    )
    promised = set(catalogue.entry(reason).metadata_keys)
    # The caller's word for a scope is known to the room that relinks.
    assert set(problem.metadata) >= promised - {"missingAccess"}
    assert problem.vendor_reason == "words"
    assert problem.execution is Execution.NOT_SENT


def test_the_consent_page_knows_application_and_way_back() -> None:
    blocker = REMEDIES.blocker(Reason.REASON_SCOPE_MISSING, account=Account(), required_scopes=["energy_cmds"])
    assert blocker.remedies[0].link == (
        "https://auth.tesla.com/user/revoke/consent?revoke_client_id=client+%26+co"
        "&back_url=https%3A%2F%2Flink.example.com%2Fdone"
    )
    assert list(blocker.missing_scopes) == ["energy_cmds"]


def test_the_pairing_page_knows_domain_and_vehicle() -> None:
    blocker = REMEDIES.blocker(Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, account=Account(), device=VEHICLE)
    assert blocker.remedies[0].link == f"https://tesla.com/_ak/app.example.com?vin={VEHICLE.vendor_id}"


def test_without_a_domain_there_is_no_broken_link() -> None:
    blocker = TeslaRemedies(TeslaSettings()).blocker(Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, device=VEHICLE)
    assert blocker.remedies[0].link == ""


def test_what_the_vendor_says_cannot_break_the_texts_and_is_bounded() -> None:
    words = "{0.__class__} %s {missing}" * 100
    problem = REMEDIES.problem(Reason.REASON_VEHICLE_REFUSED, account=Account(), device=VEHICLE, vendor_reason=words)
    assert len(problem.vendor_reason) == 500
    assert problem.blockers[0].evidence == words[:500]


def test_an_application_wide_reason_blocks_no_single_connection() -> None:
    blocker = REMEDIES.blocker(Reason.REASON_VENDOR_BILLING_LIMIT_EXCEEDED, account=Account(), device=VEHICLE)
    assert (blocker.device, blocker.connection) == ("", "")
