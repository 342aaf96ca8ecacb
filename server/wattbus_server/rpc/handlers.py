"""How a service method is run: parse, validate, call, and whatever goes wrong becomes a rich status.

Each method is wrapped once, at registration, so that a call costs no chain of interceptors.
"""

# Some classes of grpc take type parameters in their hints only.
from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, cast

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import FieldViolation, Problem, field_invalid
from wattbus_server.rpc.caller import CURRENT_CALLER, CURRENT_DEADLINE, Caller
from wattbus_server.rpc.metrics import CALLS, DURATION, OPEN_STREAMS
from wattbus_server.rpc.quota import StreamQuota
from wattbus_server.rpc.running_calls import RunningCalls
from wattbus_server.rpc.status import code_of, status_of, trailers_of
from wattbus_server.rpc.validation import validate

log = structlog.get_logger()

Context = grpc.aio.ServicerContext[Any, Any]
Answer = Message | bytes

# How long an abort may wait behind bytes that the reader does not take.
ABORT_TIMEOUT_SECONDS = 5.0

OUR_FAULT = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN})


@dataclass(frozen=True)
class Limits:
    """What a call may take."""

    default_deadline: timedelta
    """For unary calls that bring no deadline."""
    stream_write_timeout: timedelta
    """For one response that waits for its reader."""
    streams: StreamQuota
    running: RunningCalls
    """The unary calls that run."""
    still_admitted: Callable[[Caller], bool]
    """Says whether a caller who was admitted before may go on."""


def service_handler(descriptor: ServiceDescriptor, servicer: object, limits: Limits) -> grpc.GenericRpcHandler:
    """Return the handler of a whole service.

    A method takes the request message, and gives messages or bytes that are already encoded, so that a stored state is
    not encoded again. Methods that answer from memory are plain functions, streams are async generators.
    """
    handlers = {
        method.name: _method_handler(method, getattr(servicer, method.name), limits) for method in descriptor.methods
    }
    return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)


def _method_handler(
    method: MethodDescriptor, implementation: Callable[[Any], Any], limits: Limits
) -> grpc.RpcMethodHandler[Any, Any]:
    # Without a deserialiser the handler gets the bytes: a request that cannot be parsed is the caller's mistake, and
    # gRPC's own answer would be INTERNAL.
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(
            _run_stream(method, implementation, limits),
            response_serializer=_encode,
        )
    if inspect.iscoroutinefunction(implementation):
        run = _run_unary(method, implementation, limits)
    else:
        run = _run_read(method, implementation)
    return grpc.unary_unary_rpc_method_handler(run, response_serializer=_encode)


def _encode(answer: Answer) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def _parser(method: MethodDescriptor) -> Callable[[bytes], Message]:
    request_type = GetMessageClass(method.input_type)

    def parse(data: bytes) -> Message:
        try:
            request = request_type.FromString(data)
        except DecodeError as error:
            raise field_invalid(FieldViolation("*", f"the request is no {method.input_type.full_name}")) from error
        validate(request)
        return request

    return parse


def _run_unary(
    method: MethodDescriptor, implementation: Callable[[Any], Awaitable[Answer]], limits: Limits
) -> Callable[[bytes, Context], Awaitable[Answer]]:
    name = method.full_name
    parse = _parser(method)
    count_ok = CALLS.labels(name, grpc.StatusCode.OK.name).inc
    observe = DURATION.labels(name).observe
    default_deadline = limits.default_deadline.total_seconds()

    async def run(data: bytes, context: Context) -> Answer:
        started = time.perf_counter()
        remaining = context.time_remaining()
        loop_time = asyncio.get_running_loop().time()
        CURRENT_DEADLINE.set(loop_time + (default_deadline if remaining is None else remaining))
        try:
            with limits.running.tracked():
                async with asyncio.timeout(default_deadline if remaining is None else None):
                    answer = await implementation(parse(data))
        except BaseException as error:
            observe(time.perf_counter() - started)
            await _fail(name, error, context)
        observe(time.perf_counter() - started)
        count_ok()
        return answer

    return run


