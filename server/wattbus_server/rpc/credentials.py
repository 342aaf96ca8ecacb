"""Transport security of the gRPC port: TLS by settings, plaintext on loopback only unless allowed."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import grpc

from wattbus_server.settings import Settings, TlsSettings, is_loopback


class InsecureAddressError(ValueError):
    """The settings would serve plaintext to the network."""


def bind(server: grpc.aio.Server, settings: Settings) -> int:
    """Open the port as the settings say and return its number.

    Raises:
        InsecureAddressError: without TLS, on an address other than loopback, unless `allow_plaintext` is set.
        OSError: the port is taken, or a TLS file cannot be read.
    """
    host = f"[{settings.grpc_host}]" if ":" in settings.grpc_host else settings.grpc_host
    address = f"{host}:{settings.grpc_port}"
    credentials = _credentials(settings)
    try:
        if credentials is not None:
            return server.add_secure_port(address, credentials)
        return server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"the gRPC port {address} cannot be opened; is it taken?") from error


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """Return the credentials of the port; None for plaintext, where that is allowed."""
    if settings.tls.certificate_file is not None:
        return _rotating_credentials(settings.tls)
    if not settings.allow_plaintext and not is_loopback(settings.grpc_host):
        raise InsecureAddressError(
            f"{settings.grpc_host} is reachable from the network: set WATTBUS_TLS__CERTIFICATE_FILE and "
            "WATTBUS_TLS__PRIVATE_KEY_FILE, or WATTBUS_ALLOW_PLAINTEXT=true behind a proxy that adds TLS."
        )
    return None


def _rotating_credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    """Read the files again when they change; a broken pair of files keeps the last good one in use."""
    files = [path for path in (tls.certificate_file, tls.private_key_file, tls.client_ca_file) if path is not None]
    seen = _modified(files)
    first = _read(tls)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal seen
        try:
            now = _modified(files)
            if now == seen:
                return None
            fresh = _read(tls)
        except OSError:
            return None
        seen = now
        return fresh

    # gRPC takes None as "no change"; its type hints do not know that.
    fetcher = cast(Callable[[], grpc.ServerCertificateConfiguration], fetch)
    return grpc.dynamic_ssl_server_credentials(
        first, fetcher, require_client_authentication=tls.client_ca_file is not None
    )


def _modified(files: list[Path]) -> tuple[int, ...]:
    return tuple(path.stat().st_mtime_ns for path in files)


def _read(tls: TlsSettings) -> grpc.ServerCertificateConfiguration:
    if tls.certificate_file is None or tls.private_key_file is None:
        raise InsecureAddressError("TLS needs a certificate and its private key")
    pair = (tls.private_key_file.read_bytes(), tls.certificate_file.read_bytes())
    authority = tls.client_ca_file.read_bytes() if tls.client_ca_file else None
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=authority)
