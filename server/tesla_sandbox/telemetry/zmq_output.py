"""The ZeroMQ output: a bound publisher; topic frame `<namespace>_<record type>`, then the record.

Source: teslamotors/fleet-telemetry, dispatcher zmq.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from tesla_sandbox.telemetry.output import OutputError, TelemetryOutput, missing_library
from tesla_sandbox.telemetry.record import TelemetryRecord

if TYPE_CHECKING:
    import zmq

MOST_WAITING = 100_000
"""Records that wait for a slow subscriber; later ones are lost for it."""


class ZmqSpec(BaseModel):
    """The ZeroMQ output as a scenario describes it.

    Attributes:
        bind: Address to listen on; the port `*` picks a free one.
        namespace: What topics begin with.
        transmit_decoded_records: Whether records are sent as JSON instead of protobuf.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bind: str = Field(default="tcp://127.0.0.1:5284", pattern=r"^tcp://[^/\s]+:(\d+|\*)$", max_length=300)
    namespace: str = Field(default="tesla", max_length=100)
    transmit_decoded_records: bool = False

    def open(self) -> TelemetryOutput:
        """A publisher that is bound."""
        try:
            import zmq
        except ImportError as missing:
            raise missing_library("zmq", "pyzmq") from missing
        publisher: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUB)
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.setsockopt(zmq.SNDHWM, MOST_WAITING)
        try:
            publisher.bind(self.bind)
        except zmq.ZMQError as refused:
            publisher.close()
            raise OutputError(f"cannot bind {self.bind}: {refused}") from refused
        return ZmqOutput(self, publisher, publisher.getsockopt_string(zmq.LAST_ENDPOINT))


class ZmqOutput:
    """A bound publisher.

    Args:
        spec: The form of the messages.
        publisher: The socket.
        bound: The address that it is bound to.
    """

    def __init__(self, spec: ZmqSpec, publisher: zmq.Socket[bytes], bound: str) -> None:
        self._spec = spec
        self._publisher = publisher
        self._bound = bound

    @property
    def address(self) -> str:
        """Where subscribers connect."""
        return self._bound

    def start(self) -> None:
        """Nothing to do: the publisher delivers by itself."""

    def publish(self, record: TelemetryRecord) -> None:
        """Send to whoever has subscribed."""
        topic = f"{self._spec.namespace}_{record.record_type}".encode()
        payload = record.json() if self._spec.transmit_decoded_records else record.protobuf()
        self._publisher.send_multipart([topic, payload])

    def close(self) -> None:
        """Unbind."""
        self._publisher.close()
