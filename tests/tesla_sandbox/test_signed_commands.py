"""Signed commands over HTTP: what Tesla's servers check, and what the car behind them answers."""

import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from tesla_protocol.command.car_server_pb2 import (
    ChargingSetLimitAction,
    ChargingStartStopAction,
    HvacAutoAction,
    VehicleAction,
)
from tesla_protocol.command.common_pb2 import Void
from tesla_protocol.command.universal_message_pb2 import MessageFault_E, RoutableMessage

from tests.tesla_sandbox.conftest import PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.person import Person
from tests.tesla_sandbox.signed_requests import (
    VCSEC,
    SignedClient,
    action,
    infotainment_result,
    rke,
    security_error,
)

SET_LIMIT = action(VehicleAction(chargingSetLimitAction=ChargingSetLimitAction(percent=70)))
START = action(VehicleAction(chargingStartStopAction=ChargingStartStopAction(start=Void())))
CLIMATE = action(VehicleAction(hvacAutoAction=HvacAutoAction(power_on=True)))


def path(vin: str = PAIRED_VIN) -> str:
    return f"/api/1/vehicles/{vin}/signed_command"


def encoded(message: RoutableMessage) -> dict[str, str]:
    return {"routable_message": base64.b64encode(message.SerializeToString()).decode()}


async def send(person: Person, message: RoutableMessage, vin: str = PAIRED_VIN) -> RoutableMessage:
    answered = await person.post(path(vin), encoded(message))
    assert answered.status_code == 200, answered.text
    return RoutableMessage.FromString(base64.b64decode(answered.json()["response"]))


async def connect(person: Person, client: SignedClient) -> SignedClient:
    request = client.handshake()
    client.learn(request, await send(person, request))
    return client


@pytest_asyncio.fixture
async def client(person: Person, application_key: ec.EllipticCurvePrivateKey) -> AsyncIterator[SignedClient]:
    yield await connect(person, SignedClient(application_key, PAIRED_VIN))


def fault_of(answer: RoutableMessage) -> str:
    name = MessageFault_E.Name(answer.signedMessageStatus.signed_message_fault)
    return name.removeprefix("MESSAGEFAULT_ERROR_")


async def car(person: Person, vin: str = PAIRED_VIN) -> dict[str, object]:
    return await person.sandbox.control.get(f"/cars/{vin}")


async def test_a_signed_command_reaches_the_car(person: Person, client: SignedClient) -> None:
    answer = await send(person, client.sign(SET_LIMIT))
    assert infotainment_result(answer.protobuf_message_as_bytes) == (True, "")
    await send(person, client.sign(START))
    await send(person, client.sign(CLIMATE))
    changed = await car(person)
    shown = ("charge_limit", "charging_state", "climate_on")
    assert [changed[name] for name in shown] == [70, "Starting", True]


async def test_locks_open_over_the_security_domain(person: Person, client: SignedClient) -> None:
    security = await connect(person, client.on(VCSEC))
    answer = await send(person, security.sign(rke("UNLOCK")))
    assert security_error(answer.protobuf_message_as_bytes) == 0
    assert (await car(person))["locked"] is False


async def test_the_server_looks_into_the_message_for_its_scope(
    stranger: Person, application_key: ec.EllipticCurvePrivateKey
) -> None:
    await stranger.link("openid offline_access vehicle_device_data vehicle_charging_cmds")
    client = await connect(stranger, SignedClient(application_key, PAIRED_VIN))
    answer = await send(stranger, client.sign(SET_LIMIT))
    assert infotainment_result(answer.protobuf_message_as_bytes) == (True, "")
    security = await connect(stranger, client.on(VCSEC))
    for message in (client.sign(CLIMATE), security.sign(rke("UNLOCK")), client.sign(b"\xff")):
        refused = await stranger.post(path(), encoded(message))
        assert (refused.status_code, refused.json()["error"]) == (403, "Unauthorized missing scopes")


async def test_encrypted_commands_are_blocked(person: Person, client: SignedClient) -> None:
    message = client.sign(SET_LIMIT)
    message.signature_data.AES_GCM_Personalized_data.counter = 9
    assert (await person.post(path(), encoded(message))).status_code == 403


