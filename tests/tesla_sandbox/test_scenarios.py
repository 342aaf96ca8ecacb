import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import yaml
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tesla_sandbox.fault_table import FAULTS
from tesla_sandbox.scenario import ScenarioError, bundled_scenarios, load_scenario, parse_scenario
from tesla_sandbox.world_builder import build_world
from tests.processes import ROOT, Json, ProcessFailedError, Sandbox, sandbox_process, until
from tests.tesla_sandbox.conftest import FREE_SITE, PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.person import CLIENT_ID, DOMAIN, EMAIL, Person, authorization_parameters

LIVE = f"/api/1/energy_sites/{FREE_SITE}/live_status"


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_named_fault_is_taken_somewhere(name: str) -> None:
    sources = (ROOT / "server" / "tesla_sandbox").rglob("*.py")
    catalogue = ROOT / "server" / "tesla_sandbox" / "fault_table.py"
    assert any(f'"{name}"' in source.read_text() for source in sources if source != catalogue)


@pytest.mark.parametrize("name", bundled_scenarios())
def test_bundled_scenarios_build_a_world(name: str) -> None:
    world = build_world(load_scenario(name))
    assert world.users
    assert world.applications


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("users: [", "no YAML"),
        ("- a\n- b", "valid dictionary"),
        ("userz: []", "userz"),
        ("users: [{email: a@b, cars: [{vin: SHORT}]}]", "vin"),
        ("users: [{email: a@b, homes: [{site_id: 1, time_zone: Nowhere}]}]", "IANA"),
        ("users: [{email: a@b, homes: [{site_id: 1, tariff: {}}]}]", "energy_charges"),
        ("script: [{after_s: 1, spaceship: 3}]", "a step names a car, a home, a fault, or the email of a consent"),
        ("script: [{after_s: 1, home: 3, chnge: {}}]", r"script\.0\.home\.chnge"),
        ("script: [{after_s: 1, email: a@b, client_id: c, scope: []}]", r"script\.0\.email\.scope"),
        ("clock: {speed: -1}", "speed"),
        ("clock: {start: 2026-06-21T12:00:00}", r"clock\.start\n.*timezone"),
        ("clock: {start: 2026-06-21}", r"clock\.start\n.*timezone"),
        ("clock: {start: 0001-01-01T00:00:00Z}", r"clock\.start\n.*2000"),
        ("clock: {start: 9999-12-31T00:00:00Z}", r"clock\.start\n.*2200"),
        ("clock: {start: 2026-02-31T00:00:00Z}", "no YAML"),
        ("rate_limits: {data: -5}", r"rate_limits\.data"),
        ("applications: [{billing_limit_usd: .inf}]", r"applications\.0\.billing_limit_usd"),
        ("users: [{email: a@b, homes: [{site_id: 1, grid: {max_import_w: .inf}}]}]", r"grid\.max_import_w"),
        ("", "describes nothing"),
        ("{}", "describes nothing"),
        ("[]", "describes nothing"),
        ("# nothing yet", "describes nothing"),
    ],
)
def test_an_unfit_scenario_file_says_where(text: str, problem: str) -> None:
    with pytest.raises(ScenarioError, match=problem):
        parse_scenario(text, "test")


