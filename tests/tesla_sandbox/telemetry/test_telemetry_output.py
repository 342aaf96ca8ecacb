"""The forms of records, the command line and scenarios that ask for outputs, and repeatability."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import zmq
from cryptography.hazmat.primitives.asymmetric import ec

from tests.processes import PATIENCE_SECONDS, Json, ProcessFailedError, Sandbox, sandbox_process, until
from tests.service import free_port
from tests.tesla_sandbox.person import Person
from tests.tesla_sandbox.telemetry.subscriber import VIN, Received, Telemetry, two_cars, watching
from tests.tesla_sandbox.test_scenarios import ctl
from tests.tesla_sandbox.test_vehicle_telemetry_configuration import CREATE, SETTINGS, token


async def eventful_hour(telemetry: Telemetry) -> list[Received]:
    """A configured car that charges, sleeps, is lost and drives."""
    fields = {"Soc": 10, "InsideTemp": 5, "Location": 1, "DetailedChargeState": 1, "Odometer": 30}
    records = await telemetry.configure(fields, delivery_policy="latest", alert_types=["customer"])
    records += await telemetry.change(plugged_in=True, climate_on=True)
    records += await telemetry.step(900)
    await telemetry.control.inject_fault("telemetry_gap", target=VIN, seconds=45)
    records += await telemetry.step(300)
    records += await telemetry.change(plugged_in=False, alert={"name": "CHG_f1"})
    records += await telemetry.change(state="asleep")
    await telemetry.person.post(f"/api/1/vehicles/{VIN}/wake_up")
    records += await telemetry.step(600)
    records += await telemetry.change(drive_to={"latitude": 52.5, "longitude": 4.8, "mph": 55})
    return records + await telemetry.step(1800)


async def test_the_same_script_streams_the_same_bytes(
    sandbox: Sandbox,
    scenario: Callable[[], Json],
    browser: httpx.AsyncClient,
    application_key: ec.EllipticCurvePrivateKey,
) -> None:
    address = sandbox.announcement["telemetry"]["zmq"]
    runs = []
    for _ in range(2):
        await sandbox.control.put("/scenario", two_cars(scenario()))
        person = Person(sandbox, browser)
        await person.link()
        async with watching(person, application_key, address) as telemetry:
            runs.append(await eventful_hour(telemetry))
    assert runs[0] == runs[1]
    assert len(runs[0]) > 800


async def test_many_small_steps_stream_what_one_large_step_streams(
    sandbox: Sandbox,
    scenario: Callable[[], Json],
    browser: httpx.AsyncClient,
    application_key: ec.EllipticCurvePrivateKey,
) -> None:
    address = sandbox.announcement["telemetry"]["zmq"]
    runs: list[list[Received]] = []
    for steps in (1, 24):
        await sandbox.control.put("/scenario", two_cars(scenario()))
        person = Person(sandbox, browser)
        await person.link()
        async with watching(person, application_key, address) as telemetry:
            records = await telemetry.configure({"Soc": 10, "DetailedChargeState": 1, "TimeToFullCharge": 60})
            records += await telemetry.change(plugged_in=True)
            for _ in range(steps):
                records += await telemetry.step(600 / steps)
            runs.append(records)
    assert [(record.kind, record.seconds) for record in runs[0]] == [
        (record.kind, record.seconds) for record in runs[1]
    ]
    assert [record.fields for record in runs[0] if record.kind == "V"] == [
        record.fields for record in runs[1] if record.kind == "V"
    ]


async def test_records_can_be_sent_as_json_with_a_namespace_of_choice(
    scenario: Callable[[], Json], browser: httpx.AsyncClient, application_key: ec.EllipticCurvePrivateKey
) -> None:
    content = two_cars(scenario(), alerts=[{"name": "CHG_f1", "audience": ["service-fix"]}])
    content["telemetry"] = {"zmq": {"bind": "tcp://127.0.0.1:*", "namespace": "mine", "transmit_decoded_records": True}}
    async with sandbox_process(scenario=content) as sandbox:
        person = Person(sandbox, browser)
        await person.link()
        fields = {name: {"interval_seconds": 1} for name in ("Soc", "Gear", "DestinationName", "Location")}
        body = {
            "vins": [VIN],
            "token": token(application_key, {**SETTINGS, "fields": fields, "alert_types": ["service-fix"]}),
        }
        records = await json_records(sandbox, person, body)
    alert = {
        "name": "CHG_f1",
        "audiences": ["ServiceFix"],
        "startedAt": "2026-06-21T10:00:00Z",
        "endedAt": None,
    }
    assert records["mine_alerts"] == {"alerts": [alert], "createdAt": "2026-06-21T10:00:00Z", "vin": VIN}
    assert records["mine_V"] == {
        "data": [
            {"key": "Soc", "value": {"doubleValue": 60.0}},
            {"key": "Gear", "value": {"shiftStateValue": "ShiftStateP"}},
            {"key": "DestinationName", "value": {"invalid": True}},
            {"key": "Location", "value": {"locationValue": {"latitude": 52.37, "longitude": 4.9}}},
        ],
        "createdAt": "2026-06-21T10:00:00Z",
        "vin": VIN,
        "isResend": False,
    }
    connection = records["mine_connectivity"]
    assert set(connection) == {"vin", "connectionId", "status", "createdAt", "networkInterface"}
    assert (connection["status"], connection["networkInterface"]) == ("CONNECTED", "wifi")


async def json_records(sandbox: Sandbox, person: Person, body: Json) -> dict[str, Json]:
    """The records of one connection by topic; configures again until the subscriber takes part."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.SUBSCRIBE, b"mine_")
        socket.connect(sandbox.announcement["telemetry"]["zmq"])
        records: dict[str, Json] = {}

        async def complete() -> bool:
            await person.post(CREATE, body)
            while socket.poll(timeout=50):
                topic, payload = socket.recv_multipart()
                record = json.loads(payload)
                if record.get("status") != "DISCONNECTED":
                    records[topic.decode()] = record
            return set(records) == {"mine_V", "mine_alerts", "mine_connectivity"}

        await until(complete)
        return records


