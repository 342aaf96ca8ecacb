"""Every value of teslamotors/vehicle-command pkg/protocol/protocol.md that has been published."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tesla_protocol.command import signatures_pb2

from wattbus_server.vendors.tesla.signing import ClientKey, Domain, StoredSession, payloads
from wattbus_server.vendors.tesla.signing.authentication import CommandClaims, session_info_tag
from wattbus_server.vendors.tesla.signing.metadata import SignatureType
from wattbus_server.vendors.tesla.signing.sessions import adopt_session_info

NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    path = Path(__file__).parent / "data" / "signed_protocol_test_vectors.json"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def private_key(scalar_hex: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(scalar_hex, 16), ec.SECP256R1())


@pytest.fixture(scope="module")
def client_key(vectors: dict[str, Any]) -> ClientKey:
    return ClientKey(private_key(vectors["client_private_scalar_hex"]))


@pytest.fixture(scope="module")
def session(vectors: dict[str, Any], client_key: ClientKey) -> StoredSession:
    return adopt_session_info(
        client_key,
        vin=vectors["vin"],
        domain=Domain.INFOTAINMENT,
        challenge=bytes.fromhex(vectors["handshake_request_uuid_hex"]),
        session_info=bytes.fromhex(vectors["session_info_hex"]),
        tag=bytes.fromhex(vectors["session_info_tag_hex"]),
        now=NOW,
        known=None,
        accept_new_vehicle_key=True,
    )


def test_public_points_follow_from_the_private_scalars(vectors: dict[str, Any], client_key: ClientKey) -> None:
    assert client_key.public_point.hex() == vectors["client_public_uncompressed_hex"]
    vehicle_key = ClientKey(private_key(vectors["vehicle_private_scalar_hex"]))
    assert vehicle_key.public_point.hex() == vectors["vehicle_public_uncompressed_hex"]


def test_both_sides_agree_on_the_shared_key(vectors: dict[str, Any], client_key: ClientKey) -> None:
    vehicle_key = ClientKey(private_key(vectors["vehicle_private_scalar_hex"]))
    assert client_key.shared_key(vehicle_key.public_point).hex() == vectors["shared_key_K_hex"]
    assert vehicle_key.shared_key(client_key.public_point).hex() == vectors["shared_key_K_hex"]


def test_session_info_tag(vectors: dict[str, Any]) -> None:
    tag = session_info_tag(
        bytes.fromhex(vectors["shared_key_K_hex"]),
        vectors["vin"],
        bytes.fromhex(vectors["handshake_request_uuid_hex"]),
        bytes.fromhex(vectors["session_info_hex"]),
    )
    assert tag.hex() == vectors["session_info_tag_hex"]


def test_handshake_answer_becomes_a_session(vectors: dict[str, Any], session: StoredSession) -> None:
    decoded = vectors["session_info_decoded"]
    assert session.vin == vectors["vin"]
    assert session.counter == decoded["counter"]
    assert session.epoch.hex() == decoded["epoch_hex"]
    assert session.clock_time == decoded["clock_time"]
    assert session.clock_offset == NOW - decoded["clock_time"]
    assert session.vehicle_public_key.hex() == vectors["vehicle_public_uncompressed_hex"]
    message = signatures_pb2.SessionInfo.FromString(bytes.fromhex(vectors["session_info_hex"]))
    assert message.counter == decoded["counter"]


def test_command_action(vectors: dict[str, Any]) -> None:
    assert payloads.auto_conditioning_start().data.hex() == vectors["command_hvac_on_action_hex"]


def test_command_metadata(vectors: dict[str, Any], session: StoredSession) -> None:
    claims = CommandClaims(
        domain=Domain.INFOTAINMENT,
        vin=vectors["vin"],
        epoch=session.epoch,
        counter=session.counter + 1,
        expires_at=session.expiry(NOW, lifetime=5.0),
    )
    assert claims.counter == vectors["command_counter"]
    assert claims.expires_at == vectors["command_expires_at"]
    metadata = claims.metadata(SignatureType.AES_GCM_PERSONALIZED)
    assert metadata.hex() == vectors["command_metadata_aes_gcm_personalized_hex"]


def test_command_metadata_with_flags_opens_the_published_ciphertext(
    vectors: dict[str, Any], session: StoredSession
) -> None:
    claims = CommandClaims(
        domain=Domain.INFOTAINMENT,
        vin=vectors["vin"],
        epoch=session.epoch,
        counter=vectors["command_counter"],
        expires_at=vectors["command_expires_at"],
        flags=2,
    )
    metadata = claims.metadata(SignatureType.AES_GCM_PERSONALIZED)
    plaintext = AESGCM(bytes.fromhex(vectors["shared_key_K_hex"])).decrypt(
        bytes.fromhex("dbf79447fa156674dae1caed"),
        bytes.fromhex("38038e8c0f2e" + "c228e0ff64991481db3a7bbc133696c5"),
        hashlib.sha256(metadata).digest(),
    )
    assert plaintext.hex() == vectors["command_hvac_on_action_hex"]


def test_pem_of_the_published_client_key_loads(vectors: dict[str, Any], client_key: ClientKey) -> None:
    pem = b"""-----BEGIN EC PRIVATE KEY-----
MHcCAQEEICU4zcKal8GcHpmmN9bPT4yXDBGLVu3h5jI+bRYsSzDboAoGCCqGSM49
AwEHoUQDQgAEsra8aMLaBmXOZWgVWUmWxiOU7di+qQX+eBp1T+aoRacUMwkC8iXp
Jp1GbgWzSZgf2p2FzCPG+0RKpztikQXcbg==
-----END EC PRIVATE KEY-----
"""
    assert ClientKey.from_pem(pem).public_point == client_key.public_point
    point = private_key(vectors["client_private_scalar_hex"]).public_key()
    assert point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) == client_key.public_point


def test_no_published_value_is_left_out(vectors: dict[str, Any]) -> None:
    # The BLE name belongs to a transport that Wattbus does not use; it is checked as data only.
    ble = vectors["ble_local_name_example"]
    assert ble["name"] == f"S{hashlib.sha1(ble['vin'].encode()).hexdigest()[:16]}C"
    assert set(vectors) == {
        "note",
        "vehicle_private_scalar_hex",
        "vehicle_public_uncompressed_hex",
        "client_private_scalar_hex",
        "client_public_uncompressed_hex",
        "shared_key_K_hex",
        "vin",
        "handshake_request_uuid_hex",
        "session_info_hex",
        "session_info_decoded",
        "session_info_tag_hex",
        "command_hvac_on_action_hex",
        "command_metadata_aes_gcm_personalized_hex",
        "command_expires_at",
        "command_counter",
        "ble_local_name_example",
    }
