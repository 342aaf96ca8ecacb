"""An end user links an account with a real browser: the pages' security headers must not break forms and redirects."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from wattbus.v1.connection_pb2 import Access, ConnectionState, LinkSessionState

from tests.chromium import DRIVER, Browser, chromium
from tests.contract.people import car, home, person, scenario
from tests.processes import Sandbox
from tests.service import Setup, Tenant, eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(DRIVER is None, reason="chromedriver is not installed"),
    pytest.mark.timeout(400),
]

PEOPLE = (
    person("whole", car("Whole car", key="unpaired"), home("Whole home")),
    person("part", home("Part home")),
    person("gone", home("Gone home")),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(setup: Setup) -> AsyncIterator[Sandbox]:
    async with setup.sandbox(**scenario(*PEOPLE)) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(loop_scope="module")
async def window() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


async def arrive_at_tesla(window: Browser, url: str, name: str) -> None:
    await window.open(url)
    await window.sees("Connect your Tesla account")
    await window.press("Continue to Tesla")
    await window.click(f'input[value="{name}@example.com"]')
    await window.press("Sign in")
    await window.sees("What it may do")


async def test_a_whole_link_with_the_key_step(window: Browser, tenant: Tenant) -> None:
    session = (await tenant.create_link("whole")).link_session
    await arrive_at_tesla(window, session.url, "whole")
    await window.press("Allow")
    await window.sees("Your Tesla account is connected")
    await window.sees("Whole home")
    session = await tenant.link_session(session.name)
    assert session.state == LinkSessionState.LINK_SESSION_STATE_COMPLETED
    connection = await tenant.connection(session.connection)
    assert connection.state == ConnectionState.CONNECTION_STATE_ACTIVE

    # The closing page leads to where the key is added.
    await window.sees("One more step")
    await window.click('a[href*="/_ak/"]')
    await window.press("Add key")
    await window.sees("The key is on this vehicle.")


async def test_an_unticked_permission_is_asked_for_again_from_the_closing_page(window: Browser, tenant: Tenant) -> None:
    session = (await tenant.create_link("part", (Access.ACCESS_READ_ENERGY, Access.ACCESS_COMMAND_ENERGY))).link_session
    await arrive_at_tesla(window, session.url, "part")
    await window.click('input[value="energy_cmds"]')
    await window.press("Allow")
    await window.sees("Your Tesla account is connected in part")
    name = (await tenant.link_session(session.name)).connection
    assert (await tenant.connection(name)).state == ConnectionState.CONNECTION_STATE_PARTIAL

    await window.click("a.button.plain")
    await window.sees("Connect your Tesla account")
    await window.press("Continue to Tesla")
    await window.sees("What it may do")
    await window.press("Select all")
    await window.sees_ticked('input[value="energy_cmds"]', True)
    await window.press("Allow")
    await window.sees("Your Tesla account is connected")

    async def whole() -> bool | None:
        return not (await tenant.connection(name)).missing_access or None

    assert await eventually(whole)


async def test_cancelling_comes_back_and_says_so(window: Browser, tenant: Tenant) -> None:
    session = (await tenant.create_link("gone", (Access.ACCESS_READ_ENERGY,))).link_session
    await arrive_at_tesla(window, session.url, "gone")
    await window.press("Cancel")

    async def ended() -> bool | None:
        state = (await tenant.link_session(session.name)).state
        return state == LinkSessionState.LINK_SESSION_STATE_CANCELLED or None

    assert await eventually(ended)
    await window.sees("Nothing was connected")
    assert not (await tenant.link_session(session.name)).connection
