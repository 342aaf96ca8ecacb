"""What a telemetry configuration says: the claims of its signed token.

Source: Tesla Fleet API documentation, fleet-telemetry.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class FieldSettings(BaseModel):
    """How often one field is sent.

    Attributes:
        interval_seconds: Shortest time between two values.
        minimum_delta: Change of a number that is sent at least; of a place in metres.
        resend_interval_seconds: Time after which an unchanged value is sent again.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    interval_seconds: int = Field(ge=1, le=31_536_000)
    minimum_delta: float | None = Field(default=None, ge=0)
    resend_interval_seconds: int | None = Field(default=None, ge=1)


class Settings(BaseModel):
    """The claims of a configuration.

    Attributes:
        hostname: Where the car should stream to; the sandbox uses its own outputs instead.
        fields: Settings by field name.
        alert_types: Audiences whose alerts are sent.
        delivery_policy: `latest` repeats what was sent and not acknowledged.
        exp: When the configuration ends, in unix seconds.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    hostname: str = Field(min_length=1, max_length=253)
    port: int = Field(default=443, ge=1, le=65_535)
    ca: str = Field(default="", max_length=65_536)
    fields: dict[str, FieldSettings] = Field(min_length=1)
    alert_types: list[str] = Field(default_factory=list)
    delivery_policy: Literal["latest"] | None = None
    exp: int | None = None
