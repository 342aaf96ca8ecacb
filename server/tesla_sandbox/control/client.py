"""A client of the control API, for `tesla-sandbox ctl`."""

import json
import ssl
from collections.abc import Mapping

import httpx

TIMEOUT_SECONDS = 30.0


class ControlRefusedError(Exception):
    """Raised when the sandbox cannot be reached or refuses; the text says why."""


def call(url: str, method: str, path: str, body: Mapping[str, object] | None = None) -> object:
    """Send one control request to the sandbox at `url`; returns its JSON answer.

    Raises:
        ControlRefusedError: If there is no answer, or a refusal.
    """
    target = f"{url.rstrip('/')}/sandbox/v1{path}"
    try:
        # Unlike httpx's own, this context trusts what SSL_CERT_FILE names, such as a certificate made for a sandbox.
        trusted = ssl.create_default_context()
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=trusted) as client:
            answered = client.request(method, target, json=body)
        parsed = json.loads(answered.text)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as failed:
        raise ControlRefusedError(f"{target}: {failed}") from failed
    if answered.is_error:
        raise ControlRefusedError(str(parsed.get("error", parsed)))
    return parsed
