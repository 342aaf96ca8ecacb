"""A person with a real browser: consent with unticked scopes, and the live page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import pytest_asyncio

from tests.chromium import DRIVER, Browser, chromium
from tests.processes import until
from tests.tesla_sandbox.conftest import FREE_SITE, PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.person import CLIENT_ID, DOMAIN, REDIRECT_URI, Person, authorization_parameters, claims_of

pytestmark = [
    pytest.mark.skipif(DRIVER is None, reason="chromedriver is not installed"),
    pytest.mark.timeout(400),
]


@pytest_asyncio.fixture
async def window() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


def returned_to_the_application(window: Browser) -> Callable[[], Awaitable[bool]]:
    async def returned() -> bool:
        return (await window.url()).startswith(REDIRECT_URI)

    return returned


async def test_a_person_unticks_a_scope_and_manages_the_consent_later(window: Browser, stranger: Person) -> None:
    query = urlencode(authorization_parameters(prompt_missing_scopes="true"))
    await window.open(stranger.url(f"/oauth2/v3/authorize?{query}"))
    await window.press("Sign in")
    await window.sees("Allow Sandbox application access")
    await window.press("Select none")
    await window.sees_ticked("input[value=energy_cmds]", False)
    await window.click("input[value=vehicle_device_data]")
    await window.click("input[value=energy_device_data]")
    await window.press("Allow")
    await until(returned_to_the_application(window))
    returned = parse_qs(urlsplit(await window.url()).query)
    assert returned["state"] == ["state-1"]
    stranger.tokens = (await stranger.exchange(returned["code"][0])).json()
    scopes = claims_of(stranger.tokens["access_token"])["scp"]
    assert scopes == ["openid", "offline_access", "vehicle_device_data", "energy_device_data"]

    manage = urlencode({"revoke_client_id": CLIENT_ID, "back_url": "https://app.example.com/"})
    await window.open(stranger.url(f"/user/revoke/consent?{manage}"))
    await window.click("input[value=energy_device_data]")
    await window.press("Save")
    await window.sees_ticked("input[value=energy_device_data]", False)
    await window.press("Remove access")
    await window.sees("has no access to your account")
    assert (await stranger.refresh()).status_code == 401


async def test_a_person_adds_the_key_to_a_car(window: Browser, person: Person) -> None:
    await person.sandbox.control.patch(f"/cars/{UNPAIRED_VIN}", {"state": "online"})
    await window.open(person.url(f"/_ak/{DOMAIN}?vin={UNPAIRED_VIN}"))
    await window.press("Sign in")
    await window.sees("The key is not on this vehicle.")
    await window.press("Add key")
    await window.sees("The key is on this vehicle.")


async def test_the_live_page_shows_changes_and_makes_them(window: Browser, person: Person) -> None:
    car, home = f"#car-{PAIRED_VIN}", f"#home-{FREE_SITE}"
    await window.open(person.url("/sandbox/"))
    await window.sees("Stopped", car)
    await window.press("Unplug", f'//tr[@id="car-{PAIRED_VIN}"]')
    await window.sees("Disconnected", car)
    await window.press("Remove key", f'//tr[@id="car-{PAIRED_VIN}"]')
    await window.sees("unpaired", car)
    await window.press("Cut the grid", f'//tr[@id="home-{FREE_SITE}"]')
    await window.sees("off_grid_unintentional", home)
    await window.type("input[name=target]", PAIRED_VIN)
    await window.press("Break")
    await window.sees(f"on {PAIRED_VIN}")
    await window.press("Repair")

    async def repaired() -> bool:
        return not (await person.sandbox.control.get("/faults"))["armed"]

    await until(repaired)

    # Without a click: what others change appears by itself.
    await person.sandbox.control.patch(f"/homes/{FREE_SITE}", {"outage": "none"})
    await window.sees("on_grid", home)


async def test_a_scope_is_unticked_on_the_live_page_and_the_key_is_paired(window: Browser, person: Person) -> None:
    await person.sandbox.control.patch(f"/cars/{UNPAIRED_VIN}", {"state": "online"})
    await window.open(person.url("/sandbox/"))
    await window.press("Pair key", f'//tr[@id="car-{UNPAIRED_VIN}"]')

    async def paired() -> bool:
        return bool((await person.sandbox.control.get(f"/cars/{UNPAIRED_VIN}"))["key"] == "paired")

    await until(paired)
    # Not the page on which the button was: it may still be shown, and a click on it is lost.
    await window.open(person.url("/sandbox/"))
    await window.sees_ticked('input[name="granted"][value="energy_cmds"]', True)
    await window.click('input[name="granted"][value="energy_cmds"]')
    await window.press("Save")

    async def saved() -> bool:
        return all(
            "energy_cmds" not in grant["scopes"] for grant in (await person.sandbox.control.get("/grants"))["grants"]
        )

    await until(saved)
    await window.sees_ticked('input[name="granted"][value="energy_cmds"]', False)
    refreshed = (await person.refresh()).json()
    assert "energy_cmds" not in claims_of(refreshed["access_token"])["scp"]
    status = await person.post(
        "/api/1/vehicles/fleet_status", {"vins": [UNPAIRED_VIN]}, token=refreshed["access_token"]
    )
    assert status.json()["response"]["key_paired_vins"] == [UNPAIRED_VIN]
