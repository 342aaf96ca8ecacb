"""What vehicles and sites answer, as problems."""

from datetime import UTC, datetime

import pytest
from tesla_protocol.command.universal_message_pb2 import MessageFault_E
from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.connection_pb2 import Vendor
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason

from tests.processes import Sandbox
from tests.vendors.tesla.control.conftest import CAR
from tests.vendors.tesla.control.examples import LOCK, charge_limit
from tests.vendors.tesla.control.linked_account import LinkedAccount
from wattbus_server.problem import Execution, Problem
from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.contract import DeviceRecord
from wattbus_server.vendors.tesla.control import TeslaControl
from wattbus_server.vendors.tesla.control.actions import ACTIONS, signed_kinds
from wattbus_server.vendors.tesla.control.energy import refusal_inside
from wattbus_server.vendors.tesla.control.fault_reasons import FAULT_REASONS
from wattbus_server.vendors.tesla.control.refusal_words import REFUSAL_WORDS
from wattbus_server.vendors.tesla.control.vehicle_refusals import VehicleRefusals
from wattbus_server.vendors.tesla.exchange import Answer
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.signing import CommandExpired, InvalidAnswer, VehicleFault
from wattbus_server.vendors.tesla.signing.faults import FAULT_RULES

LOCK_ROW = ACTIONS[ActionKind.ACTION_KIND_LOCK]
START_ROW = ACTIONS[ActionKind.ACTION_KIND_START_CHARGING]
CARS_OWN = TeslaRemedies(TeslaSettings(client_id="client", domain="app.example.com"))
NOW = datetime.now(UTC)
VEHICLE = DeviceRecord(
    name="devices/car",
    tenant="tenants/t",
    connection="connections/c",
    external_user_id="",
    vendor=Vendor.VENDOR_TESLA,
    kind=DeviceKind.DEVICE_KIND_VEHICLE,
    vendor_id=CAR,
    key=f"vehicle/{CAR}",
    display_name="",
    model="",
    site="",
    vendor_facts={},
    create_time=NOW,
    discover_time=NOW,
)


class Account:
    """An account that is only named."""

    connection = "connections/c"
    scopes = frozenset({"vehicle_cmds"})
    region = "eu"

    async def access_token(self) -> str:
        return "token"

    async def replace_token(self, rejected: str) -> str:
        return rejected

    async def remember_region(self, region: str) -> None:
        raise AssertionError(region)


def fault(number: int) -> Problem:
    return VehicleRefusals(CARS_OWN).failed(Account(), VEHICLE, LOCK_ROW, VehicleFault(number))


def refused(reason: str) -> Problem:
    return VehicleRefusals(CARS_OWN).refused(Account(), VEHICLE, START_ROW, reason)


def test_every_fault_of_the_protocol_has_a_reason() -> None:
    assert set(FAULT_REASONS) == set(FAULT_RULES)
    assert set(FAULT_REASONS) >= set(MessageFault_E.values())


@pytest.mark.parametrize("number", sorted(FAULT_REASONS))
def test_a_fault_says_whether_it_may_have_run_and_keeps_the_sentence(number: int) -> None:
    problem = fault(number)
    rule = FAULT_RULES[number]
    assert problem.vendor_reason == rule.sentence
    assert rule.sentence in problem.message
    if rule.may_have_executed:
        assert problem.execution is Execution.UNKNOWN
        assert problem.reason == Reason.REASON_OUTCOME_UNKNOWN
    else:
        assert problem.execution is Execution.REFUSED
        assert problem.reason == FAULT_REASONS[number].reason
    assert problem.blockers[0].reason == problem.reason
    assert problem.metadata["device"] == VEHICLE.name


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (3, Reason.REASON_VIRTUAL_KEY_NOT_PAIRED),
        (4, Reason.REASON_VIRTUAL_KEY_DISABLED),
        (7, Reason.REASON_KEY_ROLE_INSUFFICIENT),
        (9, Reason.REASON_NOT_SUPPORTED_BY_DEVICE),
        (14, Reason.REASON_KEYCHAIN_FULL),
        (21, Reason.REASON_REMOTE_ACCESS_DISABLED),
    ],
)
def test_faults_that_people_can_heal_name_them(number: int, reason: int) -> None:
    problem = fault(number)
    assert problem.reason == reason
    assert problem.blockers[0].remedies[0].steps


