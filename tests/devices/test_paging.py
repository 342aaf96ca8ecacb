import base64
from datetime import UTC, datetime

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.paging import MAXIMUM_PAGE_BYTES, PageRequest, read_time_key, time_key
from wattbus_server.problem import Problem

ARGUMENTS = b"arguments"


def text(value: str) -> StringValue:
    """A message as long as its text."""
    return StringValue(value=value)


@given(
    st.lists(st.text(min_size=1, max_size=40, alphabet=st.characters(codec="utf-8")), unique=True),
    st.integers(1, 10),
)
def test_pages_hold_every_item_once_and_in_order(keys: list[str], size: int) -> None:
    keys = sorted(keys)
    seen: list[str] = []
    token = ""
    while True:
        request = PageRequest.parse(size, token, ARGUMENTS)
        page, token = request.cut([key for key in keys if key > request.after], lambda key: key, text)
        assert len(page) <= size
        seen += [one.value for one in page]
        if not token:
            break
    assert seen == keys


@given(st.lists(st.integers(1, MAXIMUM_PAGE_BYTES + 1000), min_size=1, max_size=6))
def test_no_page_is_larger_than_clients_take_but_each_has_an_item(sizes: list[int]) -> None:
    keys = [f"{place:03} {size}" for place, size in enumerate(sizes)]
    seen = 0
    token = ""
    while True:
        request = PageRequest.parse(0, token, ARGUMENTS)
        following = (key for key in keys if key > request.after)
        page, token = request.cut(following, lambda key: key, lambda key: text("x" * int(key.split()[1])))
        assert page
        assert len(page) == 1 or sum(one.ByteSize() for one in page) < 4 << 20
        seen += len(page)
        if not token:
            break
    assert seen == len(keys)


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (7, 7), (1000, 1000), (5000, 1000)])
def test_sizes_have_a_default_and_a_limit(asked: int, given: int) -> None:
    assert PageRequest.parse(asked, "", ARGUMENTS).size == given


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        PageRequest.parse(-1, "", ARGUMENTS)
    assert caught.value.field_violations[0].field == "page_size"


@given(st.text(min_size=1, max_size=2000) | st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode()))
def test_any_other_text_is_refused_as_a_token(token: str) -> None:
    if not token:
        return
    with pytest.raises(Problem) as caught:
        PageRequest.parse(1, token, ARGUMENTS)
    assert caught.value.reason == Reason.REASON_PAGE_TOKEN_INVALID


def test_a_token_is_bound_to_the_arguments() -> None:
    _, token = PageRequest.parse(1, "", ARGUMENTS).cut(["a", "b"], lambda key: key, text)
    assert PageRequest.parse(1, token, ARGUMENTS).after == "a"
    with pytest.raises(Problem):
        PageRequest.parse(1, token, b"other arguments")


@given(st.datetimes(timezones=st.just(UTC)), st.text(min_size=1, alphabet="abc/"))
def test_keys_of_lists_by_time_are_read_as_they_were_written(time: datetime, name: str) -> None:
    assert read_time_key(time_key(time, name)) == (time, name)


@pytest.mark.parametrize(
    "key", ["x", "", "2026-01-01T00:00:00 name", "2026-13-01T00:00:00+00:00 name", "2026-01-01T00Z "]
)
def test_a_forged_key_is_refused(key: str) -> None:
    with pytest.raises(Problem) as caught:
        read_time_key(key)
    assert caught.value.reason == Reason.REASON_PAGE_TOKEN_INVALID
