import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from wattbus_server.vendors.tesla.signing import ClientKey, InvalidKeyError

FORMATS = [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL]


def pem(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    format_: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, format_, encryption or NoEncryption())


@pytest.mark.parametrize("format_", FORMATS)
def test_loads_a_p256_key_from_either_pem_form(format_: PrivateFormat) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert ClientKey.from_pem(pem(key, format_)).public_point == ClientKey(key).public_point


def test_loads_an_encrypted_pem_with_its_password_only() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    text = pem(key, encryption=BestAvailableEncryption(b"secret"))
    assert ClientKey.from_pem(text, b"secret").public_point == ClientKey(key).public_point
    for password in (None, b"wrong"):
        with pytest.raises(InvalidKeyError, match="cannot be read"):
            ClientKey.from_pem(text, password)


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP256K1(), ec.SECP521R1()])
def test_refuses_another_curve_by_name(curve: ec.EllipticCurve) -> None:
    with pytest.raises(InvalidKeyError, match=rf"{curve.name}.*P-256"):
        ClientKey.from_pem(pem(ec.generate_private_key(curve)))


def test_refuses_a_key_that_is_not_elliptic() -> None:
    with pytest.raises(InvalidKeyError, match="elliptic"):
        ClientKey.from_pem(pem(rsa.generate_private_key(65537, 2048)))


@given(st.binary(max_size=200))
def test_refuses_text_that_is_no_pem(text: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        ClientKey.from_pem(text)


@given(st.binary(max_size=70))
def test_refuses_a_vehicle_key_that_is_no_point(key: ClientKey, point: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        key.shared_key(point)


def test_shows_neither_the_secret_nor_the_whole_fingerprint(key: ClientKey) -> None:
    assert repr(key) == f"ClientKey({key.fingerprint[:16]})"
    assert len(key.fingerprint) == 64
