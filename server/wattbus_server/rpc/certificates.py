"""The certificate of the gRPC port: checked before gRPC gets it, and read again when its files change."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar, cast

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from wattbus_server.settings import ConfigurationError, TlsSettings

log = structlog.get_logger()

_CERTIFICATE = "WATTBUS_TLS__CERTIFICATE_FILE"
_PRIVATE_KEY = "WATTBUS_TLS__PRIVATE_KEY_FILE"
_CLIENT_CA = "WATTBUS_TLS__CLIENT_CA_FILE"

_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)

Parsed = TypeVar("Parsed")


class RotatingCertificate:
    """What new connections are shown. Files that changed and cannot be used leave the last good ones in use."""

    def __init__(self, tls: TlsSettings) -> None:
        """Read the files.

        Raises:
            ConfigurationError: a file cannot be used, or the key belongs to another certificate.
        """
        self._tls = tls
        self._files = [path for path in (tls.certificate_file, tls.private_key_file, tls.client_ca_file) if path]
        self._seen = self._versions()
        self._first = _configuration(tls)

    def credentials(self) -> grpc.ServerCredentials:
        """Return the credentials of a port; gRPC asks for a change with every connection."""
        # gRPC takes None as "no change"; its type hints do not know that.
        fetch = cast(Callable[[], grpc.ServerCertificateConfiguration], self._changed)
        return grpc.dynamic_ssl_server_credentials(
            self._first, fetch, require_client_authentication=self._tls.client_ca_file is not None
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        versions = self._versions()
        if versions == self._seen:
            return None
        # Before they are read: what is written meanwhile is a change again.
        self._seen = versions
        try:
            return _configuration(self._tls)
        except ConfigurationError as error:
            log.warning("tls_certificate_refused", problem=str(error), kept="the last one that could be used")
            return None

    def _versions(self) -> list[tuple[int, int, int] | None]:
        return [_version(path) for path in self._files]


def _version(path: Path) -> tuple[int, int, int] | None:
    """Tell whether a file was replaced, written, or made readable; None while it is absent."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns


def _configuration(tls: TlsSettings) -> grpc.ServerCertificateConfiguration:
    chain, certificates = _read(_CERTIFICATE, tls.certificate_file, x509.load_pem_x509_certificates, "certificate")
    key_pem, key = _read(
        _PRIVATE_KEY, tls.private_key_file, lambda pem: load_pem_private_key(pem, None), "private key without password"
    )
    _check_kind(key.public_key())
    if key.public_key() != certificates[0].public_key():
        raise ConfigurationError(
            _PRIVATE_KEY,
            f"the key in {tls.private_key_file} belongs to another certificate than {tls.certificate_file}",
        )
    authority = None
    if tls.client_ca_file is not None:
        authority, _ = _read(_CLIENT_CA, tls.client_ca_file, x509.load_pem_x509_certificates, "certificate")
    _tell(tls.certificate_file, certificates[0].not_valid_after_utc)
    return grpc.ssl_server_certificate_configuration([(key_pem, chain)], root_certificates=authority)


def _read(variable: str, path: Path | None, parse: Callable[[bytes], Parsed], wanted: str) -> tuple[bytes, Parsed]:
    if path is None:
        raise ConfigurationError(variable, "is not set")
    try:
        pem = path.read_bytes()
        return pem, parse(pem)
    except OSError as error:
        raise ConfigurationError(variable, f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause, which may quote the file.
        raise ConfigurationError(variable, f"{path} holds no {wanted} in PEM form") from None


def _check_kind(public_key: object) -> None:
    """Refuse what gRPC refuses, which does not say why."""
    on_a_curve = isinstance(public_key, ec.EllipticCurvePublicKey) and isinstance(public_key.curve, _CURVES)
    if not (on_a_curve or isinstance(public_key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey)):
        raise ConfigurationError(
            _PRIVATE_KEY, "must be a key for RSA, Ed25519, or one of the curves P-256, P-384, P-521"
        )


def _tell(path: Path | None, expire_time: datetime) -> None:
    log.info("tls_certificate_in_use", file=str(path), expire_time=expire_time.isoformat())
