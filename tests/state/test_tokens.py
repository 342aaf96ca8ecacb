"""Resume tokens."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem
from wattbus_server.state.tokens import OTHER_EPOCH, ResumeTokens, watch_digest

KEY = b"0123456789abcdef"
EPOCH = b"epoch--1"
DIGEST = watch_digest(b"selection", b"mask")

TOKENS = ResumeTokens(KEY, EPOCH)


def refused(token: str, digest: bytes = DIGEST, tokens: ResumeTokens = TOKENS) -> bool:
    with pytest.raises(Problem) as caught:
        tokens.read(token, digest)
    return caught.value.reason == Reason.REASON_RESUME_TOKEN_INVALID


@given(st.integers(0, 2**63 - 1))
def test_a_token_gives_back_its_position_and_is_safe_in_a_url(sequence: int) -> None:
    token = TOKENS.issue(sequence, DIGEST)
    assert TOKENS.read(token, DIGEST) == sequence
    assert re.fullmatch(r"[A-Za-z0-9_=-]{1,1024}", token)


def test_a_token_tells_nothing_to_who_reads_it() -> None:
    raw = base64.urlsafe_b64decode(TOKENS.issue(0x1122334455667788, DIGEST))
    assert not any(secret in raw for secret in (bytes.fromhex("1122334455667788"), EPOCH, DIGEST))
    assert TOKENS.issue(5, DIGEST) != TOKENS.issue(5, DIGEST), "equal positions do not show as equal"


def test_a_token_of_another_process_life_is_told_apart_from_a_forged_one() -> None:
    token = ResumeTokens(KEY, b"epoch--2").issue(5, DIGEST)
    assert TOKENS.read(token, DIGEST) is OTHER_EPOCH
    assert refused(ResumeTokens(b"another key, 16+", EPOCH).issue(5, DIGEST))


def test_a_token_of_another_selection_is_refused() -> None:
    assert refused(TOKENS.issue(5, DIGEST), watch_digest(b"selection", b"other mask"))


@given(st.text(max_size=200))
def test_text_that_is_no_token_is_refused(text: str) -> None:
    assert refused(text)


@given(st.binary(max_size=100))
def test_bytes_that_are_no_token_are_refused(raw: bytes) -> None:
    assert refused(base64.urlsafe_b64encode(raw).decode())


@given(st.integers(0, 10_000))
def test_a_token_with_one_changed_bit_is_refused(position: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(TOKENS.issue(5, DIGEST)))
    bit = position % (len(raw) * 8)
    raw[bit // 8] ^= 1 << bit % 8
    assert refused(base64.urlsafe_b64encode(raw).decode())


def test_short_keys_and_wrong_epochs_are_refused_at_start() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        ResumeTokens(b"short", EPOCH)
    with pytest.raises(ValueError, match="exactly 8"):
        ResumeTokens(KEY, b"short")
