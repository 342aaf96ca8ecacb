import re
from pathlib import Path

import pytest
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.blockers import catalogue

PROTO = Path(__file__).parents[2] / "proto/wattbus/v1/reason.proto"
REASONS = [value for value in Reason.values() if value != Reason.REASON_UNSPECIFIED]


def contract() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Code and metadata keys of every reason, read from the comments of the contract."""
    rows: dict[str, tuple[str, tuple[str, ...]]] = {}
    comment: list[str] = []
    for line in PROTO.read_text().splitlines():
        text = line.strip()
        if text.startswith("//"):
            comment.append(text.removeprefix("//").strip())
        elif match := re.match(r"(REASON_\w+) = [1-9]\d*;", text):
            words = " ".join(comment)
            keys = re.findall(r"`(\w+)`", words.partition("Metadata:")[2].partition(". ")[0])
            rows[match[1]] = (words.partition(".")[0], tuple(keys))
        if not text.startswith("//"):
            comment = []
    return rows


@pytest.mark.parametrize("reason", REASONS, ids=Reason.Name)
def test_code_and_metadata_keys_are_those_of_the_contract(reason: Reason.ValueType) -> None:
    row = catalogue.entry(reason)
    assert row.reason == reason, "the reason has no row of its own"
    assert (row.code.name, row.metadata_keys) == contract()[Reason.Name(reason)]


@pytest.mark.parametrize("reason", REASONS, ids=Reason.Name)
def test_texts_are_whole_sentences(reason: Reason.ValueType) -> None:
    row = catalogue.entry(reason)
    for text in (row.end_user_message, row.step, row.verification):
        assert text[0].isupper()
        assert text.endswith(".")
    assert row.place
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", row.anchor)


@pytest.mark.parametrize("reason", REASONS, ids=Reason.Name)
def test_codes_that_invite_a_retry_say_when(reason: Reason.ValueType) -> None:
    row = catalogue.entry(reason)
    if row.code.name in ("UNAVAILABLE", "RESOURCE_EXHAUSTED"):
        assert row.retriable


@pytest.mark.parametrize(
    "reason",
    [
        Reason.REASON_VENDOR_RATE_LIMITED,
        Reason.REASON_VENDOR_UNAVAILABLE,
        Reason.REASON_VEHICLE_ASLEEP,
        Reason.REASON_DEVICE_OFFLINE,
        Reason.REASON_OUTCOME_UNKNOWN,
        Reason.REASON_WRITE_NOT_APPLIED,
    ],
    ids=Reason.Name,
)
def test_passing_reasons_are_not_lasting(reason: Reason.ValueType) -> None:
    assert not catalogue.entry(reason).lasting


def test_a_number_that_the_contract_does_not_know_counts_as_unclassified() -> None:
    assert catalogue.entry(Reason.ValueType(9999)).reason == Reason.REASON_VENDOR_ERROR_UNCLASSIFIED


def test_the_operators_faults_are_told_before_the_end_users() -> None:
    reasons = [
        Reason.REASON_VEHICLE_ASLEEP,
        Reason.REASON_GRID_CHARGING_DISABLED,
        Reason.REASON_VIRTUAL_KEY_NOT_PAIRED,
        Reason.REASON_SCOPE_MISSING,
        Reason.REASON_REAUTHORIZATION_REQUIRED,
        Reason.REASON_VENDOR_BILLING_LIMIT_EXCEEDED,
    ]
    assert sorted(reasons, key=lambda reason: catalogue.entry(reason).importance) == list(reversed(reasons))
