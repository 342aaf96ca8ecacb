"""When session info is believed, and what becomes of it."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tesla_protocol.command import signatures_pb2, universal_message_pb2

from tests.vendors.tesla.signing.simulated_vehicle import INFOTAINMENT, VIN, Clock, Subsystem
from wattbus_server.vendors.tesla.signing import ClientKey, Domain, StoredSession
from wattbus_server.vendors.tesla.signing.authentication import session_info_tag
from wattbus_server.vendors.tesla.signing.sessions import (
    KeyRefusedError,
    SessionInfoRefusedError,
    adopt_session_info,
)

CHALLENGE = bytes(range(16))
NOW = 1_700_000_000.0


class Offer:
    """Session info of a simulated vehicle, as it comes with an answer."""

    def __init__(self, key: ClientKey, subsystem: Subsystem) -> None:
        message = universal_message_pb2.RoutableMessage()
        subsystem.put_session_info(message, CHALLENGE, key.public_point)
        self.key = key
        self.info = message.session_info
        self.tag = message.signature_data.session_info_tag.tag

    def adopt(
        self,
        known: StoredSession | None = None,
        *,
        vin: str = VIN,
        challenge: bytes = CHALLENGE,
        handshake: bool = True,
        now: float = NOW,
    ) -> StoredSession:
        return adopt_session_info(
            self.key,
            vin=vin,
            domain=Domain.INFOTAINMENT,
            challenge=challenge,
            session_info=self.info,
            tag=self.tag,
            now=now,
            known=known,
            accept_new_vehicle_key=handshake,
        )


@pytest.fixture(scope="module")
def subsystem() -> Subsystem:
    subsystem = Subsystem(INFOTAINMENT, Clock(NOW))
    subsystem.counter = 6
    return subsystem


@pytest.fixture
def offer(key: ClientKey, subsystem: Subsystem) -> Offer:
    return Offer(key, subsystem)


def flip(data: bytes, bit: int) -> bytes:
    bit %= len(data) * 8
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


@given(bit=st.integers(0, 10_000))
def test_any_flipped_bit_in_session_info_is_refused(key: ClientKey, subsystem: Subsystem, bit: int) -> None:
    offer = Offer(key, subsystem)
    offer.info = flip(offer.info, bit)
    with pytest.raises(SessionInfoRefusedError):
        offer.adopt()


@given(bit=st.integers(0, 255))
def test_any_flipped_bit_in_the_tag_is_refused(key: ClientKey, subsystem: Subsystem, bit: int) -> None:
    offer = Offer(key, subsystem)
    offer.tag = flip(offer.tag, bit)
    with pytest.raises(SessionInfoRefusedError, match="tag does not verify"):
        offer.adopt()


@given(info=st.binary(max_size=120), tag=st.binary(max_size=40))
@example(info=b"", tag=b"")
def test_arbitrary_bytes_are_never_adopted(key: ClientKey, subsystem: Subsystem, info: bytes, tag: bytes) -> None:
    offer = Offer(key, subsystem)
    offer.info, offer.tag = info, tag
    with pytest.raises((SessionInfoRefusedError, KeyRefusedError)):
        offer.adopt()


def test_session_info_for_another_request_or_vehicle_is_refused(offer: Offer) -> None:
    with pytest.raises(SessionInfoRefusedError):
        offer.adopt(challenge=bytes(16))
    with pytest.raises(SessionInfoRefusedError):
        offer.adopt(vin="5YJ30123456789ABD")


def test_the_counter_of_the_same_epoch_is_never_lowered(offer: Offer) -> None:
    first = offer.adopt()
    ahead = replace(first, counter=41)
    assert offer.adopt(ahead).counter == 41
    assert offer.adopt(replace(first, counter=3)).counter == 6


def test_a_new_epoch_brings_its_own_counter_and_clock(offer: Offer) -> None:
    before = replace(offer.adopt(), epoch=bytes(16), counter=900, clock_time=99_999)
    assert offer.adopt(before, handshake=False).counter == 6


def test_a_clock_that_went_back_within_the_epoch_is_refused(offer: Offer) -> None:
    first = offer.adopt()
    assert offer.adopt(first).clock_time == first.clock_time
    with pytest.raises(SessionInfoRefusedError, match="clock went back"):
        offer.adopt(replace(first, clock_time=first.clock_time + 1))


def test_another_vehicle_key_is_believed_in_a_handshake_only(offer: Offer, key: ClientKey) -> None:
    known = replace(offer.adopt(), vehicle_public_key=key.public_point)
    with pytest.raises(SessionInfoRefusedError, match="another vehicle key"):
        offer.adopt(known, handshake=False)
    assert offer.adopt(known).vehicle_public_key != key.public_point


def test_a_new_vehicle_key_starts_from_nothing(offer: Offer, key: ClientKey) -> None:
    first = offer.adopt()
    known = replace(first, vehicle_public_key=key.public_point, counter=900, clock_time=99_999)
    assert offer.adopt(known) == first


def test_an_unpaired_key_is_told_apart_from_a_forgery(offer: Offer) -> None:
    offer.tag = b""
    offer.info = signatures_pb2.SessionInfo(
        status=signatures_pb2.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST
    ).SerializeToString()
    with pytest.raises(KeyRefusedError) as caught:
        offer.adopt()
    assert caught.value.status == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"epoch": b"short"}, "epoch has 5 bytes"), ({"clock_time": 2**30 + 1}, "more than an epoch")],
)
def test_authentic_session_info_with_impossible_content_is_refused(
    offer: Offer, change: dict[str, bytes | int], complaint: str
) -> None:
    info = signatures_pb2.SessionInfo.FromString(offer.info)
    for field, value in change.items():
        setattr(info, field, value)
    offer.info = info.SerializeToString()
    offer.tag = session_info_tag(offer.key.shared_key(info.publicKey), VIN, CHALLENGE, offer.info)
    with pytest.raises(SessionInfoRefusedError, match=complaint):
        offer.adopt()


@given(
    elapsed=st.floats(0, 1e6),
    lifetime=st.floats(0.001, 600),
)
def test_expiry_is_the_lifetime_ahead_of_the_vehicles_clock(
    key: ClientKey, subsystem: Subsystem, elapsed: float, lifetime: float
) -> None:
    session = Offer(key, subsystem).adopt()
    expiry = session.expiry(NOW + elapsed, lifetime)
    assert expiry <= session.clock_time + elapsed + lifetime + 1e-6
    assert expiry > session.clock_time + elapsed + lifetime - 1.000001


@given(back=st.floats(0, 1e9))
def test_a_local_clock_that_was_set_back_does_not_expire_commands(
    key: ClientKey, subsystem: Subsystem, back: float
) -> None:
    session = Offer(key, subsystem).adopt()
    assert session.expiry(NOW - back, 5.0) >= session.clock_time + 5
