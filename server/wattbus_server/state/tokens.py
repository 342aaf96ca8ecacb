"""Resume tokens: where a stream was, encrypted, so that nobody can read positions or hand in made-up ones.

Positions belong to all tenants together; one who could read them would see when others' devices change. A token
authorises nothing. It is bound to the selection, the mask and the tenant, and to the *epoch*, the life of one
server process: sequence numbers of another epoch mean nothing here.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from enum import Enum
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem

EPOCH_BYTES = 8
_FORMAT_VERSION = b"\x01"
_DIGEST_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_LAYOUT = struct.Struct(f">{EPOCH_BYTES}sQ{_DIGEST_BYTES}s")
_CHARACTERS = (len(_FORMAT_VERSION) + _NONCE_BYTES + _LAYOUT.size + _TAG_BYTES + 2) // 3 * 4
_PURPOSE = b"wattbus.v1 resume tokens"


class _Position(Enum):
    OTHER_EPOCH = "other epoch"


OTHER_EPOCH: Final = _Position.OTHER_EPOCH


class ResumeTokens:
    """Issues and reads the tokens of one epoch."""

    def __init__(self, key: bytes, epoch: bytes) -> None:
        """Keep the key, which must last over restarts, and the epoch, which must not.

        Args:
            key: secret, at least 16 bytes.
            epoch: 8 random bytes.
        """
        if len(key) < 16 or len(epoch) != EPOCH_BYTES:
            raise ValueError("the key needs 16 bytes or more, the epoch exactly 8")
        self._cipher = AESGCM(hmac.digest(key, _PURPOSE, "sha256"))
        self._epoch = epoch

    def issue(self, sequence: int, digest: bytes) -> str:
        """Return a token for a position. `digest` stands for what is watched."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        body = _LAYOUT.pack(self._epoch, sequence, digest)
        sealed = self._cipher.encrypt(nonce, body, _FORMAT_VERSION)
        return base64.urlsafe_b64encode(_FORMAT_VERSION + nonce + sealed).decode()

    def read(self, token: str, digest: bytes) -> int | Literal[_Position.OTHER_EPOCH]:
        """Return the sequence number of a token, or OTHER_EPOCH if the stream must begin anew.

        Raises:
            Problem: RESUME_TOKEN_INVALID if it is unreadable, was not issued by this server, or watches something else.
        """
        epoch, sequence, bound_to = _LAYOUT.unpack(self._open(token))
        if bound_to != digest:
            raise _invalid("it belongs to another selection or mask")
        return int(sequence) if epoch == self._epoch else OTHER_EPOCH

    def _open(self, token: str) -> bytes:
        try:
            if len(token) != _CHARACTERS:
                raise ValueError("wrong length")
            raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise _invalid("it cannot be read") from None
        version, nonce, sealed = raw[:1], raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, sealed, version)
        except InvalidTag:
            raise _invalid("it was not issued by this server") from None


def watch_digest(*parts: bytes) -> bytes:
    """Return the digest to which tokens are bound; each part has a fixed length or is the last one."""
    return hashlib.sha256(b"".join(parts)).digest()[:_DIGEST_BYTES]


def _invalid(why: str) -> Problem:
    return Problem(
        Reason.REASON_RESUME_TOKEN_INVALID, f"resume_token is not valid: {why}. Connect again without a token."
    )
