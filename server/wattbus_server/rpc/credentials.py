"""Ports of gRPC: TLS by settings, plaintext on loopback only unless allowed."""

import grpc

from wattbus_server.rpc.certificates import RotatingCertificate
from wattbus_server.settings import ConfigurationError, Settings, is_loopback


def bind(server: grpc.aio.Server, settings: Settings) -> int:
    """Open the port as the settings say and return its number.

    Raises:
        ConfigurationError: it would serve plaintext to the network; a TLS file is unfit; or the port is taken.
    """
    host = f"[{settings.grpc_host}]" if ":" in settings.grpc_host else settings.grpc_host
    address = f"{host}:{settings.grpc_port}"
    credentials = _credentials(settings)
    try:
        if credentials is not None:
            return server.add_secure_port(address, credentials)
        return server.add_insecure_port(address)
    except RuntimeError:
        raise ConfigurationError(
            "WATTBUS_GRPC_PORT",
            f"{address} cannot be opened; if another program listens there, stop it or choose another port, "
            "and let WATTBUS_GRPC_HOST be an address of this machine",
        ) from None


def bind_channelz(server: grpc.aio.Server, port: int) -> int:
    """Open the port of channelz, on loopback only: it shows every peer and needs no key.

    Raises:
        ConfigurationError: the port is taken.
    """
    try:
        return server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError:
        raise ConfigurationError(
            "WATTBUS_CHANNELZ_PORT", f"127.0.0.1:{port} cannot be opened; another program listens there"
        ) from None


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """Return the credentials of the port; None for plaintext, where that is allowed."""
    if settings.tls.certificate_file is not None:
        return RotatingCertificate(settings.tls).credentials()
    if not settings.allow_plaintext and not is_loopback(settings.grpc_host):
        raise ConfigurationError(
            "WATTBUS_GRPC_HOST",
            f"{settings.grpc_host} is reachable from the network: set WATTBUS_TLS__CERTIFICATE_FILE and "
            "WATTBUS_TLS__PRIVATE_KEY_FILE, or WATTBUS_ALLOW_PLAINTEXT=true behind a proxy that adds TLS",
        )
    return None
