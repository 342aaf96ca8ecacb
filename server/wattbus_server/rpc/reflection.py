"""Server reflection, so that grpcurl and buf need no proto files.

grpcio-reflection serves v1alpha only. The messages of v1 are the same, so the same servicer stands under both names.
"""

from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer
from grpc_reflection.v1alpha.reflection import SERVICE_NAME

_V1_NAME = "grpc.reflection.v1.ServerReflection"


class _PoolThatKnowsMembers:
    """The default descriptor pool, which also finds the file of a method or field.

    grpcurl asks for `wattbus.v1.DeviceService.CreateCommand`; Python's pool knows only the service.
    """

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - the name of the pool's method
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindFileContainingSymbol(symbol.rpartition(".")[0])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


def add_reflection(server: grpc.aio.Server, service_names: list[str]) -> None:
    """Serve the descriptors of these services in v1 and v1alpha."""
    servicer = ReflectionServicer([*service_names, SERVICE_NAME], pool=_PoolThatKnowsMembers())
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = [
        grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method})
        for name in (SERVICE_NAME, _V1_NAME)
    ]
    server.add_generic_rpc_handlers(handlers)
