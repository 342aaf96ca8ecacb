"""The page for operators: its commands make certificates with which the server and its clients find each other."""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.docs.transcript import transcript
from tests.processes import PATIENCE_SECONDS, ROOT
from tests.service import Setup

pytestmark = pytest.mark.timeout(400)


def has_openssl_3() -> bool:
    """LibreSSL, which some systems have under the same name, cannot sign with another certificate in one step."""
    if shutil.which("openssl") is None:
        return False
    version = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout
    return re.match(r"OpenSSL ([3-9]|\d\d)\.", version) is not None


async def run(command: str, folder: Path) -> None:
    process = await asyncio.create_subprocess_shell(
        command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()


async def answer(target: str, *certificates: bytes) -> grpc.StatusCode:
    """Return the code with which a client with these certificates sees the server."""
    async with grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(*certificates)) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        call = stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS)
        code: grpc.StatusCode = await call.code()
        return code


@pytest.mark.skipif(not has_openssl_3(), reason="OpenSSL 3 is not installed")
async def test_the_certificates_of_the_page_let_in_who_shows_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    commands = [typed.command for typed in transcript(page) if typed.command.startswith("openssl ")]
    assert commands
    for command in commands:
        await run(command, tmp_path)
    files = {
        "TLS__CERTIFICATE_FILE": str(tmp_path / "tls.crt"),
        "TLS__PRIVATE_KEY_FILE": str(tmp_path / "tls.key"),
        "TLS__CLIENT_CA_FILE": str(tmp_path / "ca.crt"),
    }
    authority, key, certificate = ((tmp_path / name).read_bytes() for name in ("ca.crt", "client.key", "client.crt"))
    async with Setup(tmp_path).service(None, **files) as service:
        port = service.address.rpartition(":")[2]
        for host in ("localhost", "127.0.0.1"):
            assert await answer(f"{host}:{port}", authority, key, certificate) is grpc.StatusCode.OK
        assert await answer(f"localhost:{port}", authority) is grpc.StatusCode.UNAVAILABLE
