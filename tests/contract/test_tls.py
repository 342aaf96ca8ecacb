"""TLS of the gRPC port: certificates are checked before they are used, and rotate without a restart."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.certificates import Pair, new_pair
from tests.processes import PATIENCE_SECONDS, ProcessFailedError
from tests.service import Service, Setup, eventually

pytestmark = pytest.mark.timeout(400)


async def is_served(service: Service, pair: Pair) -> bool:
    """Say whether a new connection that trusts only this certificate works."""
    port = service.address.rsplit(":", 1)[1]
    credentials = grpc.ssl_channel_credentials(pair.certificate)
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return False
            raise
    return True


def logged(service: Service, event: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [json.loads(line) for line in service.stderr]
    return [line for line in lines if line["event"] == event]


async def test_certificates_rotate_and_what_cannot_be_used_is_told_and_not_used(tmp_path: Path) -> None:
    first, second = new_pair("first"), new_pair("second")
    setup = Setup(tmp_path)
    async with setup.service(None, GRPC_HOST="0.0.0.0", **first.write(tmp_path)) as service:
        assert await is_served(service, first)

        replace(second, key=first.key).write(tmp_path)
        assert await is_served(service, first)
        # Once for each change, however many connections come.
        assert await is_served(service, first)

        async def refused() -> list[dict[str, Any]] | None:
            return logged(service, "tls_certificate_refused") or None

        told = await eventually(refused)
        assert [line["level"] for line in told] == ["warning"]
        assert told[0]["problem"].startswith("WATTBUS_TLS__PRIVATE_KEY_FILE: ")

        (tmp_path / "certificate.pem").unlink()
        assert await is_served(service, first)

        second.write(tmp_path)
        assert await is_served(service, second)
        assert not await is_served(service, first)

        async def both_in_use() -> bool | None:
            return len(logged(service, "tls_certificate_in_use")) == 2 or None

        assert await eventually(both_in_use)
        problems = [line["problem"] for line in logged(service, "tls_certificate_refused")]
        assert len(problems) == 2
        assert "cannot be read: No such file or directory" in problems[1]


async def test_broken_handshakes_leave_the_log_readable(tmp_path: Path) -> None:
    pair = new_pair("first")
    async with Setup(tmp_path).service(None, GRPC_HOST="0.0.0.0", **pair.write(tmp_path)) as service:
        port = int(service.address.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n" * 10)
        async with asyncio.timeout(PATIENCE_SECONDS):
            # The server hangs up once the handshake failed.
            await reader.read()
        writer.close()
        assert not await is_served(service, new_pair("another"))
        assert await is_served(service, pair)
    for line in service.stderr:
        json.loads(line)


@pytest.mark.parametrize(
    ("pair", "named", "complaint"),
    [
        (replace(new_pair("a"), key=new_pair("b").key), "PRIVATE_KEY_FILE", "belongs to another certificate than"),
        (replace(new_pair("a"), key=b"-----BEGIN"), "PRIVATE_KEY_FILE", "key.pem holds no private key"),
        (replace(new_pair("a"), certificate=b""), "CERTIFICATE_FILE", "certificate.pem holds no certificate"),
        (new_pair("a", ec.SECP256K1()), "PRIVATE_KEY_FILE", "must be a key for RSA"),
    ],
    ids=["of another", "no key", "no certificate", "curve that gRPC refuses"],
)
async def test_a_pair_that_cannot_be_used_is_not_blamed_on_the_port(
    tmp_path: Path, pair: Pair, named: str, complaint: str
) -> None:
    with pytest.raises(ProcessFailedError) as caught:
        async with Setup(tmp_path).service(None, **pair.write(tmp_path)):
            pass
    text = str(caught.value)
    assert "ended with 2" in text
    assert f"WATTBUS_TLS__{named}: " in text
    assert complaint in text
    assert "port" not in text
    assert "Traceback" not in text


async def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    files = new_pair("a").write(tmp_path) | {"TLS__CLIENT_CA_FILE": str(tmp_path / "absent.pem")}
    with pytest.raises(ProcessFailedError, match=r"WATTBUS_TLS__CLIENT_CA_FILE: .*absent\.pem cannot be read"):
        async with Setup(tmp_path).service(None, **files):
            pass
