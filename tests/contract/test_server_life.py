"""The life of the server: health, reflection, drain, kill and restart, refusal to start unsafely."""

import asyncio
import os
import signal
import sys
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from wattbus.v1 import device_service_pb2 as pb
from wattbus.v1.action_pb2 import Action, HonkHorn, SetChargeLimit
from wattbus.v1.command_pb2 import CommandState, Rung

from tests.processes import PATIENCE_SECONDS, ProcessFailedError
from tests.rich_errors import refusal_of
from tests.service import Service, Setup, Tenant, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

SERVICES = ("wattbus.v1.DeviceService", "wattbus.v1.ConnectionService", "wattbus.v1.AdminService")


@pytest.mark.parametrize("name", ["", *SERVICES])
async def test_health_is_told_per_service_without_a_key(grpc_server: Service, name: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(grpc_server.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_of_an_unknown_service_is_not_found(grpc_server: Service) -> None:
    stub: Any = health_pb2_grpc.HealthStub(grpc_server.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="wattbus.v1.NoService"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_the_services_to_callers_with_a_key(
    tenant: Tenant, grpc_server: Service, version: str
) -> None:
    channel: Any = grpc_server.channel
    method = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )

    async def ask() -> Any:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    answer = await anext(method(ask(), metadata=tenant.metadata).__aiter__())
    assert set(SERVICES) <= {service.name for service in answer.list_services_response.service}
    assert (await refusal_of(anext(method(ask()).__aiter__()))).reason == "API_KEY_MISSING"


async def test_an_unknown_method_is_unimplemented(grpc_server: Service, tenant: Tenant) -> None:
    channel: Any = grpc_server.channel
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/wattbus.v1.DeviceService/Nonsense")(b"", metadata=tenant.metadata)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_callers_request_id_comes_back_in_refusals(tenant: Tenant) -> None:
    call = tenant.devices.GetDevice(
        pb.GetDeviceRequest(name="devices/none"), metadata=(*tenant.metadata, ("x-request-id", "mine-1"))
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert b"mine-1" in dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]


async def test_a_stopping_server_sends_the_last_token_and_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    setup = Setup(tmp_path_factory.mktemp("drain"))
    async with setup.service() as service:
        tenant = await service.new_tenant()
        states = tenant.devices.WatchDeviceStates(pb.WatchDeviceStatesRequest(), metadata=tenant.metadata).__aiter__()
        first = await anext(states)
        assert first.resume_token
        watches: list[Any] = [
            states,
            tenant.devices.WatchCommands(pb.WatchCommandsRequest(), metadata=tenant.metadata).__aiter__(),
            tenant.devices.WatchBlockers(pb.WatchBlockersRequest(), metadata=tenant.metadata).__aiter__(),
        ]
        await anext(watches[1])
        await anext(watches[2])
        service.process.send_signal(signal.SIGTERM)
        for watch in watches:
            refusal = await refusal_of(_rest(watch))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")
        assert await asyncio.wait_for(service.process.wait(), PATIENCE_SECONDS) == 0
    assert "Traceback" not in "".join(service.stderr)


async def test_a_stopping_server_answers_the_calls_that_wait(tmp_path_factory: pytest.TempPathFactory) -> None:
    setup = Setup(tmp_path_factory.mktemp("waiting"))
    async with setup.sandbox() as sandbox, setup.service(sandbox, DRAIN_GRACE="3") as service:
        tenant = await service.new_tenant()
        await tenant.link()
        car = await tenant.device_named("Blue Comet")
        for endpoint in ("signed_command", "vehicle_data"):
            await sandbox.control.inject_fault(
                "slow_answer", target=f"/api/1/vehicles/{car.vendor_id}/{endpoint}", seconds=3600
            )
        honk = pb.CreateCommandRequest(parent=car.name, action=Action(honk_horn=HonkHorn()), request_id="waiting")
        read = pb.RefreshDeviceStateRequest(name=car.name)
        state = asyncio.ensure_future(tenant.devices.RefreshDeviceState(read, metadata=tenant.metadata))
        command = asyncio.ensure_future(tenant.devices.CreateCommand(honk, metadata=tenant.metadata))

        async def handed_over() -> bool | None:
            request = pb.ListCommandsRequest(parent=car.name, states=[CommandState.COMMAND_STATE_SENT])
            return bool((await tenant.devices.ListCommands(request, metadata=tenant.metadata)).commands) or None

        await eventually(handed_over)
        service.process.send_signal(signal.SIGTERM)
        assert (await command).command.state == CommandState.COMMAND_STATE_SENT, "as it stands, with its name"
        refusal = await refusal_of(state)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")
        assert await asyncio.wait_for(service.process.wait(), PATIENCE_SECONDS) == 0


async def test_both_doors_say_at_once_that_the_server_leaves(tmp_path_factory: pytest.TempPathFactory) -> None:
    setup = Setup(tmp_path_factory.mktemp("leaving"))
    async with (
        setup.service(None, DRAIN_DELAY="PT5M") as service,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as browser,
    ):
        tenant = await service.new_tenant()
        assert (await browser.get(f"{service.http_url}/healthz")).status_code == 200
        service.process.send_signal(signal.SIGTERM)
        stub: Any = health_pb2_grpc.HealthStub(service.channel)

        async def unready() -> bool | None:
            answer = await stub.Check(health_pb2.HealthCheckRequest())
            page = await browser.get(f"{service.http_url}/healthz")
            serving = answer.status == health_pb2.HealthCheckResponse.SERVING
            return (not serving and page.status_code == 503) or None

        assert await eventually(unready)
        # Balancers have not noticed yet, so that calls are still answered.
        assert await tenant.list_devices() == []
        # Nor is anybody here to wait for them.
        service.process.kill()
        await service.process.wait()


async def _rest(watch: Any) -> None:
    async for _ in watch:
        pass


async def test_everything_survives_a_kill(tmp_path_factory: pytest.TempPathFactory) -> None:
    setup = Setup(tmp_path_factory.mktemp("kill"))
    async with setup.sandbox() as sandbox:
        async with setup.service(sandbox) as service:
            tenant = await service.new_tenant()
            connection = await tenant.link()
            car = await tenant.device_named("Blue Comet")
            request = pb.CreateCommandRequest(
                parent=car.name, action=Action(set_charge_limit=SetChargeLimit(limit_percent=64)), request_id="before"
            )
            command = (await tenant.devices.CreateCommand(request, metadata=tenant.metadata, timeout=60)).command
            await tenant.devices.RefreshDeviceState(
                pb.RefreshDeviceStateRequest(name=car.name), metadata=tenant.metadata
            )
            devices = [device.name for device in await tenant.list_devices()]
            before = await _charge_limit_stored(tenant, car.name)
            service.process.kill()
            await service.process.wait()
        async with setup.service(sandbox) as service:
            again = service.tenant(tenant.name, tenant.key)
            assert [device.name for device in await again.list_devices()] == devices
            assert (await again.connection(connection.name)).granted_scopes == connection.granted_scopes
            assert await _charge_limit_stored(again, car.name) == before
            get = pb.GetCommandRequest(name=command.name)

            async def finished() -> bool | None:
                seen = (await again.devices.GetCommand(get, metadata=again.metadata)).command
                return seen.state == CommandState.COMMAND_STATE_SUCCEEDED or None

            assert await eventually(finished)
            repeated = (await again.devices.CreateCommand(request, metadata=again.metadata, timeout=60)).command
            assert repeated.name == command.name
            # The car refuses a counter that was used before the kill.
            honk = pb.CreateCommandRequest(parent=car.name, action=Action(honk_horn=HonkHorn()))
            honked = (await again.devices.CreateCommand(honk, metadata=again.metadata, timeout=60)).command
            assert honked.rungs[-1].rung == Rung.RUNG_ACCEPTED


async def _charge_limit_stored(tenant: Tenant, device: str) -> int:
    async def limit() -> int | None:
        request = pb.GetDeviceStateRequest(name=device)
        state = (await tenant.devices.GetDeviceState(request, metadata=tenant.metadata)).state
        return state.vehicle.charge.limit_percent if state.vehicle.charge.HasField("limit_percent") else None

    return await eventually(limit)


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"GRPC_HOST": "0.0.0.0"}, "WATTBUS_TLS__CERTIFICATE_FILE"),
        ({"ENCRYPTION_KEY": ""}, "WATTBUS_ENCRYPTION_KEY"),
        ({"ENCRYPTION_KEY": "short"}, "WATTBUS_ENCRYPTION_KEY"),
        ({"GRPC_PORT": "99999"}, "WATTBUS_GRPC_PORT"),
        ({"TLS__CERTIFICATE_FILE": "/nowhere"}, "WATTBUS_TLS"),
        ({"TESLA__COMMAND_KEY_FILE": "/nowhere"}, "/nowhere"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
async def test_settings_that_make_no_server_are_explained(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, str], advice: str
) -> None:
    setup = Setup(tmp_path_factory.mktemp("settings"))
    with pytest.raises(ProcessFailedError) as caught:
        async with setup.service(None, **changes):
            pass
    text = str(caught.value)
    assert "ended with 2" in text
    assert advice in text
    assert "Traceback" not in text


