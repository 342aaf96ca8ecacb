"""Who may use the control surface: programs and pages of this computer, and no page that was talked into it."""

import pytest

from tests.tesla_sandbox.person import Person


async def status(person: Person, path: str, **headers: str) -> int:
    return (await person.http.get(person.url(path), headers=headers)).status_code


@pytest.mark.parametrize("path", ["/sandbox/v1/clock", "/sandbox/"])
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8090", 200),
        ("127.0.0.1", 200),
        ("localhost:8090", 200),
        ("LOCALHOST", 200),
        ("[::1]:8090", 200),
        ("[::1]", 200),
        ("evil.example", 403),
        ("evil.example:8090", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:8090", 403),
        ("localhost:8090.evil.example", 403),
        ("", 403),
    ],
)
async def test_only_names_of_this_computer_open_the_control_surface(
    stranger: Person, path: str, host: str, expected: int
) -> None:
    assert await status(stranger, path, host=host) == expected


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1"])
async def test_pages_of_other_origins_are_refused(stranger: Person, origin: str) -> None:
    assert await status(stranger, "/sandbox/v1/clock", origin=origin) == 403


async def test_the_sandbox_s_own_pages_are_served(stranger: Person) -> None:
    assert await status(stranger, "/sandbox/v1/clock", origin=stranger.sandbox.base_url) == 200
