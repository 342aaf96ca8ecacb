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
    quota_subjects: list[str] = field(default_factory=list)
    preconditions: list[str] = field(default_factory=list)
    precondition_subjects: list[str] = field(default_factory=list)
    end_user_message: str = ""
    request_id: str = ""
    details_bytes: int = 0
    detail_types: list[str] = field(default_factory=list)

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
    refusal.detail_types = [packed.type_url.rpartition(".")[2] for packed in status.details]
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
        elif quota := _unpacked(packed, error_details_pb2.QuotaFailure):
            refusal.quota_subjects = [violation.subject for violation in quota.violations]
        elif failure := _unpacked(packed, error_details_pb2.PreconditionFailure):
            refusal.preconditions = [violation.type for violation in failure.violations]
            refusal.precondition_subjects = [violation.subject for violation in failure.violations]
        elif localized := _unpacked(packed, error_details_pb2.LocalizedMessage):
            refusal.end_user_message = localized.message
        elif request := _unpacked(packed, error_details_pb2.RequestInfo):
            refusal.request_id = request.request_id
    assert refusal.reason, error
    return refusal


def _unpacked(packed: "Message", kind: type[Detail]) -> Detail | None:
    message = kind()
    return message if packed.Unpack(message) else None  # type: ignore[attr-defined] # an Any has Unpack
