"""The same seed and the same script under a paused clock give the same bytes, in every process."""

import base64
from collections.abc import Callable

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tesla_protocol.command.car_server_pb2 import VehicleAction
from tesla_protocol.command.universal_message_pb2 import RoutableMessage

from tests.processes import PATIENCE_SECONDS, Json, sandbox_process
from tests.service import free_port
from tests.tesla_sandbox.conftest import FREE_SITE, PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.contract import ENDPOINTS, PARTNER, called
from tests.tesla_sandbox.person import Person
from tests.tesla_sandbox.signed_requests import ENCRYPT, SignedClient, action

HOUR = 3600
KEY = ec.derive_private_key(20_260_621, ec.SECP256R1())

Recorded = list[tuple[str, int, tuple[tuple[str, str], ...], bytes]]


class Recorder:
    """Keeps every answer: status, headers but the date, body."""

    def __init__(self) -> None:
        self.answers: Recorded = []

    async def keep(self, answered: httpx.Response) -> None:
        content = await answered.aread()
        headers = tuple(sorted((name, value) for name, value in answered.headers.items() if name != "date"))
        self.answers.append((f"{answered.request.method} {answered.url}", answered.status_code, headers, content))


async def send(person: Person, message: RoutableMessage) -> RoutableMessage:
    body = {"routable_message": base64.b64encode(message.SerializeToString()).decode()}
    answered = await person.post(f"/api/1/vehicles/{PAIRED_VIN}/signed_command", body)
    return RoutableMessage.FromString(base64.b64decode(answered.json()["response"]))


async def signed_script(person: Person) -> None:
    client = SignedClient(KEY, PAIRED_VIN, flags=ENCRYPT)
    request = client.handshake()
    client.learn(request, await send(person, request))
    charge = VehicleAction()
    charge.chargingStartStopAction.start.SetInParent()
    await send(person, client.sign(action(charge)))


async def play(person: Person) -> None:
    """Consent, read and write everything, command, break, step, refresh."""
    control = person.sandbox.control
    await person.link()
    partner = await person.partner_token()
    await signed_script(person)
    await control.patch(f"/cars/{UNPAIRED_VIN}", {"wake": True})
    for seconds in (0, 7, HOUR, 11 * HOUR):
        await control.step(seconds)
        if seconds == 11 * HOUR:
            await person.refresh()
            await person.link()
            partner = await person.partner_token()
        for entry in ENDPOINTS:
            await called(person, entry, token=partner if entry.token == PARTNER else None)
    await control.inject_fault("ignored_energy_write", target=str(FREE_SITE))
    await control.patch(f"/cars/{PAIRED_VIN}", {"reboot": True})
    await control.step(60)
    await signed_script(person)


async def recorded(scenario: Json, port: int, seed: int) -> Recorded:
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    scenario["applications"][0]["public_key"] = public
    recorder = Recorder()
    options = ["--port", str(port), "--seed", str(seed)]
    async with (
        sandbox_process(scenario=scenario, options=options) as sandbox,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS, event_hooks={"response": [recorder.keep]}) as http,
    ):
        await play(Person(sandbox, http))
    return recorder.answers


async def test_two_processes_answer_with_the_same_bytes(scenario: Callable[[], Json]) -> None:
    port = free_port()
    first = await recorded(scenario(), port, 5)
    second = await recorded(scenario(), port, 5)
    assert len(first) > 4 * len(ENDPOINTS)
    different = [one[0] for one, other in zip(first, second, strict=True) if one != other]
    assert not different
    assert not [one for one in first if one[1] >= 500]


async def test_another_seed_gives_other_ids(scenario: Callable[[], Json]) -> None:
    port = free_port()
    first, second = [await recorded(scenario(), port, seed) for seed in (5, 6)]
    assert len(first) == len(second)
    read = f"/api/1/vehicles/{PAIRED_VIN}/mobile_enabled"
    ids = [{dict(one[2])["x-txid"] for one in answers if one[0].endswith(read)} for answers in (first, second)]
    assert len(ids[0]) == len(ids[1]) == 4
    assert not ids[0] & ids[1]