async def test_an_unpaired_car_says_so(person: Person, application_key: ec.EllipticCurvePrivateKey) -> None:
    asleep = SignedClient(application_key, UNPAIRED_VIN)
    assert (await person.post(path(UNPAIRED_VIN), encoded(asleep.handshake()))).status_code == 408
    await person.sandbox.control.patch(f"/cars/{UNPAIRED_VIN}", {"state": "online"})
    request = asleep.handshake()
    info = asleep.learn(request, await send(person, request, UNPAIRED_VIN))
    assert info.status == 1
    assert fault_of(await send(person, asleep.sign(SET_LIMIT), UNPAIRED_VIN)) == "UNKNOWN_KEY_ID"


async def test_pairing_and_disabling_take_effect(person: Person, client: SignedClient) -> None:
    control = person.sandbox.control
    await control.patch(f"/cars/{PAIRED_VIN}", {"key": "disabled"})
    assert fault_of(await send(person, client.sign(SET_LIMIT))) == "INACTIVE_KEY"
    await control.patch(f"/cars/{PAIRED_VIN}", {"key": "paired"})
    assert fault_of(await send(person, client.sign(SET_LIMIT))) == "NONE"


@pytest.mark.parametrize(
    ("fault", "parameters", "expected"),
    [
        ("epoch_change", {}, "INCORRECT_EPOCH"),
        ("vehicle_fault", {"fault": 6}, "INVALID_TOKEN_OR_COUNTER"),
        ("vehicle_fault", {"fault": "TIME_TO_LIVE_TOO_LONG"}, "TIME_TO_LIVE_TOO_LONG"),
    ],
)
async def test_a_client_recovers_from_scripted_faults_with_the_answer_alone(
    person: Person,
    client: SignedClient,
    fault: str,
    parameters: dict[str, object],
    expected: str,
) -> None:
    injected = {"name": fault, "target": PAIRED_VIN, "parameters": parameters}
    await person.sandbox.control.post("/faults", injected)
    await recover(person, client, expected)


async def test_a_client_recovers_from_a_clock_that_runs_ahead(person: Person, client: SignedClient) -> None:
    await person.sandbox.control.inject_fault("clock_drift", target=PAIRED_VIN, count=None, seconds=600)
    await recover(person, client, "TIME_EXPIRED")
    assert fault_of(await send(person, client.sign(SET_LIMIT))) == "NONE"
    await person.sandbox.control.delete("/faults", {"name": "clock_drift"})
    await recover(person, client, "INCORRECT_EPOCH")


async def test_a_clock_runs_ahead_for_as_many_commands_as_asked(person: Person, client: SignedClient) -> None:
    await person.sandbox.control.inject_fault("clock_drift", target=PAIRED_VIN, count=2, seconds=600)
    await recover(person, client, "TIME_EXPIRED")
    await recover(person, client, "INCORRECT_EPOCH")


async def recover(person: Person, client: SignedClient, expected: str) -> None:
    """The car refuses so, and takes the same command once the client learnt from the refusal."""
    request = client.sign(SET_LIMIT)
    answer = await send(person, request)
    assert fault_of(answer) == expected
    client.learn(request, answer)
    assert fault_of(await send(person, client.sign(SET_LIMIT))) == "NONE"


async def test_a_busy_car_asks_to_wait(person: Person, client: SignedClient) -> None:
    await person.sandbox.control.inject_fault("vehicle_fault", target=PAIRED_VIN)
    answer = await send(person, client.sign(SET_LIMIT))
    assert (fault_of(answer), answer.signedMessageStatus.operation_status) == ("BUSY", 1)


async def test_a_lost_answer_leaves_the_command_done(person: Person, client: SignedClient) -> None:
    await person.sandbox.control.inject_fault("lost_answer", target=PAIRED_VIN)
    assert (await person.post(path(), encoded(client.sign(SET_LIMIT)))).status_code == 504
    assert (await car(person))["charge_limit"] == 70


@pytest.mark.parametrize(
    "body",
    [{}, {"routable_message": 5}, {"routable_message": "§"}, {"routable_message": "////"}, {"routable_message": ""}],
)
async def test_malformed_messages_are_refused_before_the_car(person: Person, body: dict[str, object]) -> None:
    assert (await person.post(path(), body)).status_code == 400
