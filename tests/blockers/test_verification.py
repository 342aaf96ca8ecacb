import asyncio
from collections.abc import Callable

import pytest
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.reason_pb2 import Reason

from tests.commands.house import House
from tests.commands.vendor import Gate
from tests.processes import PATIENCE_SECONDS
from tests.state.world import CONNECTION, OTHER_TENANT, SECOND_CONNECTION, TENANT
from tests.turns import settled
from wattbus_server.problem import Problem

KEY, SERVICE = Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, Reason.REASON_VEHICLE_IN_SERVICE


async def record(house: House, **fields: object) -> str:
    (blocker,) = await house.ledger.record(TENANT, [Blocker(**fields)])  # type: ignore[arg-type] # proto keywords
    return blocker.name


async def until(fulfilled: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not fulfilled():  # noqa: ASYNC110 - what is waited for is another room's work
            await asyncio.sleep(0.003)


async def test_a_blocker_closes_by_itself_once_its_cause_is_gone(house: House, car: str) -> None:
    house.vendor.standing.add(KEY)
    name = await record(house, reason=KEY, device=car)
    house.verifier.start()
    await until(lambda: house.vendor.asked.count(name) >= 2)
    assert house.ledger.get_open(name) is not None
    house.vendor.standing.clear()
    await until(lambda: house.ledger.get_open(name) is None)


async def test_a_check_that_it_stands_is_noted(house: House, car: str) -> None:
    house.vendor.standing.add(KEY)
    name = await record(house, reason=KEY, device=car)
    opened = house.ledger.get_open(name)
    assert opened is not None
    await house.verifier.verify(TENANT, CONNECTION)
    assert await house.verifier.still_stands(name)
    checked = house.ledger.get_open(name)
    assert checked is not None
    assert checked.blocker.check_time.ToNanoseconds() > opened.blocker.check_time.ToNanoseconds()


@pytest.mark.parametrize(
    "trouble", [Problem(Reason.REASON_VENDOR_UNAVAILABLE, "No answer."), ZeroDivisionError("a defect")]
)
async def test_not_being_able_to_ask_resolves_nothing(house: House, car: str, trouble: Problem) -> None:
    name = await record(house, reason=KEY, device=car)
    house.vendor.ask_problem = trouble
    assert await house.verifier.still_stands(name)
    assert house.ledger.get_open(name) is not None
    house.vendor.ask_problem = None
    assert not await house.verifier.still_stands(name)


async def test_a_blocker_that_only_a_command_can_disprove_is_never_asked_about(house: House, car: str) -> None:
    name = await record(house, reason=Reason.REASON_VIRTUAL_KEY_DISABLED, device=car, connection=CONNECTION)
    await house.verifier.verify(TENANT, CONNECTION)
    assert house.vendor.asked == []
    assert house.ledger.get_open(name) is not None


async def test_a_change_of_state_is_a_hint_to_ask(house: House, car: str) -> None:
    name = await record(house, reason=SERVICE, device=car)
    house.vendor.standing.add(SERVICE)
    state = house.vendor.vehicles[car].observed(car)
    state.vehicle.information.in_service = True
    state.vehicle.information.observe_time.CopyFrom(state.connectivity.observe_time)
    house.hub.observe([state])
    await until(lambda: house.vendor.asked == [name])
    # Until the answer is in: whoever asks before gets the same one.
    await settled()
    more_of_the_same = house.vendor.vehicles[car].observed(car)
    more_of_the_same.vehicle.charge.power_w = 5000
    house.hub.observe([more_of_the_same])
    await house.verifier.still_stands(name)
    assert house.vendor.asked == [name, name], "charging power says nothing about service"
    house.vendor.standing.clear()
    out_of_service = house.vendor.vehicles[car].observed(car)
    out_of_service.vehicle.information.in_service = False
    out_of_service.vehicle.information.observe_time.CopyFrom(out_of_service.connectivity.observe_time)
    house.hub.observe([out_of_service])
    await until(lambda: house.ledger.get_open(name) is None)


async def test_a_changed_grant_is_a_hint_to_ask(house: House, car: str) -> None:
    scope = await record(house, reason=Reason.REASON_SCOPE_MISSING, connection=CONNECTION)
    key = await record(house, reason=KEY, device=car, connection=CONNECTION)
    house.vendor.standing.add(KEY)
    house.verifier.connection_changed(CONNECTION)
    await until(lambda: house.ledger.get_open(scope) is None)
    assert house.ledger.get_open(key) is not None


async def test_the_operators_blockers_are_asked_about_through_any_connection(house: House, car: str) -> None:
    name = await record(house, reason=Reason.REASON_VENDOR_BILLING_LIMIT_EXCEEDED)
    await house.verifier.verify(OTHER_TENANT, CONNECTION)
    assert house.vendor.asked == []
    await house.verifier.verify(TENANT, CONNECTION)
    assert house.ledger.get_open(name) is None


async def test_those_who_ask_at_the_same_time_share_one_answer(house: House, car: str) -> None:
    house.vendor.standing.add(KEY)
    name = await record(house, reason=KEY, device=car)
    answers = await asyncio.gather(*(house.verifier.still_stands(name) for _ in range(10)))
    assert answers == [True] * 10
    assert house.vendor.asked == [name]


async def test_a_dead_connection_keeps_no_blocker_of_the_whole_application_open(house: House, car: str) -> None:
    await house.link("second", connection=SECOND_CONNECTION)
    name = await record(house, reason=Reason.REASON_CLIENT_CREDENTIALS_REJECTED)
    for dead in (CONNECTION, SECOND_CONNECTION):
        house.vendor.dead = {dead}
        house.vendor.standing = {Reason.REASON_CLIENT_CREDENTIALS_REJECTED}
        assert await house.verifier.still_stands(name)
    house.vendor.standing.clear()
    assert not await house.verifier.still_stands(name)


async def test_who_waits_for_an_answer_does_not_wait_for_a_round_over_everything(house: House, car: str) -> None:
    house.vendor.standing = {KEY}
    others = await house.link("car", *(f"other-{number}" for number in range(20)))
    for other in others:
        await record(house, reason=KEY, device=other, connection=CONNECTION)
    house.vendor.asking = held = Gate()
    a_round = asyncio.create_task(house.verifier.verify(TENANT, CONNECTION))
    await held.reached.wait()
    in_the_round = len(house.vendor.asked)
    house.vendor.asking = None
    wanted = await record(house, reason=SERVICE, device=car)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert not await house.verifier.still_stands(wanted)
    assert house.vendor.asked == [*house.vendor.asked[:in_the_round], wanted], "the round is still held"
    held.opened.set()
    await a_round
