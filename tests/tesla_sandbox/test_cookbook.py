"""The recipes of the documentation, each run as its readers run it: start the program, log in, read a product."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml

from tests.processes import ROOT, Json, Sandbox, sandbox_process
from tests.service import free_port

PAGE = (ROOT / "docs" / "tesla-sandbox.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"^### ([^\n]*)\n(?:(?!^### ).)*?^```yaml$(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
DOCUMENTED = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
CALLBACK = "http://127.0.0.1:8080/callback"
TELEMETRY_PORT = "5284"


def test_the_cookbook_has_recipes() -> None:
    assert len(RECIPES) == PAGE.count("```yaml") > 5


def test_the_page_names_the_default_application() -> None:
    for value in DOCUMENTED.values():
        assert f"`{value}`" in PAGE


@pytest.mark.parametrize("text", [text for _, text in RECIPES], ids=[title for title, _ in RECIPES])
async def test_a_recipe_of_the_cookbook_serves_a_product(text: str, tmp_path: Path, browser: httpx.AsyncClient) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text.replace(TELEMETRY_PORT, str(free_port())))
    (described, *_) = yaml.safe_load(text).get("applications", [{}])
    async with sandbox_process(scenario=recipe) as sandbox:
        await read_a_product(sandbox, browser, DOCUMENTED | described)


async def test_the_default_scenario_serves_the_documented_application(browser: httpx.AsyncClient) -> None:
    async with sandbox_process() as sandbox:
        await read_a_product(sandbox, browser, DOCUMENTED)


async def read_a_product(sandbox: Sandbox, browser: httpx.AsyncClient, application: Json) -> None:
    """Consent in full, exchange the code, and read the first home or car of the first person."""
    user, *_ = (await sandbox.control.get("/users"))["users"]
    home = next(iter(user["site_ids"]), None)
    path = f"/api/1/energy_sites/{home}/live_status" if home else f"/api/1/vehicles/{user['vins'][0]}"
    token = await access_token(sandbox, browser, application, user["email"])
    read = await browser.get(
        sandbox.fleet_api(user["region"]) + path, headers={"authorization": f"Bearer {token['access_token']}"}
    )
    assert read.status_code == 200, read.text
    assert read.json()["response"]


async def access_token(sandbox: Sandbox, browser: httpx.AsyncClient, application: Json, email: str) -> Json:
    scopes = ["openid", "offline_access", "vehicle_device_data", "energy_device_data"]
    redirect_uri = application.get("redirect_uris", [CALLBACK])[0]
    asked = {"client_id": application["client_id"], "redirect_uri": redirect_uri}
    allowed = {"scope": " ".join(scopes), "granted": scopes, "email": email, "decision": "allow"}
    back = await browser.post(
        f"{sandbox.base_url}/oauth2/v3/authorize", data={**asked, **allowed, "response_type": "code", "state": "s"}
    )
    assert back.status_code == 303, back.text
    code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
    exchanged = await browser.post(
        f"{sandbox.base_url}/oauth2/v3/token",
        data={
            **asked,
            "client_secret": application["client_secret"],
            "grant_type": "authorization_code",
            "code": code,
        },
    )
    assert exchanged.status_code == 200, exchanged.text
    tokens: Json = exchanged.json()
    return tokens


async def test_time_based_control_of_the_recipe_charges_in_most_hours_of_the_night(sandbox: Sandbox) -> None:
    recipe = next(text for title, text in RECIPES if title.startswith("Time-based control"))
    await sandbox.control.put(
        "/scenario", {"clock": {"start": "2026-06-21T22:00:00+02:00", "paused": True}, **yaml.safe_load(recipe)}
    )
    plans = []
    for _ in range(10):
        plans.append((await sandbox.control.get("/homes/1"))["plan"])
        await sandbox.control.step(3600)
    assert plans[0] == plans[-1] == "self_consumption"
    assert 3 < plans.count("charge") < 7
