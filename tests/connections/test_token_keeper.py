import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from wattbus.v1.connection_pb2 import Access, ConnectionState
from wattbus.v1.reason_pb2 import Reason

from tests.connections.house import TENANT, House, open_house
from tests.connections.vendor import ALL_SCOPES, Vendor1
from wattbus_server.connections import keeper
from wattbus_server.connections.store import ConnectionChange, ConnectionChangeKind
from wattbus_server.problem import Problem

EXPIRED = Problem(Reason.REASON_REAUTHORIZATION_REQUIRED, "Tesla says login_required.", vendor_reason="login_required")


async def linked(house: House) -> str:
    return (await house.connection(house.vendor.consent("sub-1"))).name


async def test_a_token_is_used_until_it_is_about_to_expire(house: House, vendor: Vendor1) -> None:
    account = house.accounts.account(await linked(house))
    assert await account.access_token() == await account.access_token()
    assert vendor.spent == []


async def test_a_token_that_expires_within_a_minute_is_renewed_first(house: House, vendor: Vendor1) -> None:
    vendor.token_lifetime = timedelta(seconds=50)
    vendor.discover_problem = Problem(Reason.REASON_VENDOR_UNAVAILABLE, "not now")
    connection = await linked(house)
    vendor.spent.clear()
    vendor.token_lifetime = timedelta(hours=8)
    token = await house.accounts.account(connection).access_token()
    assert len(vendor.spent) == 1
    assert await house.accounts.account(connection).access_token() == token


async def test_many_callers_with_a_rejected_token_spend_one_refresh_token(house: House, vendor: Vendor1) -> None:
    account = house.accounts.account(await linked(house))
    rejected = await account.access_token()
    vendor.renew_gate.clear()
    waiting = [asyncio.create_task(account.replace_token(rejected)) for _ in range(20)]
    await vendor.renewing.wait()
    vendor.renew_gate.set()
    tokens = set(await asyncio.gather(*waiting))
    assert len(tokens) == 1
    assert rejected not in tokens
    assert len(vendor.spent) == 1
    assert await account.replace_token(rejected) in tokens
    assert len(vendor.spent) == 1


async def test_a_token_that_is_rejected_right_after_its_renewal_spends_no_more_until_the_user_links_again(
    house: House, vendor: Vendor1
) -> None:
    account = house.accounts.account(connection := await linked(house))
    replacement = await account.replace_token(await account.access_token())
    with pytest.raises(Problem) as caught:
        await account.replace_token(replacement)
    assert caught.value.reason == Reason.REASON_REAUTHORIZATION_REQUIRED
    assert caught.value.blockers[0].connection == connection
    assert len(vendor.spent) == 1
    assert await account.access_token() == replacement, "the grant is not declared dead: the vendor may be confused"
    await house.link(vendor.consent("sub-1"))
    again = await account.replace_token(await account.access_token())
    assert again != replacement
    assert len(vendor.spent) == 2


async def test_after_a_while_even_a_replacement_is_replaced(
    house: House, vendor: Vendor1, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "FIRST_REPLACEMENT_GAP", timedelta(0))
    account = house.accounts.account(await linked(house))
    first = await account.replace_token(await account.access_token())
    assert await account.replace_token(first) != first
    assert len(vendor.spent) == 2


async def test_a_cancelled_caller_does_not_cancel_the_renewal(house: House, vendor: Vendor1) -> None:
    account = house.accounts.account(await linked(house))
    rejected = await account.access_token()
    vendor.renew_gate.clear()
    first = asyncio.create_task(account.replace_token(rejected))
    await vendor.renewing.wait()
    second = asyncio.create_task(account.replace_token(rejected))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    vendor.renew_gate.set()
    assert await second != rejected
    assert len(vendor.spent) == 1


