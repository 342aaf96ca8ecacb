"""The gate: what every call of every service passes before its handler.

In order: a request id, then the drain gate, then authentication. A refused call gets the same rich status as every
other error. Health checks need no key; everything else does, reflection included.
"""

# Some classes of grpc take type parameters in their hints only.
from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from pydantic import SecretStr
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem
from wattbus_server.rpc.caller import CURRENT_CALLER, Caller
from wattbus_server.rpc.handlers import Context, abort
from wattbus_server.settings import MINIMUM_ADMIN_KEY_CHARACTERS
from wattbus_server.tenants.directory import TenantDirectory, tenant_of

REQUEST_ID_HEADER = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_VERIFIED_AT_MOST = 4096
_OPEN_SERVICES = ("/grpc.health.v1.Health/",)


class Gate(grpc.aio.ServerInterceptor):
    """Identifies every call, refuses new ones while draining, and lets only known keys through."""

    def __init__(self, tenants: TenantDirectory, admin_key: SecretStr, draining: asyncio.Event) -> None:
        self._tenants = tenants
        self._admin_key = admin_key.get_secret_value()
        self._draining = draining
        # Names of keys by the hash of the header that showed them, so that a header is taken apart once. Every use asks
        # again whether the key still works.
        self._verified: dict[bytes, str] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Set the caller for the handler, or put a handler in its place that refuses."""
        request_id, credentials = _read(handler_call_details.invocation_metadata or ())
        try:
            CURRENT_CALLER.set(self._admit(handler_call_details.method, credentials, request_id))
        except Problem as problem:
            CURRENT_CALLER.set(Caller(request_id))
            return _refusing(await continuation(handler_call_details), handler_call_details.method, problem)
        return await continuation(handler_call_details)

    def _admit(self, method: str, credentials: list[Any], request_id: str) -> Caller:
        if method.startswith(_OPEN_SERVICES):
            return Caller(request_id)
        if self._draining.is_set():
            raise Problem(Reason.REASON_SERVER_DRAINING, "This server is shutting down. Connect again.")
        shown = _hash(credentials[0]) if len(credentials) == 1 else b""
        key = self._verified.get(shown)
        if key is None or not self._tenants.is_working(key):
            secret = _bearer_secret(credentials)
            if self._is_operator(secret):
                return Caller(request_id, is_operator=True)
            key = self._verify(secret, shown)
        return Caller(request_id, tenant_of(key), key)

    def _verify(self, secret: str, shown: bytes) -> str:
        """Return the name of the key that has a secret."""
        key = self._tenants.authenticate(secret)
        if key is None:
            raise Problem(Reason.REASON_API_KEY_INVALID, "The API key is malformed, unknown or revoked.")
        if len(self._verified) >= _VERIFIED_AT_MOST:
            self._verified.clear()
        self._verified[shown] = key.name
        return key.name

    def _is_operator(self, secret: str) -> bool:
        return len(self._admin_key) >= MINIMUM_ADMIN_KEY_CHARACTERS and hmac.compare_digest(
            secret.encode(), self._admin_key.encode()
        )


def _hash(header: str | bytes) -> bytes:
    return hashlib.sha256(header.encode() if isinstance(header, str) else header).digest()


def _read(metadata: Any) -> tuple[str, list[Any]]:
    """Return the caller's request id, or a new one if it has none that is well formed, and the credentials shown."""
    request_id = ""
    credentials = []
    for key, value in metadata:
        if key == "authorization":
            credentials.append(value)
        elif key == REQUEST_ID_HEADER and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            request_id = value
    return request_id or secrets.token_hex(8), credentials


def _bearer_secret(values: list[Any]) -> str:
    if not values:
        raise Problem(
            Reason.REASON_API_KEY_MISSING,
            "The call carries no API key: send the metadata `authorization: Bearer <key>`.",
        )
    match = _BEARER.fullmatch(values[0]) if len(values) == 1 and isinstance(values[0], str) else None
    if match is None:
        raise Problem(Reason.REASON_API_KEY_INVALID, "Send exactly one `authorization: Bearer <key>`.")
    return match.group(1)


def _refusing(
    handler: grpc.RpcMethodHandler[Any, Any] | None, method: str, problem: Problem
) -> grpc.RpcMethodHandler[Any, Any]:
    """Return a handler of the same shape that only refuses; an unknown method stays unknown."""
    known = method.lstrip("/").replace("/", ".") if handler is not None else "unknown"

    async def refuse(request: Any, context: Context) -> None:
        if handler is not None and handler.request_streaming:
            # A client that is still sending would see its own failed write instead of the refusal.
            await anext(request, None)
        await abort(known, problem, context)

    shapes: Mapping[tuple[bool, bool], Callable[..., grpc.RpcMethodHandler[Any, Any]]] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    if handler is None:
        return grpc.unary_unary_rpc_method_handler(refuse)
    return shapes[bool(handler.request_streaming), bool(handler.response_streaming)](refuse)
