"""Decodes the rich status of a refused call."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from wattbus.v1.blocker_pb2 import Blocker, Blockers
from wattbus.v1.reason_pb2 import Reason

Detail = TypeVar("Detail", bound=Message)


@dataclass
class Refusal:
    """A refused call, decoded."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    blockers: list[Blocker] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    retry_seconds: float | None = None
    details_bytes: int = 0

    def blocker(self, reason: Reason.ValueType) -> Blocker:
        return next(blocker for blocker in self.blockers if blocker.reason == reason)


async def refusal_of(call: Awaitable[object]) -> Refusal:
    """Await a call that must be refused with a rich status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return decoded(caught.value)


def decoded(error: grpc.aio.AioRpcError) -> Refusal:
    refusal = Refusal(error.code(), error.details() or "")
    status = rpc_status.from_call(error)
    assert status is not None, error
    refusal.details_bytes = sum(detail.ByteSize() for detail in status.details)
    for packed in status.details:
        if info := _unpacked(packed, error_details_pb2.ErrorInfo):
            assert info.domain == "wattbus"
            refusal.reason, refusal.metadata = info.reason, dict(info.metadata)
        elif blockers := _unpacked(packed, Blockers):
            refusal.blockers = list(blockers.blockers)
        elif bad_request := _unpacked(packed, error_details_pb2.BadRequest):
            refusal.fields = [violation.field for violation in bad_request.field_violations]
        elif links := _unpacked(packed, error_details_pb2.Help):
            refusal.links = [link.url for link in links.links]
        elif retry := _unpacked(packed, error_details_pb2.RetryInfo):
            refusal.retry_seconds = retry.retry_delay.ToTimedelta().total_seconds()
    assert refusal.reason, error
    return refusal


def _unpacked(packed: "Message", kind: type[Detail]) -> Detail | None:
    message = kind()
    return message if packed.Unpack(message) else None  # type: ignore[attr-defined] # an Any has Unpack
