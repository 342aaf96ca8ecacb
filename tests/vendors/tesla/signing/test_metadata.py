import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbus_server.vendors.tesla.signing.metadata import Tag, encode_metadata, uint32

ITEMS = st.dictionaries(st.sampled_from(Tag), st.binary(max_size=255))


def test_encodes_the_example_of_the_specification() -> None:
    items = {Tag.COUNTER: uint32(100), Tag.PERSONALIZATION: b"abc"}
    assert encode_metadata(items).hex() == "0203616263050400000064ff"


@given(ITEMS, ITEMS)
def test_different_items_never_share_an_encoding(one: dict[Tag, bytes], other: dict[Tag, bytes]) -> None:
    assert (encode_metadata(one) == encode_metadata(other)) == (one == other)


@given(ITEMS)
def test_an_encoding_can_be_read_back_in_one_way_only(items: dict[Tag, bytes]) -> None:
    encoded, read = encode_metadata(items), {}
    while encoded[0] != 0xFF:
        tag, length = encoded[0], encoded[1]
        read[Tag(tag)] = encoded[2 : 2 + length]
        encoded = encoded[2 + length :]
    assert encoded == b"\xff"
    assert read == items
    assert list(read) == sorted(read)


def test_refuses_a_value_whose_length_does_not_fit() -> None:
    with pytest.raises(ValueError, match="256 bytes"):
        encode_metadata({Tag.EPOCH: bytes(256)})


@pytest.mark.parametrize("number", [-1, 2**32])
def test_refuses_a_number_that_does_not_fit(number: int) -> None:
    with pytest.raises(OverflowError):
        uint32(number)
