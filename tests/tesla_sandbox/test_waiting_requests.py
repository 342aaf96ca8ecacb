"""Requests that wait for the virtual clock do not outlive their client, their world or the program."""

import asyncio
from collections.abc import Callable

import httpx

from tests.processes import PATIENCE_SECONDS, Json, Sandbox, sandbox_process, until
from tests.tesla_sandbox.conftest import FREE_SITE
from tests.tesla_sandbox.person import Person

RESERVE = f"/api/1/energy_sites/{FREE_SITE}/backup"


async def waiting(person: Person) -> "asyncio.Task[httpx.Response]":
    """A write that waits for a clock that stands."""
    control = person.sandbox.control
    await control.inject_fault("slow_answer", target=str(FREE_SITE), seconds=3600)
    pending = asyncio.create_task(person.post(RESERVE, {"backup_reserve_percent": 44}))

    async def taken() -> bool:
        return not (await control.get("/faults"))["armed"]

    await until(taken)
    return pending


async def reserve(sandbox: Sandbox) -> object:
    return (await sandbox.control.get(f"/homes/{FREE_SITE}"))["backup_reserve_percent"]


async def test_a_request_is_dropped_when_its_client_goes_away(person: Person) -> None:
    control = person.sandbox.control
    pending = await waiting(person)
    pending.cancel()

    async def dropped() -> bool:
        return [entry["status"] for entry in await control.requests(RESERVE)] == [499]

    await until(dropped)
    await control.step(7200)
    assert await reserve(person.sandbox) == 20


async def test_a_request_ends_with_its_world(person: Person, scenario: Callable[[], Json]) -> None:
    pending = await waiting(person)
    await person.sandbox.control.put("/scenario", scenario())
    assert (await pending).status_code == 503
    assert await reserve(person.sandbox) == 20


async def test_the_program_ends_while_a_request_waits(scenario: Callable[[], Json]) -> None:
    async with (
        sandbox_process(scenario=scenario()) as sandbox,
        httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as client,
    ):
        person = Person(sandbox, client)
        await person.link()
        pending = await waiting(person)
        sandbox.process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await sandbox.process.wait()
        assert (await pending).status_code == 503
        assert sandbox.process.returncode in (0, -15)
        assert not any("Traceback" in line or "ERROR" in line for line in sandbox.stderr)
