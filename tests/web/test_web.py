import asyncio
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.connections.house import House, browser, depart, open_house
from tests.connections.vendor import Vendor1

PAGES = ["/link/{token}", "/link/unknown", "/nowhere", "/oauth/callback/tesla?state=x"]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_keeps_to_itself(house: House, path: str) -> None:
    token = (await house.new_link()).url.rsplit("/", 1)[1]
    async with browser() as client:
        answer = await client.get(house.url + path.format(token=token))
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script" not in answer.text
    assert "server" not in answer.headers


async def test_the_form_may_lead_to_the_vendor_and_back_to_the_caller_only(house: House) -> None:
    session = await house.new_link(return_url="https://app.example/done?x=1")
    async with browser() as client:
        policy = (await client.get(session.url)).headers["content-security-policy"]
    assert "form-action 'self' https://vendor.example https://app.example;" in policy


async def test_a_button_on_a_foreign_page_starts_nothing(house: House) -> None:
    session = await house.new_link()
    async with browser() as client:
        for site in ("cross-site", "same-site"):
            assert (await client.post(session.url, headers={"sec-fetch-site": site})).status_code == 403
        assert not client.cookies
        assert (await client.post(session.url, headers={"sec-fetch-site": "same-origin"})).status_code == 303


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/link/unknown", 404),
        ("GET", "/link/" + "x" * 2000, 404),
        ("POST", "/link/unknown", 404),
        ("DELETE", "/link/unknown", 405),
        ("POST", "/oauth/callback/tesla", 405),
        ("GET", "/oauth/callback/unknown?state=x", 404),
        ("GET", "/oauth/callback/tesla", 400),
        ("GET", "/oauth/callback/tesla?state=a&state=b", 400),
        ("GET", "/oauth/callback/tesla?state=" + "x" * 5000, 400),
        ("GET", "/link/%00%ff", 404),
    ],
)
async def test_wrong_requests_get_a_page_with_the_right_status(
    house: House, method: str, path: str, status: int
) -> None:
    async with browser() as client:
        answer = await client.request(method, house.url + path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text


async def test_an_oversized_request_is_refused_and_the_server_lives_on(house: House) -> None:
    parts = urlsplit(house.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET /link/x HTTP/1.1\r\nhost: x\r\nx-filler: " + b"x" * 40_000)
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    async with browser() as client:
        assert (await client.get(f"{house.url}/healthz")).status_code == 200


async def test_a_defect_shows_no_trace(house: House, vendor: Vendor1, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(token: str) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(house.flow, "show", defect)
    async with browser() as client:
        answer = await client.get(f"{house.url}/link/x")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    assert "not your fault" in answer.text


async def test_an_operators_problem_is_a_page_too(house: House, vendor: Vendor1) -> None:
    session = await house.new_link()
    vendor.configured = False
    async with browser() as client:
        answer = await client.get(session.url)
    assert answer.status_code == 503
    assert "client id" not in answer.text


async def test_hosted_files_are_served_as_the_adapter_gives_them(house: House) -> None:
    async with browser() as client:
        answer = await client.get(f"{house.url}/.well-known/vendor/key.pem")
    assert answer.content == b"PUBLIC KEY\n"
    assert answer.headers["content-type"] == "application/x-pem-file"


async def test_health_is_told(house: House) -> None:
    async with browser() as client:
        assert (await client.get(f"{house.url}/healthz")).text == "ok\n"


async def test_metrics_are_for_this_machine_and_not_for_what_a_proxy_hands_on(house: House, vendor: Vendor1) -> None:
    await house.link(vendor.consent("s"))
    async with browser() as client:
        answer = await client.get(f"{house.url}/metrics")
        assert answer.status_code == 200
        assert re.search(r'wattbus_link_results_total\{result="completed",vendor="VENDOR_TESLA"\} [1-9]', answer.text)
        proxied = await client.get(f"{house.url}/metrics", headers={"x-forwarded-for": "203.0.113.7"})
        assert proxied.status_code == 404


@pytest.mark.parametrize(("access", "status"), [("nobody", 404), ("everyone", 200)])
async def test_metrics_follow_the_setting(database: Path, vendor: Vendor1, access: str, status: int) -> None:
    async with open_house(database, vendor, metrics_access=access) as house, browser() as client:
        answer = await client.get(f"{house.url}/metrics", headers={"x-forwarded-for": "203.0.113.7"})
    assert answer.status_code == status


async def test_behind_https_the_cookie_is_bound_to_host_and_transport(house: House, vendor: Vendor1) -> None:
    from wattbus_server.settings import Settings
    from wattbus_server.web.app import create_web

    app = create_web(house.flow, Settings(), "https://link.example.com", [], lambda: True)
    session = await house.new_link()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://link.example.com") as client:
        cookie = (await client.post(session.url.removeprefix(house.url))).headers["set-cookie"]
    assert cookie.startswith("__Host-wattbus-link=")
    assert "; secure" in cookie.lower()
    assert "path=/;" in cookie.lower()


async def test_a_made_up_cookie_is_not_taken_over(house: House) -> None:
    session = await house.new_link()
    async with browser() as client:
        client.cookies.set("wattbus-link", "chosen-by-somebody")
        await depart(client, session.url)
        assert "chosen-by-somebody" not in [cookie.value for cookie in client.cookies.jar if cookie.domain]
