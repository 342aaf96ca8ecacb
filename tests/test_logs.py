"""Logs never hold secrets, whoever logs them and wherever they stand."""

import json
import subprocess
import sys

import pytest

from wattbus_server.logs import MASK, mask_secrets

SECRETS = (
    "wbk_" + "a" * 43,
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "EU_" + "0123456789abcdef" * 2,
    "Bearer something-secret",
    "https://example.com/oauth/callback/tesla?code=abc123&state=def456",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_masked_in_any_fact(secret: str) -> None:
    event = {
        "event": f"call failed: {secret}",
        "facts": [secret, {"inner": secret}],
        "error": ValueError(secret),
        "plain": "devices/abc",
        "count": 3,
    }
    written = json.dumps(mask_secrets(None, "info", dict(event)))
    for part in (secret, "something-secret", "abc123", "def456"):
        assert part not in written or part not in secret
    assert MASK in written
    assert "devices/abc" in written
    assert '"count": 3' in written


@pytest.mark.parametrize("name", ["access_token", "client_secret", "Authorization", "encryption_key", "password"])
def test_facts_with_a_telling_name_are_masked_whatever_they_hold(name: str) -> None:
    assert mask_secrets(None, "info", {name: "harmless looking"}) == {name: MASK}


def test_lines_are_json_also_those_of_libraries() -> None:
    program = (
        "import logging, structlog\n"
        "from wattbus_server.logs import configure_logs\n"
        "configure_logs('INFO', 'json')\n"
        "structlog.get_logger().info('started', port=1)\n"
        f"logging.getLogger('library').warning('token %s', '{SECRETS[0]}')\n"
        "structlog.get_logger().debug('unheard')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["started", f"token {MASK}"]
    assert lines[0]["level"] == "info"
    assert done.stdout == ""
