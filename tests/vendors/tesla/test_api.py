import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from tests.service import free_port
from tests.turns import let_time_pass
from tests.vendors.tesla.account import MemoryAccount
from tests.vendors.tesla.conftest import MakeApi
from tests.vendors.tesla.tiny_server import tiny_server
from wattbus_server.problem import Execution, Problem
from wattbus_server.vendors.tesla.exchange import Call
from wattbus_server.vendors.tesla.http import ANSWER_LIMIT_BYTES

WRITE = "/api/1/energy_sites/1/backup"


def answering(*answers: Response) -> Callable[[Request], Awaitable[Response]]:
    """Give the answers in order, the last one for ever."""
    left = list(answers)

    async def answer(_: Request) -> Response:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def ok(response: object = "fine") -> Response:
    return JSONResponse({"response": response})


def misdirected(url: str, *, alt_svc: str = "") -> Response:
    error = f"user out of region, use base URL: {url}, see https://developer.tesla.com/docs"
    headers = {"Alt-Svc": f"h2={alt_svc}"} if alt_svc else {}
    return JSONResponse({"response": None, "error": error, "txid": "abc"}, 421, headers)


async def test_a_get_returns_the_response_member(make_api: MakeApi) -> None:
    async with tiny_server(answering(ok({"a": 1}))) as server:
        api = make_api({"na": server.url})
        found = await api.get(MemoryAccount(), "/api/1/products", {"endpoints": "a;b"})
    assert found == {"a": 1}
    (request,) = server.seen
    assert (request.method, request.path, request.query) == ("GET", "/api/1/products", "endpoints=a%3Bb")
    assert request.token == "token-1"
    assert "cookie" not in request.headers


async def test_a_post_without_parameters_sends_an_empty_object(make_api: MakeApi) -> None:
    async with tiny_server(answering(ok())) as server:
        api = make_api({"na": server.url})
        await api.post(MemoryAccount(), "/api/1/vehicles/1/wake_up", changes_something=True)
    assert server.seen[0].body == b"{}"
    assert server.seen[0].headers["content-type"] == "application/json"


async def test_cookies_of_one_account_never_reach_another(make_api: MakeApi) -> None:
    answer = ok()
    answer.set_cookie("session", "first")
    async with tiny_server(answering(answer)) as server:
        api = make_api({"na": server.url})
        await api.get(MemoryAccount("a"), "/api/1/products")
        await api.get(MemoryAccount("b"), "/api/1/products")
    assert all("cookie" not in request.headers for request in server.seen)


async def test_a_rejected_token_is_replaced_once_and_the_call_repeated(make_api: MakeApi) -> None:
    account = MemoryAccount()
    async with tiny_server(answering(JSONResponse({"error": "token expired (401)"}, 401), ok())) as server:
        api = make_api({"na": server.url})
        assert await api.post(account, WRITE, {"x": 1}, changes_something=True) == "fine"
    assert server.tokens == ["token-1", "token-1-renewed"]
    assert account.replaced == ["token-1"]


async def test_a_second_rejection_asks_for_a_new_link(make_api: MakeApi) -> None:
    async with tiny_server(answering(PlainTextResponse("", 401))) as server:
        api = make_api({"na": server.url})
        with pytest.raises(Problem) as caught:
            await api.get(MemoryAccount(), "/api/1/products")
    assert caught.value.reason == Reason.REASON_REAUTHORIZATION_REQUIRED
    assert caught.value.blockers[0].connection == "connections/c"
    assert len(server.seen) == 2


async def test_switched_off_mobile_access_spends_no_token(make_api: MakeApi) -> None:
    account = MemoryAccount()
    async with tiny_server(answering(JSONResponse({"error": "mobile_access_disabled"}, 401))) as server:
        api = make_api({"na": server.url})
        with pytest.raises(Problem) as caught:
            await api.get(account, "/api/1/vehicles/1/vehicle_data")
    assert caught.value.reason == Reason.REASON_REMOTE_ACCESS_DISABLED
    assert account.replaced == []
    assert len(server.seen) == 1


