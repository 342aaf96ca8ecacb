"""The tools that people debug with: grpcurl, and buf curl for those who have no Go."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.processes import PATIENCE_SECONDS
from tests.service import Service, Tenant

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

GRPCURL = shutil.which("grpcurl")
BUF = Path(sys.executable).parent / "buf"
SERVICE = "wattbus.v1.DeviceService"

needs_grpcurl = pytest.mark.skipif(GRPCURL is None, reason="grpcurl is not installed (a Go program; CI builds it)")


async def run(*command: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def grpcurl(service: Service, tenant: Tenant, *arguments: str, data: object = None) -> tuple[int, str, str]:
    assert GRPCURL is not None
    body = ["-d", json.dumps(data)] if data is not None else []
    header = f"authorization: Bearer {tenant.key}"
    return await run(GRPCURL, "-plaintext", "-H", header, *body, service.address, *arguments)


@needs_grpcurl
async def test_grpcurl_lists_and_describes(grpc_server: Service, home: Tenant) -> None:
    status, output, errors = await grpcurl(grpc_server, home, "list")
    assert status == 0, errors
    assert {SERVICE, "wattbus.v1.ConnectionService", "grpc.health.v1.Health"} <= set(output.split())
    status, output, errors = await grpcurl(grpc_server, home, "describe", f"{SERVICE}.CreateCommand")
    assert status == 0, errors
    assert "CreateCommandRequest" in output


@needs_grpcurl
async def test_grpcurl_calls_and_shows_decoded_details(grpc_server: Service, home: Tenant) -> None:
    status, output, errors = await grpcurl(grpc_server, home, f"{SERVICE}/ListDevices")
    assert status == 0, errors
    devices = json.loads(output)["devices"]
    owl = next(device["name"] for device in devices if device.get("display_name") == "Night Owl")
    request = {"parent": owl, "action": {"lock": {}}, "requestId": "tools-1"}
    status, _, errors = await grpcurl(grpc_server, home, f"{SERVICE}/CreateCommand", data=request)
    assert status != 0
    assert "VIRTUAL_KEY_NOT_PAIRED" in errors
    assert "wattbus.v1.Blockers" in errors
    assert "/_ak/" in errors


@needs_grpcurl
async def test_grpcurl_streams(grpc_server: Service, home: Tenant) -> None:
    assert GRPCURL is not None
    header = f"authorization: Bearer {home.key}"
    process = await asyncio.create_subprocess_exec(
        *(GRPCURL, "-plaintext", "-H", header, grpc_server.address, f"{SERVICE}/WatchDeviceStates"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while b'"in_sync": true' not in await process.stdout.readline():
            pass
    process.terminate()
    await process.wait()


@needs_grpcurl
@pytest.mark.parametrize(
    "data", [{"nonsense": 1}, {"name": 5}, {"name": ["x"]}], ids=["unknown name", "wrong type", "list"]
)
async def test_wrong_json_is_refused_before_it_is_sent(grpc_server: Service, home: Tenant, data: object) -> None:
    status, _, errors = await grpcurl(grpc_server, home, f"{SERVICE}/GetDevice", data=data)
    assert status != 0
    assert errors


async def buf_curl(service: Service, tenant: Tenant, method: str, data: object) -> tuple[int, str, str]:
    return await run(
        *(str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
        *("--header", f"authorization: Bearer {tenant.key}", "--reflect-header", "*"),
        *("--data", json.dumps(data), f"http://{service.address}/{SERVICE}/{method}"),
    )


async def test_buf_curl_needs_no_go(grpc_server: Service, home: Tenant) -> None:
    status, output, errors = await buf_curl(grpc_server, home, "ListDevices", {"pageSize": 2})
    assert status == 0, errors
    answer = json.loads(output)
    assert len(answer["devices"]) == 2
    status, _, errors = await buf_curl(grpc_server, home, "GetDevice", {"name": "devices/none"})
    assert status != 0
    # buf shows the code and the message; the details stay encoded.
    assert "not_found" in errors
    assert "does not exist" in errors
