"""The published test values of the protocol hold for the car's side.

Source: teslamotors/vehicle-command, pkg/protocol/protocol.md (Apache-2.0). The keys are published
and must never be enrolled on a vehicle.
"""

from cryptography.hazmat.primitives.asymmetric import ec
from tesla_protocol.command.signatures_pb2 import Tag
from tesla_protocol.command.universal_message_pb2 import Domain

from tesla_sandbox.cars.security.keychain import encoded_point
from tesla_sandbox.cars.security.metadata import serialize
from tesla_sandbox.cars.security.sessions import Counter, DomainComputer

VIN = "5YJ30123456789ABC"
VEHICLE_SCALAR = 0x344EE5B466A7CF1EEB12B6F50331DB2E5EC5834EF5F4BEFCFD8CBE55C2528D70
CLIENT_SCALAR = 0x2538CDC29A97C19C1E99A637D6CF4F8C970C118B56EDE1E6323E6D162C4B30DB
EPOCH = bytes.fromhex("4c463f9cc0d3d26906e982ed224adde6")
STARTED_AT = 1_000_000.0
CLOCK_TIME = 2650
HANDSHAKE_UUID = bytes.fromhex("1588d5a30eabc6f8fc9a951b11f6fd11")
SHARED_KEY = "1b2fce19967b79db696f909cff89ea9a"
SESSION_INFO = (
    "0806124104c7a1f47138486aa4729971494878d33b1a24e39571f748a6e16c5955b3d877d3a6aaa0e955166474af"
    "5d32c410f439a2234137ad1bb085fd4e8813c958f11d971a104c463f9cc0d3d26906e982ed224adde6255a0a0000"
)
SESSION_INFO_TAG = "996c1fe38331be138f8039c194b14db2198846ed7d8251e6749284d7b32ea002"
COMMAND_METADATA = (
    "000105010103021135594a333031323334353637383941424303104c463f9cc0d3d26906e982ed224adde6040400000a5f050400000007ff"
)


def infotainment() -> DomainComputer:
    key = ec.derive_private_key(VEHICLE_SCALAR, ec.SECP256R1())
    return DomainComputer(VIN, Domain.DOMAIN_INFOTAINMENT, key, EPOCH, STARTED_AT)


def client_point() -> bytes:
    return encoded_point(ec.derive_private_key(CLIENT_SCALAR, ec.SECP256R1()).public_key())


def test_key_agreement_gives_the_published_shared_key() -> None:
    assert infotainment().session(client_point()).shared_key.hex() == SHARED_KEY


def test_handshake_gives_the_published_session_information_and_tag() -> None:
    computer = infotainment()
    session = computer.session(client_point())
    for counter in range(1, 7):
        session.counter.accept(counter)
    info, tag = computer.session_info(session, STARTED_AT + CLOCK_TIME, HANDSHAKE_UUID)
    assert (info.hex(), tag.hex()) == (SESSION_INFO, SESSION_INFO_TAG)


def test_metadata_is_serialised_as_published() -> None:
    items: dict[Tag, bytes | int] = {
        Tag.TAG_COUNTER: 7,
        Tag.TAG_EXPIRES_AT: 2655,
        Tag.TAG_EPOCH: EPOCH,
        Tag.TAG_PERSONALIZATION: VIN.encode(),
        Tag.TAG_DOMAIN: b"\x03",
        Tag.TAG_SIGNATURE_TYPE: b"\x05",
    }
    assert serialize(items).hex() == COMMAND_METADATA


def test_a_counter_is_accepted_once_and_not_too_late() -> None:
    counter = Counter(window=32)
    accepted = [counter.accept(value) for value in (0, 5, 5, 4, 37, 5, 6, 6)]
    assert accepted == [False, True, False, True, True, False, True, False]
