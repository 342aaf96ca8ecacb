"""The client: signs a payload, has it sent, and returns the vehicle's own answer.

Source: teslamotors/vehicle-command protocol.md, "Handshake", "Recovering from synchronization
errors" and "Response handling".
"""

import asyncio
import logging
import math
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from wattbus_server.vendors.tesla.signing.authentication import CommandClaims
from wattbus_server.vendors.tesla.signing.domains import Domain
from wattbus_server.vendors.tesla.signing.errors import CommandExpired, InvalidAnswer, SigningError, VehicleFault
from wattbus_server.vendors.tesla.signing.faults import INVALID_KEY_HANDLE, UNKNOWN_KEY_ID, RetryPolicy, fault_rule
from wattbus_server.vendors.tesla.signing.keys import ClientKey
from wattbus_server.vendors.tesla.signing.messages import (
    FLAG_ENCRYPT_RESPONSE,
    Answer,
    Request,
    command_request,
    handshake_request,
    read_answer,
)
from wattbus_server.vendors.tesla.signing.sessions import (
    MAX_CLOCK_TIME,
    MAX_COUNTER,
    KeyRefusedError,
    SessionInfoRefusedError,
    SessionStore,
    StoredSession,
    adopt_session_info,
)
from wattbus_server.vendors.tesla.signing.turns import Turns

Send = Callable[[bytes], Awaitable[bytes]]
"""Posts an encoded `RoutableMessage` to `signed_command` and returns the encoded answer."""

MAX_EXPIRES_IN: Final = 600.0
"""Seconds; longer lifetimes only invite fault 20."""

SESSION_INFO_MAX_AGE: Final = 10.0
"""Seconds between a request and session info that is still believed to be fresh."""

RETRY_PAUSE: Final = 1.0
"""Seconds that a busy vehicle is left alone."""

SHORTENED_LIFETIME: Final = 5.0
"""Seconds a command lives after the vehicle complained of a too distant expiry."""

MAX_RETRIES: Final = 4
"""Tries after the first one, in one call, whatever the faults are. Every try is billed."""

_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Call:
    """One `execute`, with what its tries have taught so far."""

    vin: str
    domain: Domain
    payload: bytes
    send: Send
    repeatable: bool
    deadline: float
    longest_lifetime: float = math.inf
    stale: StoredSession | None = None
    """The session that the vehicle no longer accepts; a handshake must replace it."""
    faults: Counter[int] = field(default_factory=Counter)
    may_have_executed: bool = False