async def test_a_problem_of_the_grant_gets_its_blocker(make_api: MakeApi) -> None:
    account = MemoryAccount(refuses=Problem(Reason.REASON_REAUTHORIZATION_REQUIRED, "gone"))
    api = make_api({"na": "http://127.0.0.1:9"})
    with pytest.raises(Problem) as caught:
        await api.get(account, "/api/1/products")
    assert [blocker.connection for blocker in caught.value.blockers] == ["connections/c"]


@pytest.mark.parametrize("by_header", [False, True])
async def test_a_misdirected_call_follows_to_a_configured_region(make_api: MakeApi, by_header: bool) -> None:
    account = MemoryAccount()
    async with tiny_server(answering(ok("from eu"))) as eu:
        named = "https://elsewhere.example" if by_header else eu.url
        async with tiny_server(answering(misdirected(named, alt_svc=eu.url if by_header else ""))) as na:
            api = make_api({"na": na.url, "eu": eu.url})
            assert await api.get(account, "/api/1/products") == "from eu"
            assert account.region == "eu"
            assert await api.get(account, "/api/1/products") == "from eu"
    assert len(na.seen) == 1
    assert len(eu.seen) == 2


@pytest.mark.parametrize(
    "forged",
    [
        "https://fleet-api.prd.eu.vn.cloud.tesla.com.evil.example",
        "https://evil.example/fleet-api.prd.eu.vn.cloud.tesla.com",
        "https://fleet-api.prd.eu.vn.cloud.tesla.com@evil.example",
        "{thief}",
    ],
)
async def test_a_forged_region_never_gets_a_token(make_api: MakeApi, forged: str) -> None:
    account = MemoryAccount()
    async with tiny_server(answering(ok("stolen"))) as thief:
        url = forged.format(thief=thief.url)
        async with tiny_server(answering(misdirected(url, alt_svc=thief.url))) as na:
            api = make_api({"na": na.url, "eu": "https://fleet-api.prd.eu.vn.cloud.tesla.com"})
            with pytest.raises(Problem) as caught:
                await api.get(account, "/api/1/products")
    assert caught.value.reason == Reason.REASON_ACCOUNT_IN_OTHER_REGION
    assert thief.seen == []
    assert account.region == ""


async def test_two_regions_that_point_at_each_other_end_in_a_problem(make_api: MakeApi) -> None:
    urls: dict[str, str] = {}

    async def answer(request: Request) -> Response:
        return misdirected(urls["na"] if request.url.port == int(urls["eu"].rpartition(":")[2]) else urls["eu"])

    async with tiny_server(answer) as na, tiny_server(answer) as eu:
        urls.update(na=na.url, eu=eu.url)
        api = make_api(urls)
        with pytest.raises(Problem) as caught:
            await api.get(MemoryAccount(), "/api/1/products")
    assert caught.value.reason == Reason.REASON_ACCOUNT_IN_OTHER_REGION
    assert len(na.seen) + len(eu.seen) == 2


async def test_redirects_are_not_followed(make_api: MakeApi) -> None:
    async with tiny_server(answering(ok())) as thief, tiny_server(answering(RedirectResponse(thief.url))) as na:
        api = make_api({"na": na.url})
        with pytest.raises(Problem) as caught:
            await api.get(MemoryAccount(), "/api/1/products")
    assert caught.value.reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert thief.seen == []


UNREADABLE = [
    b"<html><body>gateway</body></html>",
    b'{"response": {"result": tr',
    b"",
    b"null",
    b"[]",
    b'{"other": 1}',
    b'{"response": NaN}',
    b"\xff\xfe\x00",
    b'{"response": ' + b"[" * 200_000,
]


@pytest.mark.parametrize("content", UNREADABLE, ids=range(len(UNREADABLE)))
@pytest.mark.parametrize("writes", [False, True])
async def test_an_unreadable_success_tells_the_truth_about_writes(
    make_api: MakeApi, content: bytes, writes: bool
) -> None:
    async with tiny_server(answering(Response(content, media_type="application/json"))) as server:
        api = make_api({"na": server.url})
        asking = (
            api.post(MemoryAccount(), WRITE, changes_something=True)
            if writes
            else api.get(MemoryAccount(), "/api/1/products")
        )
        with pytest.raises(Problem) as caught:
            await asking
    assert caught.value.reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert caught.value.execution == (Execution.UNKNOWN if writes else Execution.NOT_SENT)
    assert len(caught.value.vendor_reason) <= 500
    assert len(server.seen) == 1


