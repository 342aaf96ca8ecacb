"""The public keys that a car trusts."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tesla_protocol.command.keys_pb2 import Role
from tesla_protocol.command.vcsec_pb2 import KeyFormFactor

from tesla_sandbox.cars.spec import MOST_KEYS, KeyRole, PairedKey

ROLES: dict[KeyRole, "Role"] = {
    "service": Role.ROLE_SERVICE,
    "owner": Role.ROLE_OWNER,
    "driver": Role.ROLE_DRIVER,
    "fleet_manager": Role.ROLE_FM,
    "vehicle_monitor": Role.ROLE_VEHICLE_MONITOR,
    "charging_manager": Role.ROLE_CHARGING_MANAGER,
    "guest": Role.ROLE_GUEST,
}


class KeychainFullError(ValueError):
    """Raised when a 21st key shall be added."""


class InvalidPublicKeyError(ValueError):
    """Raised when bytes are no uncompressed point on P-256."""


@dataclass(slots=True)
class Key:
    """One key on the car.

    Attributes:
        public_key: Uncompressed P-256 point, 65 bytes.
        disabled: Whether the car refuses it as inactive.
        slot: Its place in the keychain, from 0.
    """

    public_key: bytes
    name: str
    role: "Role"
    slot: int
    disabled: bool = False
    form_factor: "KeyFormFactor" = KeyFormFactor.KEY_FORM_FACTOR_CLOUD_KEY

    @property
    def key_id(self) -> bytes:
        """The short identifier that key lists show."""
        return hashlib.sha1(self.public_key, usedforsecurity=False).digest()[:4]


class Keychain:
    """Keys by public key; phones and cards that play no part here are only counted.

    Args:
        keys: Keys that are paired from the start.
        others: Number of other keys on the car.
    """

    def __init__(self, keys: Iterable[PairedKey] = (), others: int = 0) -> None:
        self.others = others
        self._keys: dict[bytes, Key] = {}
        for key in keys:
            public_key = bytes.fromhex(key.public_key)
            self.pair(public_key, name=key.name, role=key.role)
            self._keys[public_key].disabled = key.disabled

    def __len__(self) -> int:
        return len(self._keys) + self.others

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    @property
    def full(self) -> bool:
        """Whether no further key fits."""
        return len(self) >= MOST_KEYS

    def pair(self, public_key: bytes, *, name: str = "", role: KeyRole = "fleet_manager") -> None:
        """Put a key on the car; a key that is there already gets the new name and role.

        Raises:
            InvalidPublicKeyError: If the bytes are no uncompressed point on P-256.
            KeychainFullError: If the car holds `MOST_KEYS` keys.
        """
        check_public_key(public_key)
        known = self._keys.get(public_key)
        if known is not None:
            known.name, known.role, known.disabled = name, ROLES[role], False
            return
        if self.full:
            raise KeychainFullError(f"a car holds at most {MOST_KEYS} keys")
        used = {key.slot for key in self._keys.values()}
        slot = next(slot for slot in range(MOST_KEYS) if slot not in used)
        self._keys[public_key] = Key(public_key, name, ROLES[role], slot)

    def remove(self, public_key: bytes) -> bool:
        """Take a key off the car; False when it was not there."""
        return self._keys.pop(public_key, None) is not None

    def set_disabled(self, public_key: bytes, *, disabled: bool) -> bool:
        """Disable or enable a key; False when it is not on the car."""
        key = self._keys.get(public_key)
        if key is not None:
            key.disabled = disabled
        return key is not None

    def find(self, public_key: bytes) -> Key | None:
        """The key with this public key."""
        return self._keys.get(public_key)

    def at_slot(self, slot: int) -> Key | None:
        """The key in this slot."""
        return next((key for key in self._keys.values() if key.slot == slot), None)

    def is_paired(self, public_key: bytes) -> bool:
        """Whether the key is on the car, disabled or not."""
        return public_key in self._keys


def encoded_point(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point of a public key."""
    return public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def check_public_key(public_key: bytes) -> ec.EllipticCurvePublicKey:
    """The point that the bytes encode.

    Raises:
        InvalidPublicKeyError: If they are no uncompressed point on P-256.
    """
    if len(public_key) != 65 or public_key[0] != 4:
        raise InvalidPublicKeyError("a public key is an uncompressed P-256 point of 65 bytes")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError as error:
        raise InvalidPublicKeyError("the bytes are no point on P-256") from error
