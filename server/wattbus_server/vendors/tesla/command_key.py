"""The key that signs vehicle commands: read from its file, and its public half for Tesla to fetch.

Source: Tesla Fleet API documentation, getting-started/what-is-fleet-api (curve, and where the key is hosted).
"""

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from wattbus_server.settings import ConfigurationError
from wattbus_server.vendors.contract import HostedFile
from wattbus_server.vendors.tesla.remedies import PUBLIC_KEY_PATH
from wattbus_server.vendors.tesla.signing import ClientKey, InvalidKeyError


def read_key(path: Path | None) -> ClientKey | None:
    """Read the private key; None if none is configured.

    Raises:
        ConfigurationError: The file cannot be read, or holds no private key on prime256v1.
    """
    if path is None:
        return None
    try:
        return ClientKey.from_pem(path.read_bytes())
    except OSError as error:
        complaint = f"{path} cannot be read ({error.strerror}); `wattbus keygen --command-key` makes a key"
    except InvalidKeyError as error:
        complaint = f"{path}: {error}"
    raise ConfigurationError("WATTBUS_TESLA__COMMAND_KEY_FILE", complaint)


def public_key_file(path: Path | None) -> Mapping[str, HostedFile]:
    """Return the public half in PEM form, under the path where Tesla looks for it; empty if no key is configured."""
    if path is None:
        return {}
    public = load_pem_private_key(path.read_bytes(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {PUBLIC_KEY_PATH: HostedFile(pem, "application/x-pem-file")}
