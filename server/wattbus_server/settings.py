"""Every setting, with its type, default and environment variable.

Variables begin with `WATTBUS_`; a `.env` file in the working directory is read too. An empty variable counts as not
set. Nested settings use two underscores, for example `WATTBUS_TESLA__CLIENT_ID`.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, get_origin
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict


def _plain_seconds(value: object) -> object:
    """Take a bare number as seconds; of texts pydantic itself takes only ISO 8601."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Interval = Annotated[timedelta, BeforeValidator(_plain_seconds), Field(ge=timedelta(0))]
Positive = Annotated[timedelta, BeforeValidator(_plain_seconds), Field(gt=timedelta(0))]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]

MINIMUM_ADMIN_KEY_CHARACTERS = 32

PREFIX = "WATTBUS_"

TESLA_REGIONS = {
    "na": "https://fleet-api.prd.na.vn.cloud.tesla.com",
    "eu": "https://fleet-api.prd.eu.vn.cloud.tesla.com",
}


class ConfigurationError(ValueError):
    """A setting does not make a server. The message names the variable and says what to do, without secrets."""

    def __init__(self, variable: str, sentence: str) -> None:
        super().__init__(f"{variable}: {sentence}")


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_encrypted_or_local(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


class TeslaSettings(BaseModel):
    """The operator's application at Tesla, and where Tesla is reached."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    client_id: str = ""
    """Client id of the application. Empty: Tesla accounts cannot be linked."""
    client_secret: SecretStr = SecretStr("")
    """Client secret of the application."""
    domain: str = ""
    """The domain under which the application is registered and hosts its public key."""
    command_key_file: Path | None = None
    """PEM file of the private key (prime256v1) that signs vehicle commands. None: no vehicle commands."""
    allow_plaintext: bool = False
    """True to send tokens and credentials without TLS to hosts other than this one: only for a sandbox elsewhere."""
    authorize_url: str = "https://auth.tesla.com/oauth2/v3/authorize"
    """The page on which end users consent."""
    token_url: str = "https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token"  # noqa: S105 - an address, not a secret
    """Where codes and refresh tokens are exchanged."""
    metadata_url: str = (
        "https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/thirdparty/.well-known/openid-configuration"
    )
    """OpenID metadata; names the keys that sign tokens."""
    consent_url: str = "https://auth.tesla.com/user/revoke/consent"
    """The page where end users manage what they granted."""
    pairing_url: str = "https://tesla.com/_ak"
    """The page that pairs a virtual key; the domain follows as a path."""
    api_urls: dict[str, str] = TESLA_REGIONS
    """Fleet API base URL by region. Tokens are sent to these and to no other host, whatever an answer says."""
    home_region: str = Field(default="na", validate_default=True)
    """The region that is asked first for an account whose region is unknown."""
    live_status_interval: Positive = timedelta(seconds=30)
    """How often the power flows of a site are read. Not billed."""
    site_info_interval: Positive = timedelta(minutes=5)
    """How often the settings of a site are read. Not billed."""
    products_interval: Positive = timedelta(minutes=1)
    """How often the list of products, with the connectivity of vehicles, is read. Not billed."""
    vehicle_data_interval: Interval | None = None
    """How often a vehicle that is awake anyway is read in full. Billed, and it keeps the vehicle awake. None: only on
    request and after a command."""
    request_timeout: Positive = timedelta(seconds=20)
    """How long one call may take."""

    @field_validator("token_url", "metadata_url", "api_urls")
    @classmethod
    def _secrets_travel_encrypted(cls, value: str | dict[str, str], info: ValidationInfo) -> str | dict[str, str]:
        for address in value.values() if isinstance(value, dict) else [value]:
            if not (info.data.get("allow_plaintext") or _is_encrypted_or_local(address)):
                raise ValueError(
                    "must be an https address; http only on loopback, or with WATTBUS_TESLA__ALLOW_PLAINTEXT=true"
                )
        return value

    @field_validator("home_region")
    @classmethod
    def _region_has_an_address(cls, region: str, info: ValidationInfo) -> str:
        known = info.data.get("api_urls")
        if known is not None and region not in known:
            raise ValueError(f"{region!r} has no address in WATTBUS_TESLA__API_URLS, only: {', '.join(known)}")
        return region


class TlsSettings(BaseModel):
    """Transport security of the gRPC port. The files are read again when they change."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    certificate_file: Path | None = None
    """PEM file of the server's certificate chain. None: plaintext."""
    private_key_file: Path | None = None
    """PEM file of the certificate's private key."""
    client_ca_file: Path | None = None
    """If set, callers must show a certificate that this authority signed."""

    @model_validator(mode="after")
    def _pair(self) -> "TlsSettings":
        if (self.certificate_file is None) != (self.private_key_file is None):
            raise ValueError("certificate_file and private_key_file belong together: set both or none")
        if self.client_ca_file and not self.certificate_file:
            raise ValueError("client_ca_file needs certificate_file")
        return self


class Settings(BaseSettings):
    """Settings of the service."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        use_attribute_docstrings=True,
        # Inputs may be secrets.
        hide_input_in_errors=True,
    )

    grpc_host: str = "127.0.0.1"
    """Address of the gRPC port. Other addresses than loopback need TLS."""
    grpc_port: Port = 50051
    """The gRPC port. 0 picks a free port, which the start-up line tells."""
    http_host: str = "127.0.0.1"
    """Address of the HTTP side: link pages, the OAuth callback, the hosted public key, metrics."""
    http_port: Port = 8080
    """Port of the HTTP side. 0 picks a free one."""
    public_url: str = ""
    """How browsers reach the HTTP side, for example `https://link.example.com`. Empty: the listening address."""
    allow_plaintext: bool = False
    """True to serve gRPC without TLS on an address other than loopback, for example behind a mesh."""
    database_url: str = "sqlite+aiosqlite:///wattbus.db"
    """The database as a SQLAlchemy URL."""
    encryption_key: SecretStr = SecretStr("")
    """32 random bytes in base64 that encrypt grants at rest; `wattbus keygen` makes one. Several, separated by commas,
    to rotate: the first encrypts."""
    admin_key: SecretStr = SecretStr("")
    """The operator's key for AdminService, at least 32 characters. Empty: AdminService refuses everybody."""
    reflection: bool = True
    """Whether callers with a key may read the descriptors, as grpcurl does."""
    channelz_port: Port | None = None
    """Loopback port of channelz. None: off."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""
    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""
    drain_grace: Positive = timedelta(seconds=10)
    """How long calls that run may take to finish at shutdown."""
    drain_delay: Interval = timedelta(0)
    """How long to keep serving after health says NOT_SERVING, so that balancers notice."""
    default_deadline: Positive = timedelta(seconds=30)
    """Deadline of unary calls that bring none."""
    streams_per_tenant: Count = 1000
    """Open streams per tenant."""
    stream_write_timeout: Positive = timedelta(seconds=30)
    """How long one response may wait for a reader before the stream ends with SLOW_CONSUMER."""
    command_queue_limit: Count = 16
    """Unfinished commands per device."""
    blocker_check_interval: Positive = timedelta(minutes=1)
    """How often open blockers are verified at the vendor."""
    discovery_interval: Positive = timedelta(hours=1)
    """How often the devices of every connection are discovered again."""
    metrics_access: Literal["loopback", "everyone", "nobody"] = "loopback"
    """Who may read `/metrics` on the HTTP side. A request with a header that proxies add (`Forwarded`,
    `X-Forwarded-For`, `X-Real-IP`, `Via`) is not from loopback; a proxy on this machine that adds none must not pass
    `/metrics` on."""
    tls: TlsSettings = TlsSettings()
    tesla: TeslaSettings = TeslaSettings()

    @field_validator("public_url")
    @classmethod
    def _address_for_browsers(cls, address: str) -> str:
        parts = urlsplit(address)
        if address and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("must be an address for browsers, such as https://link.example.com")
        return urlunsplit(parts)

    @field_validator("admin_key")
    @classmethod
    def _long_enough(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key) < MINIMUM_ADMIN_KEY_CHARACTERS:
            raise ValueError(f"must have at least {MINIMUM_ADMIN_KEY_CHARACTERS} characters, or be empty")
        return key


def variables(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> Iterator[tuple[str, FieldInfo]]:
    """Yield every environment variable with its field, those of nested settings last."""
    nested: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            nested.append((f"{variable}__", field.annotation))
        else:
            yield variable, field
    for variable, nested_model in nested:
        yield from variables(nested_model, variable)


def misspelt(written: Iterable[str]) -> list[str]:
    """Return the variables that look like settings and are none; members of a dictionary count as settings."""
    known = {variable for variable, _ in variables()} | _groups()
    ours = {name.upper() for name in written if name.upper().startswith(PREFIX)}
    return sorted(name for name in ours if name not in known and name.rpartition("__")[0] not in _dictionaries())


def written_as_json() -> set[str]:
    """Return the variables whose value is JSON: dictionaries, and whole groups of settings."""
    return _dictionaries() | _groups()


def _dictionaries() -> set[str]:
    return {variable for variable, field in variables() if get_origin(field.annotation) is dict}


def _groups() -> set[str]:
    return {variable.rpartition("__")[0] for variable, _ in variables() if "__" in variable}