async def test_an_oversized_answer_is_cut_off(make_api: MakeApi) -> None:
    large = Response(b'{"response": "' + b"x" * ANSWER_LIMIT_BYTES + b'"}')
    async with tiny_server(answering(large, ok("after"))) as server:
        api = make_api({"na": server.url})
        with pytest.raises(Problem, match="too large"):
            await api.get(MemoryAccount(), "/api/1/products")
        assert await api.get(MemoryAccount(), "/api/1/products") == "after"


async def test_a_compressed_answer_that_nobody_asked_for_is_refused(make_api: MakeApi) -> None:
    async with tiny_server(answering(Response(b"\x1f\x8b", headers={"content-encoding": "gzip"}))) as server:
        api = make_api({"na": server.url})
        with pytest.raises(Problem, match="compressed"):
            await api.get(MemoryAccount(), "/api/1/products")
    assert server.seen[0].headers["accept-encoding"] == "identity"


async def test_a_slow_answer_leaves_the_outcome_of_a_write_open(make_api: MakeApi) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def answer(_: Request) -> Response:
        asked.set()
        await never.wait()
        return ok()

    async with tiny_server(answer) as server:
        api = make_api({"na": server.url}, request_timeout=timedelta(minutes=1))
        asking = asyncio.create_task(api.post(MemoryAccount(), WRITE, changes_something=True))
        await asked.wait()
        let_time_pass(60)
        with pytest.raises(Problem) as caught:
            await asking
        never.set()
    assert caught.value.reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert caught.value.execution == Execution.UNKNOWN
    assert caught.value.retry_delay is not None
    assert len(server.seen) == 1


async def test_a_connection_that_is_cut_leaves_the_outcome_of_a_write_open(make_api: MakeApi) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        api = make_api({"na": f"http://127.0.0.1:{port}"})
        with pytest.raises(Problem) as caught:
            await api.post(MemoryAccount(), WRITE, changes_something=True)
    assert caught.value.execution == Execution.UNKNOWN
    assert caught.value.message.endswith(": the connection was cut before the answer was complete.")


async def test_an_answer_that_breaks_off_is_told_in_plain_words(make_api: MakeApi) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        api = make_api({"na": f"http://127.0.0.1:{port}"})
        with pytest.raises(Problem) as caught:
            await api.get(MemoryAccount(), "/api/1/products")
    assert caught.value.message == "Tesla gave no usable answer to products: the answer broke off."
    assert caught.value.metadata["connection"] == MemoryAccount().connection
    assert caught.value.blockers[0].remedies[0].actor == Actor.ACTOR_VENDOR


async def test_a_refused_connection_certainly_did_nothing(make_api: MakeApi) -> None:
    api = make_api({"na": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(Problem) as caught:
        await api.post(MemoryAccount(), WRITE, changes_something=True)
    assert caught.value.reason == Reason.REASON_VENDOR_UNAVAILABLE
    assert caught.value.execution == Execution.NOT_SENT
    assert caught.value.message.endswith(": no connection could be made to its host.")


async def test_an_exchange_accepts_an_empty_success(make_api: MakeApi) -> None:
    async with tiny_server(answering(Response(status_code=204, headers={"x-txid": "t1"}))) as server:
        api = make_api({"na": server.url})
        answer = await api.exchange(MemoryAccount(), Call("POST", WRITE, body={"a": 1}, changes_something=True))
    assert (answer.status, answer.text, answer.txid, answer.region) == (204, "", "t1", "na")
    assert json.loads(server.seen[0].body) == {"a": 1}


async def test_no_token_stands_in_a_problem(make_api: MakeApi) -> None:
    async with tiny_server(answering(PlainTextResponse("nope", 500))) as server:
        api = make_api({"na": server.url})
        with pytest.raises(Problem) as caught:
            await api.get(MemoryAccount("very-secret-token"), "/api/1/products")
    assert "very-secret" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
