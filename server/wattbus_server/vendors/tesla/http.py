"""How Tesla is reached over HTTP: one fast transport, with bounds, without cookies, redirects or compression."""

from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
"""No answer of Tesla comes near it; `vehicle_data` has about 12 KiB."""

_CONNECTION_LIMIT = 200
# Shorter than the shortest idle limit of common servers (5 s), so that a write never meets a connection that the other
# side is closing: its loss could not be told from a lost answer.
_KEEPALIVE_SECONDS = 4.0
# Tesla asks its users to respect the lifetimes of DNS records.
_DNS_CACHE_SECONDS = 10

HEADERS = {"user-agent": "wattbus", "accept": "application/json", "accept-encoding": "identity"}
"""Sent with every request. Uncompressed answers keep the size bound honest."""


class AnswerRefusedError(httpx.TransportError):
    """The answer is larger than the bound, or compressed although nobody asked for it."""


class BoundedTransport(httpx.AsyncBaseTransport):
    """Passes requests on and bounds the size of what comes back."""

    def __init__(self, inner: httpx.AsyncBaseTransport, limit: int = ANSWER_LIMIT_BYTES) -> None:
        self._inner = inner
        self._limit = limit

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request.

        Raises:
            AnswerRefusedError: While the body is read.
        """
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise AnswerRefusedError("the answer is compressed")
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - narrows the type for an async transport
        response.stream = _BoundedStream(response.stream, self._limit)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, limit: int) -> None:
        self._inner = inner
        self._left = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._left -= len(chunk)
            if self._left < 0:
                raise AnswerRefusedError("the answer is too large")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def new_transport() -> BoundedTransport:
    """Make the transport that all calls to Tesla share; whoever makes it closes it."""
    return BoundedTransport(AiohttpTransport(client=_new_session))


def no_cookies() -> CookieJar:
    """Make a jar that keeps nothing: calls for different accounts share a client, cookies must not."""
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))


def certainly_not_sent(error: httpx.TransportError) -> bool:
    """Say whether the request never left this machine; if in doubt it may have.

    The transport reports lost connections as connect errors too, so only the cause can tell.
    """
    return isinstance(error.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


_PLAIN_WORDS: Mapping[type[BaseException], str] = {
    aiohttp.ClientConnectorDNSError: "the name of its host was not found",
    aiohttp.ClientSSLError: "no secure connection could be made to its host",
    aiohttp.ClientConnectorError: "no connection could be made to its host",
    TimeoutError: "no answer came in time",
    aiohttp.ClientPayloadError: "the answer broke off",
    aiohttp.ClientConnectionError: "the connection was cut before the answer was complete",
}
"""By the kind of failure, the most exact kind first."""


def plain_words(error: Exception) -> str:
    """Say why a request brought no usable answer, in words for people; the log keeps the technical ones."""
    if isinstance(error, AnswerRefusedError):
        return str(error)
    found = (
        words for kind, words in _PLAIN_WORDS.items() if isinstance(error.__cause__, kind) or isinstance(error, kind)
    )
    return next(found, "the connection failed")


def _new_session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=_CONNECTION_LIMIT,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        ttl_dns_cache=_DNS_CACHE_SECONDS,
        ssl=httpx.create_ssl_context(),
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
