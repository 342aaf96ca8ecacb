"""Sessions with vehicle subsystems: what is kept, where, and when fresh session info is believed.

Source: teslamotors/vehicle-command protocol.md, "Response authentication", "Caching session state"
and "Recovering from synchronization errors".
"""

from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import DecodeError
from tesla_protocol.command import signatures_pb2 as signatures

from wattbus_server.vendors.tesla.signing.authentication import AuthenticationError, verify_session_info
from wattbus_server.vendors.tesla.signing.domains import Domain
from wattbus_server.vendors.tesla.signing.keys import ClientKey, InvalidKeyError

EPOCH_LENGTH = 16
MAX_COUNTER = 2**32 - 1
MAX_CLOCK_TIME = 2**30
"""Seconds; no epoch of a vehicle lasts longer."""


class SessionInfoRefusedError(ValueError):
    """Session info that must not be adopted; the message says why."""


class KeyRefusedError(Exception):
    """Session info whose status says that the vehicle will not talk to this key.

    Attributes:
        status: `Session_Info_Status` number, not 0.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"session info status {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class StoredSession:
    """What one application key knows of one subsystem of one vehicle; it holds no secret.

    Attributes:
        vin: 17 characters.
        domain: the subsystem.
        key_fingerprint: `ClientKey.fingerprint` of the application key.
        epoch: 16 random bytes, new whenever the subsystem boots.
        counter: greatest counter that the vehicle reported for the epoch.
        vehicle_public_key: uncompressed point of the subsystem, 65 bytes.
        clock_offset: Unix time (seconds) at which the subsystem's clock showed 0.
        clock_time: the subsystem's clock (seconds) in the newest session info believed.
    """

    vin: str
    domain: Domain
    key_fingerprint: str
    epoch: bytes
    counter: int
    vehicle_public_key: bytes
    clock_offset: float
    clock_time: int

    def expiry(self, now: float, lifetime: float) -> int:
        """Return the subsystem's clock time `lifetime` seconds after the Unix time `now`.

        The subsystem's clock cannot stand before a time that it has already told, so a local clock
        that was set back does not produce an expiry in the past.
        """
        return int(max(now - self.clock_offset, self.clock_time) + lifetime)


class SessionStore(Protocol):
    """Durable home of sessions and counters, shared by all replicas of the service.

    Counters are kept per (vin, domain, key_fingerprint, epoch). They belong to the vehicle's
    protection against replay: a value must never be handed out twice.
    """

    async def load(self, vin: str, domain: Domain, key_fingerprint: str) -> StoredSession | None:
        """Return the session saved last, or None."""
        ...

    async def save(self, session: StoredSession) -> None:
        """Store a session in place of the one with the same vin, domain and key_fingerprint.

        Counters reserved for its epoch stay untouched. Those of other epochs may go: an epoch is random and never comes
        back.
        """
        ...

    async def reserve_counter(self, vin: str, domain: Domain, key_fingerprint: str, epoch: bytes, floor: int) -> int:
        """Reserve a counter, durably, before anything is sent with it.

        Returns:
            A number greater than `floor` and greater than every number that this method ever
            returned, in any replica, for the same vin, domain, key_fingerprint and epoch.
        """
        ...

    async def forget(self, vin: str) -> None:
        """Delete everything about a vehicle. A later handshake tells its epoch and counter anew."""
        ...


def adopt_session_info(
    key: ClientKey,
    *,
    vin: str,
    domain: Domain,
    challenge: bytes,
    session_info: bytes,
    tag: bytes,
    now: float,
    known: StoredSession | None,
    accept_new_vehicle_key: bool,
) -> StoredSession:
    """Verify session info and merge it into what is known.

    Args:
        key: the application's key.
        vin: the vehicle.
        domain: the subsystem that answered.
        challenge: uuid of the request that was answered; the caller vouches that it is recent.
        session_info: encoded `SessionInfo`.
        tag: its tag, possibly empty.
        now: Unix time at which the answer arrived.
        known: the session before, or None.
        accept_new_vehicle_key: True for the answer to a handshake. Session info that comes with a
            fault must be tagged with the key that is already known.

    Raises:
        KeyRefusedError: the vehicle does not accept the application's key. This status is
            believed without a tag: a vehicle that does not know a key cannot share one with it.
        SessionInfoRefusedError: malformed, tag wrong, or the clock went back within the epoch.
    """
    info = _decode(session_info)
    if int(info.status) == signatures.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST:
        raise KeyRefusedError(int(info.status))
    if known is not None and known.vehicle_public_key != info.publicKey:
        if not accept_new_vehicle_key:
            raise SessionInfoRefusedError("it names another vehicle key than the session")
        known = None
    _verify(key, info, vin=vin, challenge=challenge, session_info=session_info, tag=tag)
    counter = info.counter
    if known is not None and known.epoch == info.epoch:
        if info.clock_time < known.clock_time:
            raise SessionInfoRefusedError("its clock went back within the epoch")
        counter = max(counter, known.counter)
    return StoredSession(
        vin=vin,
        domain=domain,
        key_fingerprint=key.fingerprint,
        epoch=info.epoch,
        counter=counter,
        vehicle_public_key=info.publicKey,
        clock_offset=now - info.clock_time,
        clock_time=info.clock_time,
    )


def _decode(session_info: bytes) -> signatures.SessionInfo:
    try:
        return signatures.SessionInfo.FromString(session_info)
    except DecodeError as error:
        raise SessionInfoRefusedError("it cannot be decoded") from error


def _verify(
    key: ClientKey,
    info: signatures.SessionInfo,
    *,
    vin: str,
    challenge: bytes,
    session_info: bytes,
    tag: bytes,
) -> None:
    try:
        verify_session_info(key.shared_key(info.publicKey), vin, challenge, session_info, tag)
    except (InvalidKeyError, AuthenticationError) as error:
        raise SessionInfoRefusedError(str(error)) from error
    if int(info.status) != signatures.SESSION_INFO_STATUS_OK:
        raise KeyRefusedError(int(info.status))
    if len(info.epoch) != EPOCH_LENGTH:
        raise SessionInfoRefusedError(f"its epoch has {len(info.epoch)} bytes instead of {EPOCH_LENGTH}")
    if info.clock_time > MAX_CLOCK_TIME:
        raise SessionInfoRefusedError("its clock shows more than an epoch can last")
