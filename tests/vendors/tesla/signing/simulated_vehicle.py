"""A vehicle for the tests of the signed-command client.

Written from the protocol description alone: it shares no code with the client, so that a mistake in
the client's tags cannot be mirrored here.
"""

import hashlib
import hmac
import secrets
import struct
from collections import deque
from collections.abc import Awaitable, Callable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tesla_protocol.command import signatures_pb2, universal_message_pb2

VIN = "5YJ30123456789ABC"
VCSEC = 2
INFOTAINMENT = 3
COUNTER_WINDOW = 32


class Clock:
    """Time that moves only when told; `sleep` moves it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def tlv(*items: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack("BB", tag, len(value)) + value for tag, value in items) + b"\xff"


class Subsystem:
    """One domain of the vehicle: its key, clock, epoch, window of counters, and what it executed."""

    def __init__(self, domain: int, clock: Clock) -> None:
        self.domain = domain
        self.clock = clock
        self.paired: set[bytes] = set()
        self.encrypts = True
        self.executed: list[bytes] = []
        self.counters_seen: list[int] = []
        self.handshakes = 0
        self.result = b""
        self.faults: deque[int] = deque()
        self.handshake_faults: deque[int] = deque()
        self.session_info_with_faults = True
        self.max_lifetime = 1_000_000
        self.status = signatures_pb2.SESSION_INFO_STATUS_OK
        self.tamper: Callable[[universal_message_pb2.RoutableMessage], None] = lambda answer: None
        self.change_key()
        self.reboot()

    def change_key(self) -> None:
        self.private_key = ec.generate_private_key(ec.SECP256R1())

    def reboot(self, uptime: float = 100) -> None:
        self.epoch = secrets.token_bytes(16)
        self.booted = self.clock() - uptime
        self.accepted: set[int] = set()
        self.counter = 0

    @property
    def clock_time(self) -> int:
        return int(self.clock() - self.booted)

    def shared_key(self, client_point: bytes) -> bytes:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), client_point)
        return hashlib.sha1(self.private_key.exchange(ec.ECDH(), peer)).digest()[:16]

    def answer_to(self, request: universal_message_pb2.RoutableMessage) -> universal_message_pb2.RoutableMessage:
        answer = universal_message_pb2.RoutableMessage()
        answer.to_destination.CopyFrom(request.from_destination)
        answer.from_destination.CopyFrom(request.to_destination)
        if self.domain != VCSEC:
            answer.request_uuid = request.uuid
        return answer

    def put_session_info(
        self, answer: universal_message_pb2.RoutableMessage, challenge: bytes, client_point: bytes
    ) -> None:
        info = signatures_pb2.SessionInfo(
            counter=self.counter,
            publicKey=self.private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
            epoch=self.epoch,
            clock_time=self.clock_time,
            status=self.status,
        ).SerializeToString()
        key = hmac.digest(self.shared_key(client_point), b"session info", "sha256")
        metadata = tlv((0, b"\x06"), (2, VIN.encode()), (6, challenge))
        answer.session_info = info
        answer.signature_data.session_info_tag.tag = hmac.digest(key, metadata + info, "sha256")

    def handshake(self, request: universal_message_pb2.RoutableMessage) -> universal_message_pb2.RoutableMessage:
        self.handshakes += 1
        answer = self.answer_to(request)
        point = request.session_info_request.public_key
        if self.handshake_faults:
            fault = self.handshake_faults.popleft()
            answer.signedMessageStatus.signed_message_fault = fault  # type: ignore[assignment] # a plain number
        elif point not in self.paired:
            answer.session_info = signatures_pb2.SessionInfo(
                status=signatures_pb2.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST
            ).SerializeToString()
        else:
            self.put_session_info(answer, request.uuid, point)
        return answer

    def command(self, request: universal_message_pb2.RoutableMessage) -> universal_message_pb2.RoutableMessage:
        answer = self.answer_to(request)
        point = request.signature_data.signer_identity.public_key
        fault = self.check(request)
        if fault:
            answer.signedMessageStatus.operation_status = universal_message_pb2.OPERATIONSTATUS_ERROR
            answer.signedMessageStatus.signed_message_fault = fault  # type: ignore[assignment] # a plain number
            if self.session_info_with_faults and point in self.paired:
                self.put_session_info(answer, request.uuid, point)
            return answer
        self.executed.append(request.protobuf_message_as_bytes)
        if self.encrypts and request.flags & 2:
            self.encrypt(answer, request, self.result)
        elif self.result or self.domain != VCSEC:
            answer.protobuf_message_as_bytes = self.result
        return answer

    def check(self, request: universal_message_pb2.RoutableMessage) -> int:
        signature = request.signature_data.HMAC_Personalized_data
        point = request.signature_data.signer_identity.public_key
        if self.faults:
            return self.faults.popleft()
        if point not in self.paired:
            return 3
        if signature.epoch != self.epoch:
            return 15
        if signature.expires_at < self.clock_time:
            return 17
        if signature.expires_at > self.clock_time + self.max_lifetime:
            return 20
        if not hmac.compare_digest(signature.tag, self.expected_tag(request)):
            return 5
        return self.check_counter(signature.counter)

    def expected_tag(self, request: universal_message_pb2.RoutableMessage) -> bytes:
        signature = request.signature_data.HMAC_Personalized_data
        items = [
            (0, b"\x08"),
            (1, bytes([self.domain])),
            (2, VIN.encode()),
            (3, signature.epoch),
            (4, struct.pack(">I", signature.expires_at)),
            (5, struct.pack(">I", signature.counter)),
        ]
        if request.flags:
            items.append((7, struct.pack(">I", request.flags)))
        root = self.shared_key(request.signature_data.signer_identity.public_key)
        key = hmac.digest(root, b"authenticated command", "sha256")
        return hmac.digest(key, tlv(*items) + request.protobuf_message_as_bytes, "sha256")

    def check_counter(self, counter: int) -> int:
        lowest = self.counter if self.domain == VCSEC else self.counter - COUNTER_WINDOW
        if counter in self.accepted or counter <= lowest:
            return 6
        self.accepted.add(counter)
        self.counters_seen.append(counter)
        self.counter = max(self.counter, counter)
        return 0

    def encrypt(
        self,
        answer: universal_message_pb2.RoutableMessage,
        request: universal_message_pb2.RoutableMessage,
        plaintext: bytes,
        answer_counter: int = 1,
    ) -> None:
        signature = request.signature_data.HMAC_Personalized_data
        tag = signature.tag[:16] if self.domain == VCSEC else signature.tag
        metadata = tlv(
            (0, b"\x09"),
            (1, bytes([self.domain])),
            (2, VIN.encode()),
            (5, struct.pack(">I", answer_counter)),
            (7, struct.pack(">I", answer.flags)),
            (8, b"\x08" + tag),
            (9, struct.pack(">I", answer.signedMessageStatus.signed_message_fault)),
        )
        key = self.shared_key(request.signature_data.signer_identity.public_key)
        nonce = secrets.token_bytes(12)
        sealed = AESGCM(key).encrypt(nonce, plaintext, hashlib.sha256(metadata).digest())
        answer.protobuf_message_as_bytes = sealed[:-16]
        response = answer.signature_data.AES_GCM_Response_data
        response.nonce, response.counter, response.tag = nonce, answer_counter, sealed[-16:]


class Vehicle:
    """Both subsystems behind one `send`, which counts what is under way per subsystem."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.subsystems = {domain: Subsystem(domain, clock) for domain in (VCSEC, INFOTAINMENT)}
        self.in_flight = {VCSEC: 0, INFOTAINMENT: 0}
        self.most_in_flight = {VCSEC: 0, INFOTAINMENT: 0}
        self.messages: list[bytes] = []
        self.before_answering: Callable[[bool], Awaitable[None]] = self._at_once

    @property
    def vcsec(self) -> Subsystem:
        return self.subsystems[VCSEC]

    @property
    def infotainment(self) -> Subsystem:
        return self.subsystems[INFOTAINMENT]

    def pair(self, public_point: bytes) -> None:
        for subsystem in self.subsystems.values():
            subsystem.paired.add(public_point)

    async def send(self, message: bytes) -> bytes:
        request = universal_message_pb2.RoutableMessage.FromString(message)
        subsystem = self.subsystems[int(request.to_destination.domain)]
        self.messages.append(message)
        self.in_flight[subsystem.domain] += 1
        self.most_in_flight[subsystem.domain] = max(
            self.most_in_flight[subsystem.domain], self.in_flight[subsystem.domain]
        )
        try:
            is_command = not request.HasField("session_info_request")
            answer = subsystem.command(request) if is_command else subsystem.handshake(request)
            await self.before_answering(is_command)
            subsystem.tamper(answer)
            return answer.SerializeToString()
        finally:
            self.in_flight[subsystem.domain] -= 1

    async def _at_once(self, is_command: bool) -> None:
        """Answer without delay."""