def _run_read(
    method: MethodDescriptor, implementation: Callable[[Any], Answer]
) -> Callable[[bytes, Context], Awaitable[Answer]]:
    """Run a method that answers from memory. It cannot wait, so it costs no deadline."""
    name = method.full_name
    parse = _parser(method)
    count_ok = CALLS.labels(name, grpc.StatusCode.OK.name).inc
    observe = DURATION.labels(name).observe

    async def run(data: bytes, context: Context) -> Answer:
        started = time.perf_counter()
        try:
            answer = implementation(parse(data))
        except Exception as error:
            observe(time.perf_counter() - started)
            await _fail(name, error, context)
        observe(time.perf_counter() - started)
        count_ok()
        return answer

    return run


def _run_stream(
    method: MethodDescriptor,
    implementation: Callable[[Any], AsyncIterator[Answer]],
    limits: Limits,
) -> Callable[[bytes, Context], Awaitable[None]]:
    name = method.full_name
    parse = _parser(method)
    count_ok = CALLS.labels(name, grpc.StatusCode.OK.name).inc
    open_streams = OPEN_STREAMS.labels(name)
    write_timeout = limits.stream_write_timeout.total_seconds()

    async def run(data: bytes, context: Context) -> None:
        caller = CURRENT_CALLER.get()
        try:
            with open_streams.track_inprogress(), limits.streams.place(caller.tenant):
                answers = cast(AsyncGenerator[Answer, None], implementation(parse(data)))
                # gRPC does not reliably close generators; an open one would keep its place among the watchers.
                async with aclosing(answers):
                    async for answer in answers:
                        if not limits.still_admitted(caller):
                            raise Problem(Reason.REASON_API_KEY_INVALID, "The API key was revoked.")
                        await _write(context, answer, write_timeout)
                        # A stream may rest for hours: it must not keep its last response alive meanwhile.
                        del answer
        except BaseException as error:
            await _fail(name, error, context)
        count_ok()

    return run


async def _write(context: Context, answer: Answer, write_timeout: float) -> None:
    """Write one response; waiting for news has no limit, waiting for the reader has."""
    try:
        async with asyncio.timeout(write_timeout):
            await context.write(answer)
    except TimeoutError as error:
        raise Problem(
            Reason.REASON_SLOW_CONSUMER,
            f"The reader took no data for {write_timeout:g} seconds. Connect again with the last resume token.",
        ) from error


async def _fail(method: str, error: BaseException, context: Context) -> NoReturn:
    """End the call with the status of an error.

    A CancelledError that leaves a handler sends no status at all, and the client waits for ever. If gRPC cancelled the
    call nobody listens any more and it must go on; otherwise something inside was cancelled, which is our defect.
    """
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        CALLS.labels(method, grpc.StatusCode.CANCELLED.name).inc()
        raise error
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise error
    await abort(method, error, context)
    raise AssertionError("abort returned")


async def abort(method: str, error: BaseException, context: Context) -> None:
    """Log, count and send the status of an error. Does not return normally."""
    caller = CURRENT_CALLER.get()
    problem = _problem_of(error)
    status = status_of(problem, caller.request_id)
    code = code_of(problem)
    CALLS.labels(method, code.name).inc()
    facts = {"method": method, "reason": problem.reason_name, "request_id": caller.request_id, "tenant": caller.tenant}
    if problem.reason == Reason.REASON_INTERNAL:
        log.error("call_failed", exc_info=error, **facts)
    else:
        log.info("call_refused", **facts)
    try:
        async with asyncio.timeout(ABORT_TIMEOUT_SECONDS):
            await context.abort(code, status.message, trailers_of(status))
    except TimeoutError:
        log.warning("abort_not_taken", **facts)
        raise


def _problem_of(error: BaseException) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, TimeoutError):
        return Problem(
            Reason.REASON_DEADLINE_EXCEEDED, "The call did not finish before this server's default deadline."
        )
    return Problem(Reason.REASON_INTERNAL, "A defect of this server; its log has the details under the request id.")
