"""Settings: every variable is documented, and a misspelt one is noticed."""

from pathlib import Path

from tests.processes import ROOT
from wattbus_server.settings import misspelt, variables


def test_every_setting_is_documented_in_its_reference() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    for variable, field in variables():
        assert field.description, variable
        assert f"`{variable}`" in page


def test_misspelt_variables_are_found() -> None:
    environment = [
        "PATH",
        "WATTBUS_GRPC_PORT",
        "wattbus_http_port",
        "WATTBUS_TESLA__API_URLS__EU",
        "WATTBUS_NONSENSE",
        "WATTBUS_TESLA__CLIENT_IDD",
    ]
    assert misspelt(environment) == ["WATTBUS_NONSENSE", "WATTBUS_TESLA__CLIENT_IDD"]


def test_the_sample_in_the_readme_names_only_settings() -> None:
    known = {variable for variable, _ in variables()}
    readme = Path(ROOT / "README.md").read_text()
    named = {line.strip().split("=")[0] for line in readme.splitlines() if line.strip().startswith("WATTBUS_")}
    assert named
    assert named <= known
