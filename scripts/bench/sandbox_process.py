"""The sandbox under measurement: the real program with 10,000 cars and 5,000 homes, and a person who linked them."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

CARS, HOMES = 10_000, 5_000
FLEET: Mapping[str, object] = {
    "seed": 3,
    "applications": [{"client_id": "bench", "client_secret": "bench", "redirect_uris": ["http://127.0.0.1:9/"]}],
    "users": [{"email": "fleet@example.com"}],
    "fleets": [{"email": "fleet@example.com", "cars": CARS, "homes": HOMES}],
    "rate_limits": {"data": None, "auth": None},
}
SCOPES = ("openid", "vehicle_device_data", "energy_device_data")


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox.

    Attributes:
        url: Where it listens.
        pid: Its process.
        start_seconds: From the start of the process to its announcement.
    """

    url: str
    pid: int
    start_seconds: float

    @property
    def port(self) -> int:
        """The port of `url`."""
        return int(self.url.rpartition(":")[2])

    def memory_mebibytes(self) -> float:
        """Resident memory now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


@asynccontextmanager
async def sandbox(scenario: Mapping[str, object] | str = FLEET) -> AsyncIterator[Sandbox]:
    """Run `tesla-sandbox` with a bundled scenario, by name, or with the content of one."""
    with tempfile.TemporaryDirectory() as folder:
        if not isinstance(scenario, str):
            path = Path(folder) / "fleet.yaml"
            path.write_text(json.dumps(scenario))
            scenario = str(path)
        program = Path(sys.executable).with_name("tesla-sandbox")
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            program, "--port", "0", "--scenario", scenario, stdout=asyncio.subprocess.PIPE
        )
        try:
            if process.stdout is None:
                raise RuntimeError("the sandbox was started without standard output")
            announced = json.loads(await process.stdout.readline())
            yield Sandbox(announced["url"], process.pid, time.perf_counter() - began)
        finally:
            process.terminate()
            await process.wait()


async def linked(running: Sandbox) -> str:
    """Consent and return the access token."""
    asked = {
        "response_type": "code",
        "client_id": "bench",
        "redirect_uri": "http://127.0.0.1:9/",
        "scope": " ".join(SCOPES),
        "state": "bench",
    }
    allowed = {**asked, "email": "fleet@example.com", "decision": "allow", "granted": list(SCOPES)}
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
        back = await http.post("/oauth2/v3/authorize", data=allowed)
        code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "client_id": "bench", "client_secret": "bench", "code": code}
        answered = await http.post("/oauth2/v3/token", data={**form, "redirect_uri": asked["redirect_uri"]})
        answered.raise_for_status()
        return str(answered.json()["access_token"])


async def get(running: Sandbox, path: str, token: str) -> bytes:
    """The body at a path."""
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=120) as http:
        answered = await http.get(path, headers={"authorization": f"Bearer {token}"})
        answered.raise_for_status()
        return answered.content
