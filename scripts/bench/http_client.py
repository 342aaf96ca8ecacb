"""A small HTTP/1.1 client for measuring servers: it costs less than any of them, so that the server is the slow one."""

import asyncio
import re
import time

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class _Reader(asyncio.Protocol):
    """One connection that sends the same GET again as soon as it is answered."""

    def __init__(self, request: bytes, wanted: int) -> None:
        self._request = request
        self._missing = wanted
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a TCP connection has
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count a complete answer and ask again."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n") if found else None
        if length is None or len(body) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self.done.set_exception(RuntimeError(head.decode(errors="replace")))
            return
        self._buffer = b""
        self._missing -= 1
        if self._missing:
            self._transport.write(self._request)  # type: ignore[union-attr] # set when the connection was made
        else:
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail if answers are missing."""
        if not self.done.done():
            self.done.set_exception(error or RuntimeError("the server closed the connection"))

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()


async def reads_per_second(port: int, path: str, token: str, *, connections: int, reads: int) -> float:
    """GET a path on this computer over several connections at once, and return how many were answered in a second."""
    lines = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {token}", "", "")
    request = "\r\n".join(lines).encode()
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: _Reader(request, reads // connections), "127.0.0.1", port)
        for _ in range(connections)
    ]
    try:
        await asyncio.gather(*(reader.done for _, reader in opened))
    finally:
        for _, reader in opened:
            reader.close()
    return connections * (reads // connections) / (time.perf_counter() - started)