async def test_a_renewal_whose_only_caller_is_gone_is_still_stored(
    house: House, vendor: Vendor1, database: Path
) -> None:
    connection = await linked(house)
    account = house.accounts.account(connection)
    rejected = await account.access_token()
    vendor.renew_gate.clear()
    caller = asyncio.create_task(account.replace_token(rejected))
    await vendor.renewing.wait()
    caller.cancel()
    vendor.renew_gate.set()
    await house.keeper.close()
    async with open_house(database, vendor) as restarted:
        assert await restarted.accounts.account(connection).access_token() != rejected
    assert len(vendor.spent) == 1


async def test_two_replicas_spend_one_refresh_token(house: House, vendor: Vendor1, database: Path) -> None:
    connection = await linked(house)
    async with open_house(database, vendor) as other:
        accounts = [house.accounts.account(connection), other.accounts.account(connection)]
        rejected = await accounts[0].access_token()
        vendor.renew_gate.clear()
        waiting = [asyncio.create_task(account.replace_token(rejected)) for account in accounts for _ in range(5)]
        await vendor.renewing.wait()
        vendor.renew_gate.set()
        tokens = set(await asyncio.gather(*waiting))
    assert len(tokens) == 1
    assert len(vendor.spent) == 1


async def test_the_claim_of_a_process_that_died_runs_out_and_the_old_token_is_spent_again(
    house: House, vendor: Vendor1, database: Path
) -> None:
    connection = await linked(house)
    stored = await house.grants.read(connection)
    assert stored is not None
    # What a kill -9 between the vendor's answer and the store leaves behind.
    assert await house.grants.claim(connection, stored.version, timedelta(seconds=0.5)) is not None
    async with open_house(database, vendor) as restarted:
        token = await restarted.accounts.account(connection).replace_token(stored.grant.access_token)
    assert token != stored.grant.access_token
    assert vendor.spent == [stored.grant.refresh_token]


async def test_a_dead_grant_stops_all_vendor_calls_until_the_end_user_links_again(
    house: House, vendor: Vendor1
) -> None:
    connection = await linked(house)
    changes: list[ConnectionChange] = []
    house.directory.listen(changes.append)
    account = house.accounts.account(connection)
    rejected = await account.access_token()
    vendor.renew_problem = EXPIRED
    with pytest.raises(Problem) as caught:
        await account.replace_token(rejected)
    assert caught.value.reason == Reason.REASON_REAUTHORIZATION_REQUIRED
    assert caught.value.metadata == {"connection": connection}
    assert caught.value.blockers[0].evidence == "login_required"
    shown = await house.directory.get(TENANT, connection)
    assert shown.state == ConnectionState.CONNECTION_STATE_REAUTHORIZATION_REQUIRED
    assert shown.state_message == "Tesla says login_required."
    for refused in (account.access_token(), account.replace_token(rejected), sync(house, connection)):
        with pytest.raises(Problem) as caught:
            await refused
        assert caught.value.reason == Reason.REASON_REAUTHORIZATION_REQUIRED
    assert len(vendor.spent) == 1
    vendor.renew_problem = None
    await house.link(vendor.consent("sub-1"))
    assert await account.access_token() != rejected
    assert (await house.directory.get(TENANT, connection)).state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert [change.kind for change in changes] == [
        ConnectionChangeKind.REAUTHORIZATION_REQUIRED,
        ConnectionChangeKind.RENEWED,
    ]


async def test_a_dead_grant_stays_dead_after_a_restart(house: House, vendor: Vendor1, database: Path) -> None:
    connection = await linked(house)
    vendor.renew_problem = EXPIRED
    with pytest.raises(Problem):
        await house.keeper.renew(connection)
    async with open_house(database, vendor) as restarted:
        with pytest.raises(Problem) as caught:
            await restarted.accounts.account(connection).access_token()
    assert caught.value.reason == Reason.REASON_REAUTHORIZATION_REQUIRED
    assert len(vendor.spent) == 1


