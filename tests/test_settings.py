"""Settings: every variable is documented, and a misspelt one is noticed."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.processes import ROOT
from wattbus_server.settings import Settings, TeslaSettings, misspelt, variables


def test_every_setting_is_documented_in_its_reference() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    for variable, field in variables():
        assert field.description, variable
        assert f"`{variable}`" in page


@pytest.mark.parametrize("address", ["http://tesla.example", "http://10.0.0.1:8090/eu", "tesla.example", "ftp://a.b"])
def test_tokens_are_not_sent_through_the_network_without_tls(address: str) -> None:
    for setting in ({"token_url": address}, {"metadata_url": address}, {"api_urls": {"eu": address}}):
        with pytest.raises(ValidationError, match="must be an https address"):
            TeslaSettings(**setting)
    assert TeslaSettings(token_url=address, allow_plaintext=True).token_url == address


@pytest.mark.parametrize(
    "address", ["https://tesla.example", "http://127.0.0.1:8090", "http://[::1]:1", "http://localhost"]
)
def test_a_sandbox_on_this_machine_needs_no_tls(address: str) -> None:
    assert TeslaSettings(token_url=address, api_urls={"na": address}).token_url == address


@pytest.mark.parametrize("region", ["cn", "", "EU"])
def test_a_home_region_without_an_address_is_refused(region: str) -> None:
    with pytest.raises(ValidationError, match="has no address in WATTBUS_TESLA__API_URLS"):
        TeslaSettings(home_region=region)


def test_the_default_home_region_needs_an_address_too() -> None:
    with pytest.raises(ValidationError, match="has no address in WATTBUS_TESLA__API_URLS, only: eu"):
        TeslaSettings(api_urls={"eu": "https://eu.example"})


@pytest.mark.parametrize(
    "address", ["ftp://link.example.com", "link.example.com", "https://", "/link", "https://a.b/?c=d", "http://[a"]
)
def test_a_public_url_that_no_browser_opens_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("WATTBUS_PUBLIC_URL", address)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert [error["loc"] for error in caught.value.errors()] == [("public_url",)]


@pytest.mark.parametrize("address", ["https://link.example.com", "http://127.0.0.1:8080/", "https://example.com/home"])
def test_other_public_urls_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("WATTBUS_PUBLIC_URL", address)
    assert Settings().public_url == address


def test_misspelt_variables_are_found() -> None:
    environment = [
        "PATH",
        "WATTBUS_GRPC_PORT",
        "wattbus_http_port",
        "WATTBUS_TESLA__API_URLS__EU",
        "WATTBUS_TLS",
        "WATTBUS_GRPC_PORT__EU",
        "WATTBUS_NONSENSE",
        "wattbus_tesla__client_idd",
    ]
    assert misspelt(environment) == ["WATTBUS_GRPC_PORT__EU", "WATTBUS_NONSENSE", "WATTBUS_TESLA__CLIENT_IDD"]


def test_the_sample_in_the_readme_names_only_settings() -> None:
    known = {variable for variable, _ in variables()}
    readme = Path(ROOT / "README.md").read_text()
    named = {line.strip().split("=")[0] for line in readme.splitlines() if line.strip().startswith("WATTBUS_")}
    assert named
    assert named <= known
