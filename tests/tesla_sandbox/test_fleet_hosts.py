"""Regions at hosts of their own by TLS, for clients with fixed rules about Tesla's hosts."""

import asyncio
import json
import os
import re
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.processes import PATIENCE_SECONDS, ROOT, Json, ProcessFailedError, Sandbox, SandboxControl, python_process
from tests.tesla_sandbox.conftest import PAIRED_VIN
from tests.tesla_sandbox.person import CLIENT_ID, Person, claims_of

EU_HOST = "fleet-api.prd.eu.vn.cloud.tesla.com"
NA_HOST = "fleet-api.prd.na.vn.cloud.tesla.com"
BOTH_HOSTS = ("--fleet-host", f"eu={EU_HOST}", "--fleet-host", f"na={NA_HOST}")
BASE_URL_PATTERN = re.compile(r"use base URL: https://([-a-z0-9.]*)")
"""How Tesla's client library finds the host in the body of a 421."""
CAR = f"/api/1/vehicles/{PAIRED_VIN}"


class HostsFile(httpx.AsyncBaseTransport):
    """Connects Tesla's hosts to the sandbox; the certificate still has to be that of the host."""

    def __init__(self, port: int, trusted: ssl.SSLContext) -> None:
        self._port = port
        self._transport = httpx.AsyncHTTPTransport(verify=trusted, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host in {EU_HOST, NA_HOST}:
            request.extensions = {**request.extensions, "sni_hostname": request.url.host}
            request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


def make_certificate(chain: Path, private: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A sandbox")])
    hosts = [x509.DNSName(EU_HOST), x509.DNSName(NA_HOST), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain.write_bytes(certificate.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@asynccontextmanager
async def person_at(folder: Path, scenario: Json, options: Sequence[str]) -> AsyncIterator[Person]:
    """Somebody who consented, with an application whose resolver knows the sandbox."""
    chain, private, described = folder / "chain.pem", folder / "key.pem", folder / "scenario.yaml"
    make_certificate(chain, private)
    described.write_text(json.dumps(scenario))
    arguments = ["--scenario", str(described), "--tls-cert", str(chain), "--tls-key", str(private), *options]
    async with python_process(["-m", "tesla_sandbox", "--port", "0", *arguments]) as (process, announcement, stderr):
        url = httpx.URL(announcement["url"])
        trusted = ssl.create_default_context(cafile=str(chain))
        async with (
            httpx.AsyncClient(transport=HostsFile(url.port or 443, trusted), timeout=PATIENCE_SECONDS) as client,
            httpx.AsyncClient(
                base_url=announcement["control_url"], verify=trusted, timeout=PATIENCE_SECONDS, trust_env=False
            ) as control,
        ):
            person = Person(Sandbox(announcement, SandboxControl(control), process, stderr), client)
            await person.link()
            yield person


@pytest.fixture
async def person(tmp_path: Path, scenario: Callable[[], Json]) -> AsyncIterator[Person]:
    async with person_at(tmp_path, scenario(), BOTH_HOSTS) as linked:
        yield linked


async def test_hosts_are_named_wherever_tesla_names_hers(person: Person) -> None:
    named = {"na": f"https://{NA_HOST}", "eu": f"https://{EU_HOST}"}
    assert person.sandbox.announcement["fleet_api_base_urls"] == named
    assert claims_of(person.tokens["access_token"])["aud"][:2] == [named["na"], named["eu"]]
    region = (await person.get("/api/1/users/region", region="na")).json()["response"]
    assert region == {"region": "eu", "fleet_api_base_url": named["eu"]}
    assert (await person.http.get(f"{named['eu']}/status")).text == "ok"

    await person.sandbox.control.patch(f"/applications/{CLIENT_ID}", {"registered_regions": ["na"]})
    unregistered = await person.get(CAR)
    assert unregistered.status_code == 412
    assert f"in the current region {named['eu']}, please" in unregistered.json()["error"]


@pytest.mark.parametrize("path", ["/sandbox/v1/clock", "/sandbox/", "/oauth2/v3/authorize", "/nothing"])
async def test_the_hosts_serve_the_fleet_api_only(person: Person, path: str) -> None:
    unserved = await person.get(path)
    assert (unserved.status_code, unserved.json()["error"]) == (404, "not_found")


async def test_a_client_follows_a_421_by_body_and_by_header(person: Person) -> None:
    misdirected = await person.get(CAR, region="na")
    assert misdirected.status_code == 421
    by_body = BASE_URL_PATTERN.search(misdirected.json()["error"])
    assert by_body is not None
    assert by_body[1] == EU_HOST
    assert misdirected.headers["alt-svc"] == f"h2=https://{EU_HOST}"
    bearer = {"authorization": f"Bearer {person.tokens['access_token']}"}
    followed = await person.http.get(f"https://{by_body[1]}{CAR}", headers=bearer)
    assert followed.json()["response"]["vin"] == PAIRED_VIN


async def test_other_names_keep_the_paths_of_the_regions(person: Person) -> None:
    bearer = {"authorization": f"Bearer {person.tokens['access_token']}"}
    by_path = await person.http.get(f"{person.sandbox.base_url}/eu{CAR}", headers=bearer)
    assert by_path.status_code == 200
    without_region = await person.http.get(f"{person.sandbox.base_url}{CAR}", headers=bearer)
    assert without_region.status_code == 404
    account_page = await person.http.get(f"https://{EU_HOST}/oauth2/v3/authorize")
    assert account_page.status_code == 404


async def test_a_region_without_a_host_keeps_its_path(tmp_path: Path, scenario: Callable[[], Json]) -> None:
    async with person_at(tmp_path, scenario(), BOTH_HOSTS[:2]) as person:
        base_url = person.sandbox.base_url
        assert person.sandbox.announcement["fleet_api_base_urls"] == {
            "na": f"{base_url}/na",
            "eu": f"https://{EU_HOST}",
        }
        misdirected = await person.get(CAR, region="na")
        assert misdirected.headers["alt-svc"] == f"h2=https://{EU_HOST}"


async def test_ctl_trusts_the_certificate_that_the_environment_names(person: Person, tmp_path: Path) -> None:
    ctl = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tesla_sandbox", "ctl", "--url", person.sandbox.base_url, "clock"),
        env={**os.environ, "PYTHONPATH": str(ROOT / "server"), "SSL_CERT_FILE": str(tmp_path / "chain.pem")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, problem = await ctl.communicate()
    assert ctl.returncode == 0, problem.decode()
    assert json.loads(printed)["paused"] is True


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--fleet-host", "mars=fleet-api.example.com"], "given as REGION=HOST"),
        (["--fleet-host", "eu"], "no host name"),
        (["--fleet-host", "eu=https://fleet-api.example.com"], "no host name"),
        (["--fleet-host", "eu=fleet-api.example.com:443"], "no host name"),
        (["--fleet-host", "eu=one.example.com", "--fleet-host", "na=one.example.com"], "another region"),
        (["--tls-cert", "chain.pem"], "come together"),
        (["--tls-cert", "missing.pem", "--tls-key", "missing.pem"], "No such file"),
    ],
)
async def test_unfit_options_end_the_program_with_the_reason(options: list[str], problem: str) -> None:
    with pytest.raises(ProcessFailedError) as failed:
        async with python_process(["-m", "tesla_sandbox", "--port", "0", *options]):
            pass
    assert problem in re.sub(r"[^\w=]+", " ", str(failed.value))
