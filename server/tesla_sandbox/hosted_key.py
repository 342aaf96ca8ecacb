"""Fetches the public key that an application hosts at its domain.

Source: Tesla Fleet API documentation, partner-endpoints and virtual-keys/developer-guide: the key is read at the
registration, and looked for again whenever a person pairs.
"""

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from tesla_sandbox.public_keys import read_public_key

LARGEST_KEY_BYTES = 16 * 1024
FETCH_SECONDS = 5.0


class KeyMissingError(Exception):
    """Raised when nothing is hosted there, or nobody answers."""


async def fetch_hosted_key(url: str, domain: str) -> EllipticCurvePublicKey:
    """The key at `url`, in which `{domain}` stands for the domain.

    Raises:
        KeyMissingError: If it cannot be fetched.
        ValueError: If what is there is no P-256 public key.
    """
    url = url.replace("{domain}", domain)
    try:
        async with httpx.AsyncClient(timeout=FETCH_SECONDS, trust_env=False) as client:
            hosted = await client.get(url)
            hosted.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as unreachable:
        raise KeyMissingError(f"could not fetch {url}") from unreachable
    try:
        return read_public_key(hosted.text[:LARGEST_KEY_BYTES])
    except ValueError as unfit:
        raise ValueError(f"{url}: {unfit}") from unfit
