"""Calls the Fleet API with an account's token, in the account's region, once or as often as it is safe."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping

import httpx
import structlog
from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem
from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.exchange import Answer, Call, UnreadableJsonError, parse_json
from wattbus_server.vendors.tesla.http import HEADERS, certainly_not_sent, no_cookies, plain_words
from wattbus_server.vendors.tesla.refusals import Refusals
from wattbus_server.vendors.tesla.region import Regions
from wattbus_server.vendors.tesla.scopes import ScopeRule

log = structlog.get_logger()

_REJECTED_TOKEN = 401
_MISDIRECTED = 421


class FleetApi:
    """The Fleet API. Every method raises `Problem` with a truthful `execution` for everything but success."""

    def __init__(self, settings: TeslaSettings, transport: httpx.AsyncBaseTransport, refusals: Refusals) -> None:
        self.regions = Regions(settings)
        self._timeout = settings.request_timeout.total_seconds()
        self.refusals = refusals
        """Explains what comes back other than success."""
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=self._timeout,
            headers=HEADERS,
            cookies=no_cookies(),
            follow_redirects=False,
        )

    async def get(
        self,
        account: VendorAccount,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        device: DeviceRecord | None = None,
        region: str = "",
    ) -> object:
        """Read, and return the `response` member.

        Args:
            account: Whose token is used.
            path: From `/api/1/…`; callers quote identifiers in it.
            params: Query parameters.
            device: What it is about, for the explanation of a refusal.
            region: The region to ask instead of the account's.
        """
        call = Call("GET", path, params or {}, device=device, region=region)
        return await self._response_member(account, call)

    async def post(
        self,
        account: VendorAccount,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        changes_something: bool,
        device: DeviceRecord | None = None,
        scopes: ScopeRule | None = None,
        blocked_actions: Iterable[ActionKind.ValueType] = (),
    ) -> object:
        """Post, and return the `response` member.

        Args:
            account: Whose token is used.
            path: From `/api/1/…`; callers quote identifiers in it.
            body: Sent as JSON; None sends `{}`.
            changes_something: True if a lost answer leaves open whether something was done.
            device: What it is about, for the explanation of a refusal.
            scopes: What the call needs, if the path does not tell it (`signed_command`).
            blocked_actions: What a missing scope blocks. Empty: reading too.
        """
        call = Call("POST", path, {}, body, changes_something, device, scopes, tuple(blocked_actions))
        return await self._response_member(account, call)

    async def exchange(self, account: VendorAccount, call: Call) -> Answer:
        """Make a call and return the whole successful answer, whose body may be empty or plain text.

        A rejected token is replaced once, a misdirected call follows to another configured region once; neither was
        carried out, so repeating them is safe also for writes. Nothing else is repeated.
        """
        region = self.regions.known(call.region or account.region)
        token = await self._token(account, account.access_token())
        answer = await self._send(account, region, token, call)
        if answer.status == _REJECTED_TOKEN and "mobile_access_disabled" not in answer.text:
            token = await self._token(account, account.replace_token(token))
            answer = await self._send(account, region, token, call)
        if answer.status == _MISDIRECTED and (other := self.regions.named_in(answer)) not in (None, region):
            region = str(other)
            await account.remember_region(region)
            answer = await self._send(account, region, token, call)
        if 200 <= answer.status < 300:
            return answer
        raise self.refusals.problem(call, answer, account)

    async def close(self) -> None:
        """Close the client and the transport that it was given."""
        await self._client.aclose()

    async def _token(self, account: VendorAccount, getting: Awaitable[str]) -> str:
        try:
            return await getting
        except Problem as problem:
            explained = self.refusals.of_account(problem, account)
            if explained is problem:
                raise
            raise explained from problem

    async def _send(self, account: VendorAccount, region: str, token: str, call: Call) -> Answer:
        url = self.regions.base_url(region) + call.path
        body = None if call.method == "GET" else dict(call.body or {})
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.request(
                    call.method,
                    url,
                    params=dict(call.params) or None,
                    json=body,
                    headers={"authorization": f"Bearer {token}"},
                )
        except TimeoutError:
            why = f"no answer within {self._timeout:g} s"
            raise self.refusals.unanswered(call, account, why, sent=True) from None
        except httpx.TransportError as error:
            log.info("tesla_call_unanswered", operation=call.operation, error=repr(error.__cause__ or error)[:200])
            sent = not certainly_not_sent(error)
            raise self.refusals.unanswered(call, account, plain_words(error), sent=sent) from error
        except httpx.InvalidURL as error:
            raise Problem(Reason.REASON_INTERNAL, f"A Fleet API address is malformed: {error}.") from error
        return Answer(
            status=response.status_code,
            text=response.content.decode("utf-8", "replace"),
            headers={name.lower(): value for name, value in response.headers.items()},
            region=region,
        )

    async def _response_member(self, account: VendorAccount, call: Call) -> object:
        answer = await self.exchange(account, call)
        try:
            body = parse_json(answer.text)
        except UnreadableJsonError as error:
            raise self.refusals.unreadable(call, answer, account, "not JSON") from error
        if not isinstance(body, dict) or "response" not in body:
            raise self.refusals.unreadable(call, answer, account, "no `response` in it")
        return body["response"]