@pytest.mark.parametrize("number", [1, 5, 6, 11, 15, 17, 20, 26])
def test_faults_that_pass_say_when_to_try_again(number: int) -> None:
    problem = fault(number)
    assert problem.reason == Reason.REASON_COMMAND_PATH_UNAVAILABLE
    assert problem.retry_delay is not None


def test_a_fault_that_nobody_knows_may_have_run() -> None:
    assert fault(4711).execution is Execution.UNKNOWN


def test_a_key_problem_blocks_every_signed_action_and_a_refused_command_only_itself() -> None:
    assert set(fault(3).blockers[0].blocked_actions) == signed_kinds()
    assert list(refused("no_power").blockers[0].blocked_actions) == [START_ROW.kind]


def test_time_that_ran_out_before_sending_leaves_nothing_open() -> None:
    expired = CommandExpired("too late", may_have_executed=False)
    problem = VehicleRefusals(CARS_OWN).failed(Account(), VEHICLE, LOCK_ROW, expired)
    assert problem.execution is Execution.NOT_SENT
    assert problem.retry_delay is not None


def test_a_forged_answer_to_a_command_leaves_the_outcome_open() -> None:
    forged = InvalidAnswer("forged", may_have_executed=True)
    problem = VehicleRefusals(CARS_OWN).failed(Account(), VEHICLE, LOCK_ROW, forged)
    assert problem.reason == Reason.REASON_OUTCOME_UNKNOWN
    assert problem.retry_delay is None


@pytest.mark.parametrize("word", sorted(REFUSAL_WORDS))
def test_a_known_word_says_who_does_what(word: str) -> None:
    problem = refused(f"car could not execute command: {word}")
    row = REFUSAL_WORDS[word]
    assert problem.reason == row.reason
    assert problem.vendor_reason.endswith(word)
    assert problem.blockers[0].end_user_message == row.end_user_message
    assert list(problem.blockers[0].remedies[0].steps) == list(row.steps)


def test_an_unknown_word_stays_as_it_is() -> None:
    problem = refused("flux_capacitor_empty")
    assert problem.reason == Reason.REASON_VEHICLE_REFUSED
    assert problem.vendor_reason == "flux_capacitor_empty"
    assert problem.blockers[0].remedies[0].actor == Actor.ACTOR_END_USER


async def test_a_fault_of_a_real_exchange_reaches_the_caller(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await control.send(account, car, LOCK)
    await sandbox.control.inject_fault("vehicle_fault", target=CAR, count=None, fault=21)
    with pytest.raises(Problem) as met:
        await control.send(account, car, LOCK)
    assert met.value.reason == Reason.REASON_REMOTE_ACCESS_DISABLED


async def test_a_fault_that_passes_is_overcome_within_the_call(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await control.send(account, car, charge_limit(70))
    await sandbox.control.inject_fault("vehicle_fault", target=CAR, count=1, fault=6)
    await control.send(account, car, charge_limit(71))
    assert (await sandbox.control.get(f"/cars/{CAR}"))["charge_limit"] == 71


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (204, ""),
        (200, ""),
        (200, "OK"),
        (200, '{"response":{"code":201,"message":"Updated"}}'),
        (200, '{"response":{"code":204}}'),
        (200, '{"response":{"result":true,"reason":""}}'),
        (200, '{"response":null}'),
        (200, '{"response":"Updated","error":"","error_description":""}'),
        (200, "{}"),
    ],
)
def test_every_known_form_of_success_of_a_site_is_one(status: int, text: str) -> None:
    assert refusal_inside(Answer(status, text)) is None


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('{"response":{"code":400,"message":"Invalid reserve"}}', 400),
        ('{"response":{"code":500,"message":"upstream"}}', 500),
        ('{"response":{"result":false,"reason":"not allowed"}}', 400),
        ('{"response":null,"error":"invalid_request"}', 400),
    ],
)
def test_a_refusal_inside_a_successful_answer_is_found(text: str, status: int) -> None:
    assert refusal_inside(Answer(200, text)) == status