async def test_a_changed_scenario_opens_and_closes_outputs(scenario: Callable[[], Json]) -> None:
    async with sandbox_process(scenario=scenario()) as sandbox:
        assert sandbox.announcement["telemetry"] == {}
        with zmq.Context() as context, context.socket(zmq.REP) as taken:
            address = f"tcp://127.0.0.1:{free_port()}"
            taken.bind(address)
            wanted = {**scenario(), "telemetry": {"zmq": {"bind": address}}}
            with pytest.raises(httpx.HTTPStatusError, match="400"):
                await sandbox.control.put("/scenario", wanted)
        assert (await sandbox.control.get("/scenario"))["telemetry"]["zmq"] is None
        await sandbox.control.put("/scenario", wanted)
        assert (await sandbox.control.get("/scenario"))["telemetry"]["zmq"]["bind"] == address


async def test_secrets_of_an_output_are_not_shown() -> None:
    options = ["--telemetry-mqtt", "mqtt://robin:hush%21@127.0.0.1:1/base"]
    scenario = {"telemetry": {"mqtt": {"port": 1, "username": "robin", "password": "hush!"}}}
    async with sandbox_process(scenario=scenario, options=options) as sandbox:
        assert sandbox.announcement["telemetry"] == {"mqtt": "mqtt://127.0.0.1:1/base"}
        assert "hush" not in json.dumps(await sandbox.control.get("/scenario"))
    assert "hush" not in "".join(sandbox.stderr)


async def test_a_loaded_scenario_keeps_the_password_of_its_broker(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    greetings: asyncio.Queue[bytes] = asyncio.Queue()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greetings.put(await reader.read(1000))
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as listener, sandbox_process() as sandbox:
        port = listener.sockets[0].getsockname()[1]
        file.write_text(f"telemetry: {{mqtt: {{port: {port}, username: robin, password: hush}}}}")
        status, shown = await ctl(sandbox, "load", str(file))
        assert (status, shown["telemetry"]["mqtt"]["password"]) == (0, "**********")
        greeting = await asyncio.wait_for(greetings.get(), PATIENCE_SECONDS)
    assert greeting.endswith(b"\x00\x05robin\x00\x04hush")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--telemetry-zmq", "udp://127.0.0.1:1"], "tcp"),
        (["--telemetry-mqtt", "http://127.0.0.1"], "mqtt://127.0.0.1:1883/telemetry"),
        (["--telemetry-mqtt", "mqtt://127.0.0.1:99999"], "0-65535"),
    ],
)
async def test_unfit_addresses_are_refused_at_the_start(options: list[str], message: str) -> None:
    with pytest.raises(ProcessFailedError) as failed:
        async with sandbox_process(options=options):
            pass
    text = " ".join(str(failed.value).split())
    assert message in text
    assert "Traceback" not in text


@pytest.mark.parametrize(("library", "option"), [("zmq", "--telemetry-zmq"), ("aiomqtt", "--telemetry-mqtt")])
def test_without_the_library_an_output_says_what_to_install(
    library: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tesla_sandbox.telemetry.output import OutputError
    from tesla_sandbox.telemetry.outputs import Outputs, TelemetrySpec

    monkeypatch.setitem(sys.modules, library, None)
    spec = TelemetrySpec.model_validate({option.removeprefix("--telemetry-"): {}})
    with pytest.raises(OutputError, match=r"wattbus\[telemetry\]"):
        Outputs(spec)