async def test_a_vendor_that_is_down_leaves_the_grant_alone(house: House, vendor: Vendor1) -> None:
    connection = await linked(house)
    account = house.accounts.account(connection)
    rejected = await account.access_token()
    vendor.renew_problem = Problem(Reason.REASON_VENDOR_UNAVAILABLE, "Tesla is down.")
    with pytest.raises(Problem) as caught:
        await account.replace_token(rejected)
    assert caught.value.reason == Reason.REASON_VENDOR_UNAVAILABLE
    vendor.renew_problem = None
    assert await account.replace_token(rejected) != rejected
    assert vendor.spent[0] == vendor.spent[1]


async def test_a_locked_account_is_told_with_its_connection(house: House, vendor: Vendor1) -> None:
    connection = await linked(house)
    vendor.renew_problem = Problem(Reason.REASON_ACCOUNT_LOCKED, "Tesla locked the account.")
    with pytest.raises(Problem) as caught:
        await house.directory.sync(TENANT, connection)
    assert caught.value.metadata == {"connection": connection}


async def test_scopes_that_the_end_user_took_back_or_gave_show_after_a_renewal(house: House, vendor: Vendor1) -> None:
    connection = await linked(house)
    changes: list[ConnectionChange] = []
    house.directory.listen(changes.append)
    vendor.granted_now = ALL_SCOPES - {"ACCESS_COMMAND_ENERGY"}
    partial = await house.directory.sync(TENANT, connection)
    assert partial.state == ConnectionState.CONNECTION_STATE_PARTIAL
    assert list(partial.missing_access) == [Access.ACCESS_COMMAND_ENERGY]
    assert house.accounts.account(connection).scopes == ALL_SCOPES - {"ACCESS_COMMAND_ENERGY"}
    vendor.granted_now = ALL_SCOPES
    whole = await house.directory.sync(TENANT, connection)
    assert whole.state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert [change.kind for change in changes] == [ConnectionChangeKind.SCOPES_CHANGED] * 2


async def test_who_signs_in_with_another_linked_account_takes_nothing_from_that_account(
    house: House, vendor: Vendor1
) -> None:
    mine = (await house.connection(vendor.consent("sub-1"))).name
    theirs = (await house.connection(vendor.consent("sub-2"), external_user_id="user-2")).name
    before = await house.accounts.account(theirs).access_token()
    session = await house.link(vendor.consent("sub-2"), connection=mine)
    assert session.failure_reason == Reason.REASON_ACCOUNT_MISMATCH
    # The vendor ended the token of before when it gave the new one.
    assert await house.accounts.account(theirs).access_token() != before
    assert (await house.directory.get(TENANT, theirs)).state == ConnectionState.CONNECTION_STATE_ACTIVE
    assert (await house.directory.sync(TENANT, theirs)).state == ConnectionState.CONNECTION_STATE_ACTIVE


async def test_linking_again_during_a_renewal_wins(house: House, vendor: Vendor1) -> None:
    connection = await linked(house)
    account = house.accounts.account(connection)
    rejected = await account.access_token()
    vendor.renew_gate.clear()
    renewal = asyncio.create_task(account.replace_token(rejected))
    await vendor.renewing.wait()
    await house.link(vendor.consent("sub-1"))
    newest = await account.access_token()
    vendor.renew_gate.set()
    assert await renewal == newest
    stored = await house.grants.read(connection)
    assert stored is not None
    assert stored.grant.access_token == newest


async def test_a_refusal_that_came_too_late_does_not_kill_a_newer_grant(house: House, vendor: Vendor1) -> None:
    connection = await linked(house)
    account = house.accounts.account(connection)
    vendor.renew_gate.clear()
    vendor.renew_problem = EXPIRED
    renewal = asyncio.create_task(account.replace_token(await account.access_token()))
    await vendor.renewing.wait()
    await house.link(vendor.consent("sub-1"))
    vendor.renew_gate.set()
    assert await renewal == await account.access_token()
    assert (await house.directory.get(TENANT, connection)).state == ConnectionState.CONNECTION_STATE_ACTIVE


async def sync(house: House, connection: str) -> object:
    return await house.directory.sync(TENANT, connection)
