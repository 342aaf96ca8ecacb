"""A real Chromium without a window, driven through chromedriver's WebDriver interface."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.processes import PATIENCE_SECONDS, START_SECONDS, until

DRIVER = shutil.which("chromedriver")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1300,1000"]
GONE = {"stale element reference", "no such element"}
# chromedriver's other words for an element whose page was replaced between finding and asking.
OF_ANOTHER_PAGE = ("Node with given id does not belong to the document", "aborted by navigation")


class ElementGoneError(Exception):
    """The element is not, or no longer, part of the page."""


class Browser:
    """One browser window; elements are named by CSS or XPath."""

    def __init__(self, client: httpx.AsyncClient, session: str) -> None:
        self._client = client
        self._session = session

    async def open(self, url: str) -> None:
        await self._call("POST", "/url", {"url": url})

    async def url(self) -> str:
        return str(await self._call("GET", "/url"))

    async def sees(self, text: str, css: str = "body") -> None:
        """Wait until the element shows the text."""

        async def shown() -> bool:
            return text in str(await self._on("css selector", css, "GET", "text"))

        await until(shown)

    async def sees_ticked(self, css: str, ticked: bool) -> None:
        """Wait until the checkbox is ticked, or is not."""

        async def right() -> bool:
            return bool(await self._on("css selector", css, "GET", "selected")) is ticked

        await until(right)

    async def click(self, css: str) -> None:
        await self._on("css selector", css, "POST", "click", {})

    async def press(self, label: str, within: str = "//body") -> None:
        """Click the button with this label below the element that an XPath names."""
        await self._on("xpath", f'{within}//button[normalize-space()="{label}"]', "POST", "click", {})

    async def type(self, css: str, text: str) -> None:
        await self._on("css selector", css, "POST", "value", {"text": text})

    async def _on(self, using: str, value: str, method: str, what: str, body: dict[str, Any] | None = None) -> Any:
        """Do something with an element, as soon as the page has it and does not redraw it meanwhile."""
        result: Any = None

        async def done() -> bool:
            nonlocal result
            try:
                found = await self._call("POST", "/element", {"using": using, "value": value})
                result = await self._call(method, f"/element/{found[ELEMENT]}/{what}", body)
            except ElementGoneError:
                return False
            return True

        await until(done)
        return result

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answered = await self._client.request(method, f"/session/{self._session}{path}", json=body)
        result = answered.json()["value"]
        if answered.status_code == 404 and result["error"] in GONE:
            raise ElementGoneError
        if answered.status_code == 500 and any(words in result["message"] for words in OF_ANOTHER_PAGE):
            raise ElementGoneError
        assert answered.status_code == 200, answered.text
        return result


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A fresh browser; chromedriver must be installed (see `DRIVER`)."""
    assert DRIVER is not None
    driver = await asyncio.create_subprocess_exec(DRIVER, "--port=0", stdout=asyncio.subprocess.PIPE)
    try:
        port = await _port(driver)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=START_SECONDS, trust_env=False
        ) as client:
            options = {"browserName": "chrome", "goog:chromeOptions": {"args": ARGUMENTS}}
            created = await client.post("/session", json={"capabilities": {"alwaysMatch": options}})
            assert created.status_code == 200, created.text
            session = created.json()["value"]["sessionId"]
            try:
                yield Browser(client, session)
            finally:
                await client.delete(f"/session/{session}")
    finally:
        driver.terminate()
        await driver.wait()


async def _port(driver: asyncio.subprocess.Process) -> int:
    assert driver.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for line in driver.stdout:
            text = line.decode()
            if "started successfully on port" in text:
                return int(text.rstrip().rstrip(".").rpartition(" ")[2])
    raise RuntimeError("chromedriver did not start")
