"""Encryption at rest: AES-256-GCM with keys that can be rotated.

A ciphertext is: format (1 byte), key id (8 bytes), nonce (12 bytes), encrypted text with its tag. The context, for
example the row that the text belongs to, is authenticated but not stored, so a ciphertext that was moved elsewhere does
not open.
"""

import base64
import binascii
import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem
from wattbus_server.settings import ConfigurationError

VARIABLE = "WATTBUS_ENCRYPTION_KEY"
KEY_BYTES = 32
_FORMAT = b"\x01"
_ID_BYTES = 8
_NONCE_BYTES = 12
HEADER_BYTES = len(_FORMAT) + _ID_BYTES + _NONCE_BYTES


class Vault:
    """Encrypts with the first key, and decrypts with whichever key was used."""

    def __init__(self, keys: list[bytes]) -> None:
        if not keys:
            raise ValueError("at least one encryption key is needed")
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"an encryption key has {KEY_BYTES} bytes")
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._encrypting_id = _key_id(keys[0])

    @classmethod
    def from_settings(cls, keys: str) -> "Vault":
        """Read the setting `encryption_key`: base64, several keys separated by commas.

        Raises:
            ConfigurationError: it is empty or malformed; the message says how to get a key and never holds one.
        """
        if not keys.strip():
            raise ConfigurationError(VARIABLE, "is not set; `wattbus keygen` makes a key")
        try:
            return cls([base64.b64decode(key.strip(), validate=True) for key in keys.split(",")])
        except (binascii.Error, ValueError):
            raise ConfigurationError(
                VARIABLE, f"must be {KEY_BYTES} bytes in base64, or several such keys with commas between"
            ) from None

    def has_key_of(self, ciphertext: bytes) -> bool:
        """Say whether the key that encrypted is configured; the header of a ciphertext is enough."""
        return ciphertext[:1] == _FORMAT and ciphertext[1 : 1 + _ID_BYTES] in self._ciphers

    def encrypt(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt; only the same context opens the answer again."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._encrypting_id].encrypt(nonce, plaintext, context.encode())
        return _FORMAT + self._encrypting_id + nonce + sealed

    def decrypt(self, ciphertext: bytes, context: str) -> bytes:
        """Decrypt what `encrypt` returned for the same context.

        Raises:
            Problem: INTERNAL; the key is not among the configured ones, or the text was changed or moved.
        """
        key_id, nonce = ciphertext[1 : 1 + _ID_BYTES], ciphertext[1 + _ID_BYTES : HEADER_BYTES]
        cipher = self._ciphers.get(key_id)
        if ciphertext[:1] != _FORMAT or cipher is None:
            raise Problem(
                Reason.REASON_INTERNAL,
                "A stored secret was encrypted with a key that WATTBUS_ENCRYPTION_KEY does not hold.",
            )
        try:
            return cipher.decrypt(nonce, ciphertext[HEADER_BYTES:], context.encode())
        except (InvalidTag, ValueError):
            raise Problem(Reason.REASON_INTERNAL, "A stored secret is damaged: it does not open.") from None


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"wattbus key id" + key).digest()[:_ID_BYTES]
