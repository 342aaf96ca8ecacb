"""The MQTT output: a client of somebody's broker that publishes bare JSON values.

Source: teslamotors/fleet-telemetry, dispatcher mqtt.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, FieldSerializationInfo, SecretStr, field_serializer

from tesla_sandbox.telemetry.mqtt_messages import messages
from tesla_sandbox.telemetry.output import TelemetryOutput, missing_library
from tesla_sandbox.telemetry.record import TelemetryRecord

if TYPE_CHECKING:
    import aiomqtt

log = logging.getLogger(__name__)

MOST_WAITING = 100_000
"""Messages that wait for the broker; then the oldest is lost."""

WITH_SECRETS = "with_secrets"
"""Key of the serialisation context with which a description is written out with its password."""

RETRY_SECONDS = 1.0
"""Pause after a failed connection, in real time."""


class MqttSpec(BaseModel):
    """The MQTT output as a scenario describes it.

    Attributes:
        topic_base: What all topics begin with.
        qos: Quality of service of every message.
        retained: Whether the broker keeps the last message of every topic.
        tls: Whether the connection is encrypted and the broker's certificate is verified.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    port: int = Field(default=1883, ge=1, le=65_535)
    topic_base: str = Field(default="telemetry", pattern=r"^[^#+\s]+$", max_length=200)
    qos: Literal[0, 1, 2] = 0
    retained: bool = False
    client_id: str | None = Field(default=None, max_length=100)
    username: str | None = Field(default=None, max_length=200)
    password: SecretStr | None = None
    tls: bool = False

    @field_serializer("password", when_used="json-unless-none")
    def _dumped_password(self, password: SecretStr, info: FieldSerializationInfo) -> str:
        wanted = bool(info.context and info.context.get(WITH_SECRETS))
        return password.get_secret_value() if wanted else str(password)

    def open(self) -> TelemetryOutput:
        """An output that connects when it is started."""
        try:
            import aiomqtt
        except ImportError as missing:
            raise missing_library("mqtt", "aiomqtt") from missing
        return MqttOutput(self, aiomqtt)


class MqttOutput:
    """A client that connects, and connects again, and publishes in order.

    Args:
        spec: The broker and the form of the messages.
        library: The module `aiomqtt`.
    """

    def __init__(self, spec: MqttSpec, library: ModuleType) -> None:
        self._spec = spec
        self._library = library
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=MOST_WAITING)
        self._filled = asyncio.Event()
        self._delivering: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The broker and the base of the topics."""
        scheme = "mqtts" if self._spec.tls else "mqtt"
        return f"{scheme}://{self._spec.host}:{self._spec.port}/{self._spec.topic_base}"

    def start(self) -> None:
        """Begin to connect; a second call does nothing."""
        if self._delivering is None:
            self._delivering = asyncio.create_task(self._deliver())

    def publish(self, record: TelemetryRecord) -> None:
        """Queue the record's messages."""
        self._waiting.extend(messages(record, self._spec.topic_base))
        self._filled.set()

    def close(self) -> None:
        """Disconnect; what still waits is lost."""
        if self._delivering is not None:
            self._delivering.cancel()

    async def _deliver(self) -> None:
        spec = self._spec
        while True:
            client = self._library.Client(
                spec.host,
                spec.port,
                identifier=spec.client_id,
                username=spec.username,
                password=spec.password.get_secret_value() if spec.password is not None else None,
                tls_params=self._library.TLSParameters() if spec.tls else None,
            )
            try:
                async with client:
                    await self._publish_waiting(client)
            except self._library.MqttError as broken:
                log.warning("mqtt %s: %s; trying again", self.address, broken)
                await asyncio.sleep(RETRY_SECONDS)

    async def _publish_waiting(self, client: aiomqtt.Client) -> None:
        while True:
            self._filled.clear()
            while self._waiting:
                topic, payload = self._waiting[0]
                await client.publish(topic, payload, qos=self._spec.qos, retain=self._spec.retained)
                self._waiting.popleft()
            await self._filled.wait()