@pytest.mark.parametrize(
    ("scenario", "problem"),
    [
        ({"users": [{"email": "a"}, {"email": "a"}]}, "twice"),
        ({"users": [{"email": "a", "homes": [{"site_id": 1}, {"site_id": 1}]}]}, "twice"),
        ({"users": [{"email": "a", "shared_vins": ["LRW3E7EK5PC000101"]}]}, "unknown car"),
        ({"users": [{"email": "a", "shared_site_ids": [7]}]}, "unknown home"),
        (
            {
                "users": [
                    {"email": "a", "homes": [{"site_id": 1, "wall_connectors": [{"din": "W", "vin": PAIRED_VIN}]}]}
                ]
            },
            "unknown car",
        ),
        (
            {
                "users": [
                    {
                        "email": "a",
                        "cars": [{"vin": PAIRED_VIN}],
                        "homes": [
                            {"site_id": 1, "wall_connectors": [{"din": "W", "vin": PAIRED_VIN}]},
                            {"site_id": 2, "wall_connectors": [{"din": "V", "vin": PAIRED_VIN}]},
                        ],
                    }
                ]
            },
            "two wall connectors",
        ),
        ({"fleets": [{"email": "nobody", "cars": 1}]}, "unknown user"),
        ({"users": [{"email": "a"}], "fleets": [{"email": "a", "cars": 1, "car": {"wings": 2}}]}, "wings"),
        ({"faults": [{"name": "gremlin"}]}, "unknown fault"),
        ({"faults": [{"name": "slow_answer", "parameters": {"secnds": 5}}]}, "no parameter 'secnds'"),
        ({"script": [{"after_s": 1, "fault": "gremlin"}]}, "unknown fault"),
        ({"grants": [{"email": "a", "client_id": "b", "scopes": []}]}, "unknown"),
        ({"applications": [{"client_id": "a", "client_secret": "b", "public_key": "no key"}]}, "public_key"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(scenario: Json, problem: str) -> None:
    with pytest.raises(ScenarioError, match=problem):
        build_world(parse_scenario(json.dumps(scenario), "test"))


def test_a_fleet_is_varied_and_the_same_for_the_same_seed() -> None:
    scenario = parse_scenario("users: [{email: a}]\nfleets: [{email: a, cars: 40, homes: 20}]", "fleet")
    one, other = build_world(scenario, seed=3), build_world(scenario, seed=3)
    levels = [car.battery.level for car in one.cars.values()]
    assert len(set(levels)) > 20
    assert levels == [car.battery.level for car in other.cars.values()]
    assert list(one.homes) == list(other.homes)
    assert len(next(iter(one.users.values())).vins) == 40


async def test_a_script_takes_its_steps_at_their_moments(person: Person, scenario: object) -> None:
    assert callable(scenario)
    description: Json = scenario()
    description["script"] = [
        {"after_s": 3600, "home": FREE_SITE, "change": {"outage": "none"}},
        {"after_s": 600, "home": FREE_SITE, "change": {"outage": "grid_failure"}},
        {"after_s": 60, "fault": "site_unreachable", "target": str(FREE_SITE)},
        {"after_s": 90, "car": PAIRED_VIN, "change": {"plugged_in": False}},
        {"after_s": 7200, "email": EMAIL, "client_id": CLIENT_ID},
    ]
    control = person.sandbox.control
    await control.put("/scenario", description)
    await person.link()
    assert (await person.get(LIVE)).status_code == 200
    await control.step(100)
    assert (await person.get(LIVE)).status_code == 500
    assert (await control.get(f"/cars/{PAIRED_VIN}"))["plugged_in"] is False

    await control.step(3 * 1800)
    history = await person.get(
        f"/api/1/energy_sites/{FREE_SITE}/calendar_history",
        params={"kind": "backup", "start_date": "2026-06-21T00:00:00Z", "end_date": "2026-06-22T00:00:00Z"},
    )
    assert history.json()["response"]["events"] == [{"timestamp": "2026-06-21T12:10:00+02:00", "duration": 3000}]
    await control.step(3600)
    assert (await person.refresh()).status_code == 401


async def test_a_script_runs_by_itself_while_the_clock_flows(sandbox: Sandbox) -> None:
    description: Json = {
        "clock": {"speed": 1000},
        "users": [{"email": "a", "homes": [{"site_id": 1}]}],
        "script": [{"after_s": 50, "home": 1, "change": {"state_of_charge": 12.0}}],
    }
    await sandbox.control.put("/scenario", description)

    async def changed() -> bool:
        return bool((await sandbox.control.get("/homes/1"))["state_of_charge"] < 13)

    await until(changed)


async def test_reset_begins_the_scenario_again(person: Person) -> None:
    await person.sandbox.control.patch(f"/homes/{FREE_SITE}", {"state_of_charge": 5.0})
    await person.sandbox.control.post("/reset", {})
    assert (await person.sandbox.control.get(f"/homes/{FREE_SITE}"))["state_of_charge"] == 60.0
    assert (await person.get(LIVE)).status_code == 401


async def test_an_unfit_scenario_leaves_the_world_as_it_is(person: Person) -> None:
    answered = await person.http.put(person.url("/sandbox/v1/scenario"), content=b"users: [{email: a}, {email: a}]")
    assert answered.status_code == 400
    assert (await person.get(LIVE)).status_code == 200


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ({"car": "NOBODY", "change": {}}, "script.1: there is no such car"),
        ({"car": PAIRED_VIN, "change": {"plugedin": False}}, "script.1: plugedin is no property of a car"),
        ({"car": PAIRED_VIN, "change": {"locked": "yes"}}, "script.1: locked is true or false"),
        ({"home": 7, "change": {}}, "script.1: there is no such home"),
        ({"home": FREE_SITE, "change": {"outge": "none"}}, "script.1.change: outge: Extra inputs"),
        ({"home": FREE_SITE, "change": {"storm": {"seconds": -1}}}, "script.1.change: storm.seconds: Input should"),
        ({"email": "nobody", "client_id": CLIENT_ID}, "script.1: there is no such user"),
        ({"email": EMAIL, "client_id": "nobody"}, "script.1: there is no such application"),
        ({"fault": "gremlin"}, "unknown fault"),
        ({"spaceship": 3}, "script.1"),
    ],
)
async def test_a_step_that_cannot_be_taken_is_refused_at_once(
    person: Person, scenario: Callable[[], Json], step: Json, problem: str
) -> None:
    description = scenario()
    pairing = {"after_s": 1, "car": PAIRED_VIN, "change": {"key": "unpaired"}}
    description["script"] = [pairing, {"after_s": 9, **step}]
    refused = await person.http.put(person.url("/sandbox/v1/scenario"), json=description)
    assert refused.status_code == 400
    assert problem in refused.json()["error"]
    assert (await person.get(LIVE)).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\n# later\n"])
async def test_an_empty_scenario_leaves_the_world_as_it_is(person: Person, body: bytes) -> None:
    refused = await person.http.put(person.url("/sandbox/v1/scenario"), content=body)
    assert refused.status_code == 400
    assert refused.json() == {"error": "the scenario describes nothing"}
    assert (await person.get(LIVE)).status_code == 200


@pytest.mark.parametrize("start", ["2000-01-01T00:00:00Z", "2199-12-31T23:59:00Z"])
async def test_every_start_has_a_past_and_a_present(person: Person, scenario: Callable[[], Json], start: str) -> None:
    description = scenario()
    description["clock"]["start"] = start
    await person.sandbox.control.put("/scenario", description)
    await person.link()
    for kind in ("energy", "backup"):
        history = await person.get(
            f"/api/1/energy_sites/{FREE_SITE}/calendar_history", params={"kind": kind, "end_date": start}
        )
        assert history.status_code == 200, history.text
    assert (await person.get(LIVE)).status_code == 200
    assert (await person.get(f"/api/1/vehicles/{PAIRED_VIN}/vehicle_data")).status_code == 200


async def test_the_clock_ends_before_the_dates_do(person: Person, scenario: Callable[[], Json]) -> None:
    description = scenario()
    description["clock"]["start"] = "2199-06-01T00:00:00Z"
    control = person.sandbox.control
    await control.put("/scenario", description)
    beyond = await person.http.patch(person.url("/sandbox/v1/clock"), json={"step_seconds": 366 * 86_400})
    assert (beyond.status_code, beyond.json()) == (400, {"error": "the clock ends on 2200-01-01"})
    assert (await control.get("/clock"))["now"] == "2199-06-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/applications/{CLIENT_ID}", b'{"billing_limit_usd": Infinity}'),
        (f"/homes/{FREE_SITE}", b'{"max_import_w": NaN}'),
        ("/clock", b'{"step_seconds": NaN}'),
        (f"/cars/{PAIRED_VIN}", b'{"battery_level": NaN}'),
    ],
)
async def test_numbers_are_finite(person: Person, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    refused = await person.http.patch(person.url(f"/sandbox/v1{path}"), content=body, headers=headers)
    assert refused.status_code == 400


async def test_the_program_refuses_an_unknown_scenario_with_a_sentence() -> None:
    with pytest.raises(ProcessFailedError, match="cannot read scenario"):
        async with sandbox_process(scenario="/nowhere.yaml"):
            pass


async def test_command_line_options_describe_the_application(tmp_path: Path, public_key_pem: str) -> None:
    key = tmp_path / "key.pem"
    key.write_text(public_key_pem)
    options = ["--client-id", "mine", "--client-secret", "hush", "--redirect-uri", "http://127.0.0.1:7/cb"]
    options += ["--domain", "mine.example", "--public-key", str(key), "--clock", "paused", "--seed", "5"]
    async with sandbox_process(options=options) as sandbox:
        (application,) = (await sandbox.control.get("/applications"))["applications"]
        assert application["client_id"] == "mine"
        assert application["redirect_uris"] == ["http://127.0.0.1:7/cb"]
        assert application["domain"] == "mine.example"
        assert application["has_public_key"] is True
        assert "hush" not in json.dumps(application)
        cars = (await sandbox.control.get("/cars"))["cars"]
        assert [car["key"] for car in cars] == ["paired", "unpaired", "unpaired"]
        assert (await sandbox.control.get("/clock"))["paused"] is True


async def test_command_line_options_hold_for_every_scenario(tmp_path: Path, public_key_pem: str) -> None:
    key = tmp_path / "key.pem"
    key.write_text(public_key_pem)
    other = tmp_path / "other.yaml"
    other.write_text(
        yaml.safe_dump({"users": [{"email": "solo@example.com", "cars": [{"vin": PAIRED_VIN, "key": "paired"}]}]})
    )
    options = ["--client-id", "mine", "--public-key", str(key), "--clock", "paused", "--seed", "5"]
    async with sandbox_process(options=options) as sandbox:
        assert (await ctl(sandbox, "load", str(other)))[0] == 0
        for again in (False, True):
            if again:
                await sandbox.control.post("/reset", {})
            (application,) = (await sandbox.control.get("/applications"))["applications"]
            assert (application["client_id"], application["has_public_key"]) == ("mine", True)
            assert (await sandbox.control.get(f"/cars/{PAIRED_VIN}"))["key"] == "paired"
            assert (await sandbox.control.get("/clock"))["paused"] is True
            assert (await sandbox.control.get("/scenario"))["seed"] == 5


@pytest.mark.parametrize(
    ("redirect_uri", "status"),
    [
        ("http://127.0.0.1:8080/callback", 303),
        ("http://localhost/callback?from=tesla", 303),
        ("https://[::1]:8443/", 303),
        ("http://127.0.0.1.evil.example/", 400),
        ("http://127.0.0.1@evil.example/", 400),
        ("http://evil.example\\@127.0.0.1/", 400),
        ("https://app.example.com/callback", 400),
        ("app://127.0.0.1/", 400),
        ("", 400),
    ],
)
async def test_without_described_redirect_uris_people_return_to_this_computer_only(
    stranger: Person, scenario: Callable[[], Json], redirect_uri: str, status: int
) -> None:
    description = scenario()
    del description["applications"][0]["redirect_uris"]
    await stranger.sandbox.control.put("/scenario", description)
    form = authorization_parameters() | {"redirect_uri": redirect_uri, "email": EMAIL, "decision": "cancel"}
    answered = await stranger.http.post(stranger.url("/oauth2/v3/authorize"), data=form)
    assert answered.status_code == status
    if status == 303:
        assert answered.headers["location"].startswith(redirect_uri)


async def ctl(sandbox: Sandbox, *arguments: str) -> tuple[int, Json]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tesla_sandbox", "ctl", "--url", sandbox.base_url, *arguments),
        cwd=ROOT / "server",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(output) if output else {}


async def test_ctl_changes_a_running_sandbox(sandbox: Sandbox, tmp_path: Path) -> None:
    assert (await ctl(sandbox, "clock", "--step", "60"))[1]["now"].startswith("2026-06-21T10:01:00")
    status, car = await ctl(sandbox, "car", PAIRED_VIN, "plugged_in=false", "battery_level=33")
    assert (status, car["plugged_in"], car["battery_level"]) == (0, False, 33)
    _, home = await ctl(sandbox, "home", str(FREE_SITE), "outage=grid_failure")
    assert home["live_status"]["grid_status"] == "Inactive"
    _, fault = await ctl(sandbox, "fault", "slow_energy_write", "--target", str(FREE_SITE), "seconds=9")
    assert fault["parameters"] == {"seconds": 9}
    assert (await ctl(sandbox, "clear-faults"))[1] == {"cleared": 1}
    _, granted = await ctl(sandbox, "grant", EMAIL, CLIENT_ID, "energy_cmds")
    assert granted["grants"][0]["scopes"] == ["energy_cmds"]
    _, car = await ctl(sandbox, "car", PAIRED_VIN, "charging_amps=7")
    assert car["charging_amps"] == 7
    _, limits = await ctl(sandbox, "rate-limits", "data=5")
    assert limits["data"] == 5
    scenario = tmp_path / "small.yaml"
    scenario.write_text(yaml.safe_dump({"users": [{"email": "solo@example.com"}]}))
    assert (await ctl(sandbox, "load", str(scenario)))[0] == 0
    assert (await ctl(sandbox, "users"))[1]["users"][0]["email"] == "solo@example.com"
    assert (await ctl(sandbox, "car", "NOBODY"))[0] == 1


async def test_a_full_keychain_can_be_made_at_run_time(person: Person) -> None:
    _, car = await ctl(person.sandbox, "car", UNPAIRED_VIN, "state=online", "other_keys=20")
    assert (car["keys"], car["key"]) == (20, "unpaired")
    status = (await person.post("/api/1/vehicles/fleet_status", {"vins": [UNPAIRED_VIN]})).json()["response"]
    assert status["vehicle_info"][UNPAIRED_VIN]["total_number_of_keys"] == 20
    page = person.url(f"/_ak/{DOMAIN}")
    refused = await person.http.post(page, data={"email": EMAIL, "vin": UNPAIRED_VIN, "decision": "pair"})
    assert refused.status_code == 409
    assert "at most 20 keys" in refused.text
    assert (await ctl(person.sandbox, "car", UNPAIRED_VIN, "key=paired"))[0] == 1
    _, car = await ctl(person.sandbox, "car", UNPAIRED_VIN, "other_keys=19", "key=paired")
    assert (car["keys"], car["key"]) == (20, "paired")


@pytest.fixture
async def key_host(public_key_pem: str) -> AsyncIterator[str]:
    """A web server that hosts the application's public key."""
    import uvicorn

    path = "/.well-known/appspecific/com.tesla.3p.public-key.pem"

    async def serve_key(_: object) -> PlainTextResponse:
        return PlainTextResponse(public_key_pem)

    app = Starlette(routes=[Route(path, serve_key)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}{path}"
    server.should_exit = True
    await task


async def test_registration_fetches_the_hosted_key_and_pairs_waiting_cars(
    person: Person, scenario: object, key_host: str
) -> None:
    assert callable(scenario)
    description: Json = scenario()
    description["applications"][0] |= {
        "public_key": None,
        "registered_regions": [],
        "hosted_key_url": "http://127.0.0.1:9/nothing",
    }
    control = person.sandbox.control
    await control.put("/scenario", description)
    partner = await person.partner_token()
    missing = await person.post("/api/1/partner_accounts", {"domain": DOMAIN}, token=partner)
    assert missing.status_code == 424

    description["applications"][0]["hosted_key_url"] = key_host
    await control.put("/scenario", description)
    partner = await person.partner_token()
    assert (await control.get(f"/cars/{PAIRED_VIN}"))["key"] == "unpaired"
    registered = await person.post("/api/1/partner_accounts", {"domain": DOMAIN}, token=partner)
    assert registered.status_code == 200
    assert (await control.get(f"/cars/{PAIRED_VIN}"))["key"] == "paired"


async def test_pairing_looks_for_the_hosted_key_again(person: Person, key_host: str) -> None:
    control = person.sandbox.control
    await control.patch(f"/cars/{PAIRED_VIN}", {"key": "unpaired"})
    pair = {"email": EMAIL, "vin": PAIRED_VIN, "decision": "pair"}
    for gone in ("http://127.0.0.1:9/nothing", key_host + "/elsewhere", f"{person.sandbox.base_url}/status", "{}://"):
        application = await control.patch(f"/applications/{CLIENT_ID}", {"hosted_key_url": gone})
        assert application["hosted_key_url"] == gone
        refused = await person.http.post(person.url(f"/_ak/{DOMAIN}"), data=pair)
        assert refused.status_code == 409, gone
        assert "Application has not registered with Tesla." in refused.text
        assert (await control.get(f"/cars/{PAIRED_VIN}"))["key"] == "unpaired"
    await control.patch(f"/applications/{CLIENT_ID}", {"hosted_key_url": key_host})
    assert (await person.http.post(person.url(f"/_ak/{DOMAIN}"), data=pair)).status_code == 303
    assert (await control.get(f"/cars/{PAIRED_VIN}"))["key"] == "paired"


async def test_the_connection_can_be_cut_after_the_request_was_carried_out(person: Person) -> None:
    await person.sandbox.control.inject_fault("connection_cut", target=str(FREE_SITE))
    with pytest.raises(httpx.RemoteProtocolError):
        await person.post(f"/api/1/energy_sites/{FREE_SITE}/backup", {"backup_reserve_percent": 44})
    await person.sandbox.control.step(2)
    info = await person.get(f"/api/1/energy_sites/{FREE_SITE}/site_info")
    assert info.json()["response"]["backup_reserve_percent"] == 44


async def test_a_slow_answer_waits_for_virtual_time(person: Person) -> None:
    await person.sandbox.control.inject_fault("slow_answer", seconds=30)
    pending = asyncio.create_task(person.get(LIVE))

    async def taken() -> bool:
        return not (await person.sandbox.control.get("/faults"))["armed"]

    await until(taken)
    assert not pending.done()
    await person.sandbox.control.step(30)
    assert (await pending).status_code == 200
