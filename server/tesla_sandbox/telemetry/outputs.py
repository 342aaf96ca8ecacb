"""All outputs of a sandbox: their descriptions, and opening, feeding and closing them together."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict

from tesla_sandbox.telemetry.mqtt_output import MqttSpec
from tesla_sandbox.telemetry.output import OutputSpec, TelemetryOutput
from tesla_sandbox.telemetry.record import TelemetryRecord
from tesla_sandbox.telemetry.zmq_output import ZmqSpec


class TelemetrySpec(BaseModel):
    """The outputs of the telemetry server by name; those that are absent do not exist."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zmq: ZmqSpec | None = None
    mqtt: MqttSpec | None = None

    def outputs(self) -> Mapping[str, OutputSpec]:
        """The described outputs by name."""
        described = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: spec for name, spec in described if spec is not None}

    def replaced_by(self, other: TelemetrySpec) -> TelemetrySpec:
        """These outputs, with those that `other` describes in their place."""
        return self.model_copy(update=dict(other.outputs()))


class Outputs:
    """Open outputs.

    Args:
        spec: What to open.

    Raises:
        OutputError: If one cannot be opened; none is left open then.
    """

    def __init__(self, spec: TelemetrySpec) -> None:
        self.spec = spec
        self._open: dict[str, TelemetryOutput] = {}
        try:
            for name, output in spec.outputs().items():
                self._open[name] = output.open()
        except BaseException:
            self.close()
            raise

    def __bool__(self) -> bool:
        return bool(self._open)

    def addresses(self) -> dict[str, str]:
        """Where subscribers find each output."""
        return {name: output.address for name, output in self._open.items()}

    def start(self) -> None:
        """Begin to deliver; called in the running event loop, again after a change of world."""
        for output in self._open.values():
            output.start()

    def publish(self, record: TelemetryRecord) -> None:
        """Hand a record to every output."""
        for output in self._open.values():
            output.publish(record)

    def close(self) -> None:
        """Close all."""
        for output in self._open.values():
            output.close()


def mqtt_spec_of(url: str) -> MqttSpec:
    """The output that a URL such as `mqtt://user:secret@host:1883/topic/base` describes.

    Raises:
        ValueError: If it is no such URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise ValueError("the broker is a URL such as mqtt://127.0.0.1:1883/telemetry")
    given = {
        "host": parts.hostname,
        "port": parts.port,
        "topic_base": parts.path.strip("/") or None,
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
    }
    tls = parts.scheme == "mqtts"
    return MqttSpec.model_validate(
        {"port": 8883 if tls else 1883, **{k: v for k, v in given.items() if v is not None}, "tls": tls}
    )
