"""Sessions between a car's computers and the keys that sign to them.

Each domain has its own key pair, epoch and clock; within a domain each client key has its own
shared secret and counter.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tesla_protocol.command.signatures_pb2 import (
    Session_Info_Status,
    SessionInfo,
    SignatureType,
    Tag,
)
from tesla_protocol.command.universal_message_pb2 import Domain

from tesla_sandbox.cars.security.keychain import check_public_key, encoded_point
from tesla_sandbox.cars.security.metadata import serialize

DOMAINS = (Domain.DOMAIN_VEHICLE_SECURITY, Domain.DOMAIN_INFOTAINMENT)
"""The domains that answer; the numbers are 2 and 3."""

EPOCH_BYTES = 16

COUNTER_WINDOWS: Mapping["Domain", int] = {
    Domain.DOMAIN_VEHICLE_SECURITY: 0,
    Domain.DOMAIN_INFOTAINMENT: 32,
}
"""How far below the highest counter a late message may be; 0 wants strict order."""

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(slots=True)
class Counter:
    """Accepts each counter value once, in order or within a window below the highest."""

    window: int
    highest: int = 0
    _used: set[int] = field(default_factory=set)

    def accept(self, value: int) -> bool:
        """Whether `value` is fresh; a fresh one is spent by this call."""
        if value > self.highest:
            self.highest = value
        elif value <= self.highest - self.window or value in self._used or value < 1:
            return False
        if self.window:
            self._used.add(value)
            self._used = {used for used in self._used if used > self.highest - self.window}
        return True


class Session:
    """What one domain shares with one client key.

    Args:
        private_key: The domain's key.
        public_key: The client's uncompressed point; must be valid.
        window: See `Counter`.
    """

    def __init__(self, private_key: ec.EllipticCurvePrivateKey, public_key: bytes, window: int) -> None:
        secret = private_key.exchange(ec.ECDH(), check_public_key(public_key))
        self.public_key = public_key
        self.shared_key = hashlib.sha1(secret, usedforsecurity=False).digest()[:16]
        self.counter = Counter(window)
        self.answers_encrypted = 0

    def command_tag(self, metadata: bytes, payload: bytes) -> bytes:
        """The tag that authorises a command."""
        return self._mac("authenticated command", metadata + payload)

    def info_tag(self, metadata: bytes, session_info: bytes) -> bytes:
        """The tag that vouches for session information."""
        return self._mac("session info", metadata + session_info)

    def encrypt(self, nonce: bytes, plaintext: bytes, metadata: bytes) -> tuple[bytes, bytes]:
        """Ciphertext and tag of an answer bound to its metadata."""
        associated = hashlib.sha256(metadata).digest()
        sealed = AESGCM(self.shared_key).encrypt(nonce, plaintext, associated)
        return sealed[:-16], sealed[-16:]

    def _mac(self, purpose: str, content: bytes) -> bytes:
        key = hmac.digest(self.shared_key, purpose.encode(), "sha256")
        return hmac.digest(key, content, "sha256")


class DomainComputer:
    """One computer of the car. Times in unix seconds.

    Args:
        vin: The car, as signatures name it.
        domain: Which computer this is.
        private_key: Its key.
        epoch: Random identifier of the time since its last start.
        started_at: When the epoch began.
    """

    def __init__(
        self,
        vin: str,
        domain: "Domain",
        private_key: ec.EllipticCurvePrivateKey,
        epoch: bytes,
        started_at: float,
    ) -> None:
        self.vin = vin
        self.domain = domain
        self.private_key = private_key
        self.public_key = encoded_point(private_key.public_key())
        self.epoch = epoch
        self.started_at = started_at
        self._sessions: dict[bytes, Session] = {}

    def clock_time(self, now: float) -> int:
        """Seconds of the current epoch."""
        return max(int(now - self.started_at), 0)

    def session(self, public_key: bytes) -> Session:
        """The session with a client key, opened at its first use.

        Raises:
            InvalidPublicKeyError: If the key is no uncompressed point on P-256.
        """
        session = self._sessions.get(public_key)
        if session is None:
            session = Session(self.private_key, public_key, COUNTER_WINDOWS[self.domain])
            self._sessions[public_key] = session
        return session

    def forget(self, public_key: bytes) -> None:
        """Drop the session with a client key."""
        self._sessions.pop(public_key, None)

    def session_info(
        self,
        session: Session,
        now: float,
        challenge: bytes,
        status: "Session_Info_Status" = Session_Info_Status.SESSION_INFO_STATUS_OK,
        handle: int = 0,
    ) -> tuple[bytes, bytes]:
        """Session information for a client, serialised, and the tag that vouches for it."""
        info = SessionInfo(
            counter=session.counter.highest,
            publicKey=self.public_key,
            epoch=self.epoch,
            clock_time=self.clock_time(now),
            status=status,
            handle=handle,
        ).SerializeToString()
        metadata = serialize(
            {
                Tag.TAG_SIGNATURE_TYPE: bytes((SignatureType.SIGNATURE_TYPE_HMAC,)),
                Tag.TAG_PERSONALIZATION: self.vin.encode(),
                Tag.TAG_CHALLENGE: challenge,
            }
        )
        return info, session.info_tag(metadata, info)


class SecurityComputer:
    """All domains of a car; each comes to life at its first use.

    Attributes:
        drift: Seconds that the clocks run ahead of the world's.
        ready_at: When infotainment takes commands after the last restart.

    Args:
        vin: The car.
        origin: Text that decides keys and epochs, so that they repeat from run to run.
        now: Present time; the computers have been running for a while.
    """

    def __init__(self, vin: str, origin: str, now: float) -> None:
        self.vin = vin
        self.drift = 0.0
        self.ready_at = now
        self._origin = origin
        self._boots = 0
        self._started_at = now - 600 - self._digest("uptime")[0] * 60
        self._computers: dict[Domain, DomainComputer] = {}

    def time(self, now: float) -> float:
        """What the computers take for the present time."""
        return now + self.drift

    def computer(self, domain: "Domain") -> DomainComputer:
        """The computer of one of `DOMAINS`."""
        computer = self._computers.get(domain)
        if computer is None:
            scalar = int.from_bytes(self._digest(f"key/{domain}")) % (_P256_ORDER - 1) + 1
            private_key = ec.derive_private_key(scalar, ec.SECP256R1())
            epoch = self._digest(f"epoch/{domain}/{self._boots}")[:EPOCH_BYTES]
            computer = DomainComputer(self.vin, domain, private_key, epoch, self._started_at)
            self._computers[domain] = computer
        return computer

    def keep_time(self, now: float, drift: float) -> None:
        """Let the clocks run ahead; right again, they are those of restarted computers, as no clock may go back."""
        if self.drift and not drift:
            self.reboot(now)
        self.drift = drift

    def reboot(self, now: float, boot_seconds: float = 0.0) -> None:
        """Restart every computer: new epochs, counters from zero, correct clocks.

        Infotainment needs `boot_seconds` until it takes commands again.
        """
        self._boots += 1
        self.ready_at = now + boot_seconds
        self.drift = 0.0
        self._started_at = now
        self._computers.clear()

    def forget(self, public_key: bytes) -> None:
        """Drop every session with a client key."""
        for computer in self._computers.values():
            computer.forget(public_key)

    def nonce(self, session: Session, computer: DomainComputer) -> bytes:
        """A nonce that was never used with the session's key."""
        session.answers_encrypted += 1
        number = session.answers_encrypted.to_bytes(8)
        return hashlib.sha256(computer.epoch + session.public_key + number).digest()[:12]

    def _digest(self, purpose: str) -> bytes:
        return hashlib.sha512(f"{self._origin}/{purpose}".encode()).digest()