class VehicleCommandClient:
    """Sends signed commands with one application key; safe for concurrent use in one event loop.

    Sessions and counters live in the store alone, so replicas and restarts agree on them. Only one
    request per VIN is under way to VCSEC, because VCSEC wants counters in order; this holds within
    a process, and after a collision between replicas fault 6 is recovered from.
    """

    def __init__(
        self,
        key: ClientKey,
        store: SessionStore,
        *,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Create a client.

        Args:
            key: the application's key.
            store: the durable home of sessions and counters.
            wall_clock: Unix time in seconds.
            monotonic: seconds that never go back.
            sleep: waits for some seconds.
        """
        self._key = key
        self._store = store
        self._wall_clock = wall_clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._turns = Turns()

    async def execute(
        self,
        vin: str,
        domain: Domain,
        payload: bytes,
        send: Send,
        *,
        expires_in: float,
        repeatable: bool = False,
    ) -> bytes:
        """Have a vehicle execute a payload, and return its application-level answer.

        The answer may still be a refusal: read it with `results.read_result`. Exceptions of `send`
        pass through untouched; `messages.carries_command` tells `send` whether the message that
        was lost could have made the vehicle act.

        Args:
            vin: 17 characters.
            domain: the subsystem that executes the payload.
            payload: an encoded `CarServer.Action` or `VCSEC.UnsignedMessage`.
            send: the transport.
            expires_in: seconds from now after which the vehicle must not act any more, at most
                600. It bounds every wait and try of this call, but not a running `send`.
            repeatable: the payload only sets a value, so that executing it twice does no harm.
                Otherwise a try that may have been executed is the last one.

        Raises:
            VehicleFault: the vehicle refused on the protocol level.
            InvalidAnswer: an answer was malformed, forged or foreign.
            CommandExpired: the time ran out before the command was sent.
            ValueError: an argument is out of range.
        """
        if not _VIN.fullmatch(vin):
            raise ValueError("a VIN has 17 characters, digits and capital letters without I, O, Q")
        if not 0 < expires_in <= MAX_EXPIRES_IN:
            raise ValueError(f"expires_in must be above 0 and at most {MAX_EXPIRES_IN:.0f} seconds")
        call = _Call(
            vin=vin,
            domain=domain,
            payload=payload,
            send=send,
            repeatable=repeatable,
            deadline=self._monotonic() + expires_in,
        )
        try:
            async with AsyncExitStack() as turn:
                if domain is Domain.VEHICLE_SECURITY:
                    within = self._remaining(call)
                    await turn.enter_async_context(self._turns.take(vin, within=within))
                return await self._execute(call)
        except SigningError as error:
            error.may_have_executed = error.may_have_executed or call.may_have_executed
            raise

    async def _execute(self, call: _Call) -> bytes:
        while True:
            try:
                return await self._command(call, await self._session(call))
            except VehicleFault as fault:
                call.may_have_executed = call.may_have_executed or fault.may_have_executed
                await self._prepare_retry(call, fault)

    async def _prepare_retry(self, call: _Call, fault: VehicleFault) -> None:
        """Do what the fault table asks for before another try, or raise the fault."""
        rule = fault_rule(fault.number)
        call.faults[fault.number] += 1
        spent = call.faults[fault.number] > rule.retries or call.faults.total() > MAX_RETRIES
        if spent or (call.may_have_executed and not call.repeatable):
            raise fault
        if rule.retry is RetryPolicy.WITH_SHORTER_EXPIRY:
            call.longest_lifetime = SHORTENED_LIFETIME
        if rule.retry is RetryPolicy.AFTER_PAUSE:
            if self._remaining(call) <= RETRY_PAUSE:
                raise fault
            await self._sleep(RETRY_PAUSE)

    async def _session(self, call: _Call) -> StoredSession:
        """Return a usable session, after a handshake if there is none."""
        session = await self._load(call)
        if session is not None and self._is_usable(call, session):
            return session
        turn = self._turns.take((call.vin, call.domain), within=self._remaining(call))
        async with turn:
            session = await self._load(call)  # a call that was faster may have made one
            if session is not None and self._is_usable(call, session):
                return session
            return await self._handshake(call, known=session)

    def _is_usable(self, call: _Call, session: StoredSession) -> bool:
        expiry = session.expiry(self._wall_clock(), self._remaining(call))
        return session != call.stale and expiry <= MAX_CLOCK_TIME

    async def _handshake(self, call: _Call, known: StoredSession | None) -> StoredSession:
        """Ask for session info. Nothing is executed, so every failure here is a safe one."""
        self._check_time(call)
        request = handshake_request(call.vin, call.domain, self._key.public_point)
        answer, latency = await self._exchange(call, request)
        if answer.failed:
            raise VehicleFault(answer.fault, may_have_executed=False)
        if answer.session_info is None:
            raise InvalidAnswer("vehicle answered a handshake without session info", may_have_executed=False)
        try:
            return await self._adopt(call, request, answer, latency, known=known, accept_new_vehicle_key=True)
        except SessionInfoRefusedError as error:
            raise InvalidAnswer(f"session info of the vehicle was refused: {error}", may_have_executed=False) from error

    async def _command(self, call: _Call, session: StoredSession) -> bytes:
        """Sign and send the payload once. From here on the vehicle may act."""
        claims = await self._claims(call, session)
        self._check_time(call)
        request = command_request(
            claims,
            call.payload,
            shared_key=self._key.shared_key(session.vehicle_public_key),
            public_point=self._key.public_point,
        )
        answer, latency = await self._exchange(call, request)
        if answer.fault:
            await self._resync(call, session, request, answer, latency)
            raise VehicleFault(answer.fault)
        if answer.failed and not answer.payload:
            raise VehicleFault(answer.fault)
        if answer.session_info is not None:
            raise InvalidAnswer("vehicle answered a command with session info alone", may_have_executed=True)
        return answer.payload or b""

    async def _claims(self, call: _Call, session: StoredSession) -> CommandClaims:
        counter = await self._store.reserve_counter(
            call.vin, call.domain, self._key.fingerprint, session.epoch, session.counter
        )
        if counter > MAX_COUNTER:
            raise CommandExpired(
                "the counter of the session is exhausted until the vehicle restarts",
                may_have_executed=False,
            )
        lifetime = min(self._remaining(call), call.longest_lifetime)
        return CommandClaims(
            domain=call.domain,
            vin=call.vin,
            epoch=session.epoch,
            counter=counter,
            expires_at=session.expiry(self._wall_clock(), lifetime),
            flags=FLAG_ENCRYPT_RESPONSE,
        )

    async def _resync(
        self,
        call: _Call,
        session: StoredSession,
        request: Request,
        answer: Answer,
        latency: float,
    ) -> None:
        """Adopt session info that came with a fault; without any that holds, plan a handshake."""
        refusal = "the fault came without session info"
        if answer.session_info is not None:
            known = await self._load(call) or session
            try:
                await self._adopt(call, request, answer, latency, known=known, accept_new_vehicle_key=False)
            except SessionInfoRefusedError as error:
                refusal = str(error)
            else:
                return
        if fault_rule(answer.fault).retry is RetryPolicy.AFTER_RESYNC:
            call.stale = session
            _log.warning(
                "vehicle …%s, %s: new handshake after fault %d: %s",
                call.vin[-6:],
                call.domain.name,
                answer.fault,
                refusal,
            )

    async def _adopt(
        self,
        call: _Call,
        request: Request,
        answer: Answer,
        latency: float,
        *,
        known: StoredSession | None,
        accept_new_vehicle_key: bool,
    ) -> StoredSession:
        if latency > SESSION_INFO_MAX_AGE:
            raise SessionInfoRefusedError(f"it arrived {latency:.0f} s after the request")
        try:
            session = adopt_session_info(
                self._key,
                vin=call.vin,
                domain=call.domain,
                challenge=request.uuid,
                session_info=answer.session_info or b"",
                tag=answer.session_info_tag,
                now=self._wall_clock(),
                known=known,
                accept_new_vehicle_key=accept_new_vehicle_key,
            )
        except KeyRefusedError as error:
            fault = UNKNOWN_KEY_ID if error.status == 1 else INVALID_KEY_HANDLE
            raise VehicleFault(fault, may_have_executed=False) from error
        await self._store.save(session)
        return session

    async def _exchange(self, call: _Call, request: Request) -> tuple[Answer, float]:
        """Send a request; return the verified answer and the seconds that it took."""
        sent = self._monotonic()
        encoded = await call.send(request.message)
        return read_answer(request, encoded), self._monotonic() - sent

    async def _load(self, call: _Call) -> StoredSession | None:
        return await self._store.load(call.vin, call.domain, self._key.fingerprint)

    def _remaining(self, call: _Call) -> float:
        return call.deadline - self._monotonic()

    def _check_time(self, call: _Call) -> None:
        if self._remaining(call) <= 0:
            raise CommandExpired("time ran out before the command could be sent", may_have_executed=False)
