"""Commands of a real service process that is killed with SIGKILL while a real sandbox holds its calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from wattbus.v1 import device_service_pb2 as pb
from wattbus.v1.action_pb2 import Action, HonkHorn, SetChargeLimit
from wattbus.v1.command_pb2 import Command, CommandState, Rung
from wattbus.v1.device_pb2 import Device

from tests.commands.house import states
from tests.processes import PATIENCE_SECONDS, Sandbox
from tests.service import Service, Setup, Tenant, eventually

pytestmark = pytest.mark.timeout(400)

CAR = {
    "vin": "LRW3E7EK5PC000777",
    "display_name": "Blue Comet",
    "key": "paired",
    "falls_asleep": False,
    "battery_level": 50,
    "charge_limit": 60,
}
SCENARIO = {"users": [{"email": "robin@example.com", "region": "eu", "cars": [CAR]}]}
PATH = f"/api/1/vehicles/{CAR['vin']}/signed_command"
# Much longer than it takes to kill the service once the call is under way.
HELD_SECONDS = 60


class Killed:
    """A service that is started, killed, and started again over the same database."""

    def __init__(self, setup: Setup, sandbox: Sandbox) -> None:
        self.setup = setup
        self.sandbox = sandbox

    @asynccontextmanager
    async def first_life(self) -> AsyncIterator[tuple[Service, Tenant, Device]]:
        async with self.setup.service(self.sandbox) as service:
            tenant = await service.new_tenant()
            await tenant.link()
            yield service, tenant, await tenant.device_named("Blue Comet")
            service.process.kill()
            await service.process.wait()

    @asynccontextmanager
    async def second_life(self, before: Tenant) -> AsyncIterator[Tenant]:
        async with self.setup.service(self.sandbox) as service:
            yield service.tenant(before.name, before.key)
            assert "Traceback" not in "".join(service.stderr)


@asynccontextmanager
async def killed(folder: Path) -> AsyncIterator[Killed]:
    setup = Setup(folder)
    async with setup.sandbox(**SCENARIO) as sandbox:
        yield Killed(setup, sandbox)
        # What is still held is let go, so that the sandbox can end.
        await sandbox.control.step(HELD_SECONDS)


async def create(tenant: Tenant, car: Device, action: Action) -> Command:
    request = pb.CreateCommandRequest(parent=car.name, action=action, wait_for=Rung.RUNG_RECEIVED)
    return (await tenant.devices.CreateCommand(request, metadata=tenant.metadata)).command


async def get(tenant: Tenant, name: str) -> Command:
    return (await tenant.devices.GetCommand(pb.GetCommandRequest(name=name), metadata=tenant.metadata)).command


async def reached(tenant: Tenant, name: str, state: CommandState.ValueType) -> Command:
    async def look() -> Command | None:
        command = await get(tenant, name)
        return command if command.state >= state else None

    return await eventually(look)


async def first_token(tenant: Tenant) -> str:
    call = tenant.devices.WatchCommands(pb.WatchCommandsRequest(), metadata=tenant.metadata)
    token = (await anext(call.__aiter__())).resume_token
    call.cancel()
    return token


async def transitions(tenant: Tenant, token: str, ends: int) -> list[tuple[str, str]]:
    """Every transition behind a token until so many commands have ended."""
    found: list[tuple[str, str]] = []
    sequences: list[int] = []
    request = pb.WatchCommandsRequest(resume_token=token)
    call = tenant.devices.WatchCommands(request, metadata=tenant.metadata)
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for response in call:
            for event in response.events:
                found.append((event.command.name, states(event.command)))
                sequences.append(event.sequence)
            if sum(state in ("SUCCEEDED", "OUTCOME_UNKNOWN") for _, state in found) >= ends:
                break
    call.cancel()
    assert sequences == sorted(set(sequences))
    return found


async def test_a_value_and_the_queue_behind_it_survive_a_kill_and_no_transition_is_lost(tmp_path: Path) -> None:
    async with killed(tmp_path) as world:
        async with world.first_life() as (_, tenant, car):
            token = await first_token(tenant)
            await world.sandbox.control.inject_fault("slow_answer", target=PATH, seconds=HELD_SECONDS)
            limits = (70, 75, 80)
            names = [
                (await create(tenant, car, Action(set_charge_limit=SetChargeLimit(limit_percent=percent)))).name
                for percent in limits
            ]
            await reached(tenant, names[0], CommandState.COMMAND_STATE_SENT)
        async with world.second_life(tenant) as again:
            ends = [await reached(again, name, CommandState.COMMAND_STATE_SUCCEEDED) for name in names]
            assert [states(command) for command in ends] == ["SUCCEEDED"] * 3
            assert (await world.sandbox.control.get(f"/cars/{CAR['vin']}"))["charge_limit"] == 80
            told = await transitions(again, token, ends=3)
        for name, command in zip(names, ends, strict=True):
            story = [state for found, state in told if found == name]
            assert story[:3] == ["RECEIVED", "QUEUED", "SENT"]
            assert story[-1] == "SUCCEEDED"
            assert story.count("SENT") == command.send_count


async def test_a_horn_that_may_have_sounded_is_not_sounded_again_after_a_kill(tmp_path: Path) -> None:
    async with killed(tmp_path) as world:
        async with world.first_life() as (_, tenant, car):
            first = (await create(tenant, car, Action(honk_horn=HonkHorn()))).name
            await reached(tenant, first, CommandState.COMMAND_STATE_SUCCEEDED)
            await world.sandbox.control.inject_fault("slow_answer", target=PATH, seconds=HELD_SECONDS)
            name = (await create(tenant, car, Action(honk_horn=HonkHorn()))).name
            await reached(tenant, name, CommandState.COMMAND_STATE_SENT)
        async with world.second_life(tenant) as again:
            command = await reached(again, name, CommandState.COMMAND_STATE_SUCCEEDED)
            assert (states(command), command.send_count) == ("OUTCOME_UNKNOWN", 1)
            assert command.failure.may_have_run
            later = (await create(again, car, Action(honk_horn=HonkHorn()))).name
            assert states(await reached(again, later, CommandState.COMMAND_STATE_SUCCEEDED)) == "SUCCEEDED"
        assert (await world.sandbox.control.get(f"/cars/{CAR['vin']}"))["horn_honked"] in (2, 3)
