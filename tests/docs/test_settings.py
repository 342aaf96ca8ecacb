"""The settings page says what may be written into a setting; here it is written."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from wattbus_server.settings import Settings


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("4", timedelta(seconds=4)),
        ("0.5", timedelta(seconds=0.5)),
        ("PT30S", timedelta(seconds=30)),
        ("PT5M", timedelta(minutes=5)),
    ],
)
def test_durations_are_seconds_or_iso_8601(monkeypatch: pytest.MonkeyPatch, written: str, meant: timedelta) -> None:
    monkeypatch.setenv("WATTBUS_DRAIN_DELAY", written)
    monkeypatch.setenv("WATTBUS_TESLA__VEHICLE_DATA_INTERVAL", written)
    settings = Settings()
    assert settings.drain_delay == meant
    assert settings.tesla.vehicle_data_interval == meant


@pytest.mark.parametrize("written", ["-1", "soon", "nan", "inf", "4 s"])
def test_other_durations_are_refused(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("WATTBUS_DRAIN_GRACE", written)
    with pytest.raises(ValidationError):
        Settings()


def test_an_admin_key_that_would_be_ignored_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATTBUS_ADMIN_KEY", "hunter2")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "at least 32 characters" in str(caught.value)
    assert "hunter2" not in str(caught.value)
