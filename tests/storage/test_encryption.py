import base64

import pytest
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.cli.keys import new_encryption_key
from wattbus_server.problem import Problem
from wattbus_server.storage.encryption import Vault

SECRET = b"a refresh token"


def test_what_was_encrypted_opens_with_the_same_context() -> None:
    vault = Vault.from_settings(new_encryption_key())
    sealed = vault.encrypt(SECRET, "connections/a")
    assert SECRET not in sealed
    assert vault.decrypt(sealed, "connections/a") == SECRET


def test_the_same_text_never_looks_the_same() -> None:
    vault = Vault.from_settings(new_encryption_key())
    assert vault.encrypt(SECRET, "x") != vault.encrypt(SECRET, "x")


def test_a_text_that_was_moved_to_another_row_does_not_open() -> None:
    vault = Vault.from_settings(new_encryption_key())
    with pytest.raises(Problem) as caught:
        vault.decrypt(vault.encrypt(SECRET, "connections/a"), "connections/b")
    assert caught.value.reason == Reason.REASON_INTERNAL


def test_after_a_rotation_old_texts_open_and_new_ones_use_the_new_key() -> None:
    old, new = new_encryption_key(), new_encryption_key()
    sealed_before = Vault.from_settings(old).encrypt(SECRET, "x")
    rotated = Vault.from_settings(f"{new}, {old}")
    assert rotated.decrypt(sealed_before, "x") == SECRET
    assert Vault.from_settings(new).decrypt(rotated.encrypt(SECRET, "x"), "x") == SECRET


def test_without_its_key_a_text_does_not_open() -> None:
    sealed = Vault.from_settings(new_encryption_key()).encrypt(SECRET, "x")
    with pytest.raises(Problem, match="does not hold"):
        Vault.from_settings(new_encryption_key()).decrypt(sealed, "x")


@pytest.mark.parametrize("damage", [b"", b"\x01", b"\x02" + b"0" * 60])
def test_a_damaged_text_does_not_open(damage: bytes) -> None:
    with pytest.raises(Problem):
        Vault.from_settings(new_encryption_key()).decrypt(damage, "x")


@pytest.mark.parametrize(
    "setting", ["", "   ", "no base64!", base64.b64encode(b"short").decode(), f"{new_encryption_key()},"]
)
def test_a_missing_or_malformed_key_is_refused_without_showing_it(setting: str) -> None:
    with pytest.raises(ValueError, match="WATTBUS_ENCRYPTION_KEY") as caught:
        Vault.from_settings(setting)
    assert not setting.strip() or setting not in str(caught.value)