async def test_two_servers_do_not_share_a_port(grpc_server: Service, tmp_path_factory: pytest.TempPathFactory) -> None:
    setup = Setup(tmp_path_factory.mktemp("port"))
    with pytest.raises(ProcessFailedError) as caught:
        async with setup.service(None, GRPC_PORT=grpc_server.address.rsplit(":", 1)[1]):
            pass
    assert "ended with 2" in str(caught.value)
    assert f"{grpc_server.address} cannot be opened" in str(caught.value)
    assert "Traceback" not in str(caught.value)


async def test_the_command_line_makes_tenants_and_keys_that_a_running_server_accepts(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    setup = Setup(tmp_path_factory.mktemp("cli"))
    environment = {f"WATTBUS_{name}": value for name, value in setup.settings(None).items()}
    async with setup.service() as service:
        name = await _command_line(environment, "tenants", "create", "Acme")
        secret = await _command_line(environment, "api-keys", "create", name)
        tenant = service.tenant(name, secret)

        async def accepted() -> bool | None:
            try:
                await tenant.list_devices()
            except grpc.aio.AioRpcError:
                return None
            return True

        assert await eventually(accepted)
        assert name in await _command_line(environment, "tenants", "list")
        listed = await _command_line(environment, "api-keys", "list", name)
        assert "works" in listed
        assert secret not in listed


async def _command_line(environment: dict[str, str], *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "wattbus_server",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()
