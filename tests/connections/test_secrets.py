"""Secrets stay where they belong: not in the database in clear, not in logs, not in representations."""

import logging
from pathlib import Path

import pytest
import structlog

from tests.connections.house import TENANT, House, browser, depart
from tests.connections.vendor import Vendor1
from wattbus_server.connections.links import LinkSessions
from wattbus_server.problem import Problem
from wattbus_server.storage.encryption import Vault


def everything_on_disk(database: Path) -> bytes:
    return b"".join(path.read_bytes() for path in database.parent.glob(f"{database.name}*"))


async def test_no_secret_is_in_the_database_in_clear(house: House, vendor: Vendor1, database: Path) -> None:
    session = await house.new_link()
    async with browser() as client:
        state = await depart(client, session.url)
        during = everything_on_disk(database)
        cookie = next(iter(client.cookies.values()))
        await client.get(f"{house.url}/oauth/callback/tesla", params={"state": state, "code": vendor.consent("s")})
    connection = (await house.names())[0]
    stored = await house.grants.read(connection)
    assert stored is not None
    on_disk = during + everything_on_disk(database)
    assert connection.encode() in on_disk
    secrets = [state, cookie, session.url.rsplit("/", 1)[1], stored.grant.access_token, stored.grant.refresh_token]
    for secret in secrets:
        assert len(secret) > 10
        assert secret.encode() not in on_disk


async def test_no_secret_is_logged_or_shown(
    house: House, vendor: Vendor1, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as events:
        session = await house.new_link()
        async with browser() as client:
            state = await depart(client, session.url)
            callback = f"{house.url}/oauth/callback/tesla"
            await client.get(callback, params={"state": state, "code": vendor.consent("s")})
            await client.get(callback, params={"state": state, "code": "code-again"})
        connection = (await house.names())[0]
        vendor.renew_problem = Problem(31, "gone")  # type: ignore[arg-type] # REAUTHORIZATION_REQUIRED
        with pytest.raises(Problem):
            await house.keeper.renew(connection)
    stored = await house.grants.read(connection)
    assert stored is not None
    # The client of this test logs its own requests; what counts is the server.
    written = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    output = capfd.readouterr()
    shown = f"{events}{written}{output.out}{output.err}{stored}{house.connections.find(connection)}"
    assert "token_renewal_failed" in shown
    for secret in (state, session.url.rsplit("/", 1)[1], stored.grant.access_token, stored.grant.refresh_token):
        assert secret not in shown, [record.name for record in caplog.records if secret in record.getMessage()]


async def test_an_ended_link_session_is_told_also_when_the_key_of_its_link_was_removed(
    house: House, vendor: Vendor1
) -> None:
    ended = await house.link(vendor.consent("s"))
    pending = await house.new_link()
    rotated = LinkSessions(house.engine, Vault([bytes(32)]), house.url, {}, house.connections)
    told = await rotated.get(TENANT, ended.name)
    assert (told.connection, told.state, told.url) == (ended.connection, ended.state, "")
    with pytest.raises(Problem):
        await rotated.get(TENANT, pending.name)
