"""Finds the endpoint of a Fleet API request.

A tree over path segments instead of a list of patterns: there are more than a hundred endpoints, and a reader should
not pay for the commands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from tesla_sandbox.fleet_api.answers import not_found, refusal
from tesla_sandbox.fleet_api.endpoints import EndpointTable
from tesla_sandbox.fleet_api.gate import guarded, with_txid
from tesla_sandbox.request_log import LOG_KEY
from tesla_sandbox.world import World

Serve = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class _Node:
    """What may follow in a path: fixed words first, otherwise any value under the parameter's name."""

    words: dict[str, _Node] = field(default_factory=dict)
    parameters: dict[str, _Node] = field(default_factory=dict)
    methods: dict[str, Serve] = field(default_factory=dict)


class FleetRouter:
    """The Fleet API of one region as an ASGI application below the region's prefix."""

    def __init__(self, world: World, region: str, tables: Iterable[EndpointTable]) -> None:
        self._world = world
        self._root = _Node()
        self._add("GET", "/status", _status)
        for table in tables:
            for endpoint in table:
                self._add(endpoint.method, endpoint.path, guarded(world, endpoint, region))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or answer 404 or 405 in Tesla's shape."""
        path: str = scope["path"][len(scope.get("root_path", "")) :]
        values: dict[str, str] = {}
        node = _find(self._root, path.strip("/").split("/"), values)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if node is not None and method in node.methods:
            scope["path_params"] = values
            response = await node.methods[method](Request(scope, receive))
        else:
            response = self._unserved(scope, node)
        await response(scope, receive, send)

    def _unserved(self, scope: Scope, node: _Node | None) -> Response:
        scope[LOG_KEY]["txid"] = txid = self._world.hex_id(32)
        if node is None or not node.methods:
            return with_txid(not_found().response(), txid)
        response = refusal(405, "invalid_method").response()
        response.headers["allow"] = ", ".join(sorted(node.methods))
        return with_txid(response, txid)

    def _add(self, method: str, path: str, serve: Serve) -> None:
        node = self._root
        for segment in path.strip("/").split("/"):
            following = node.parameters if segment.startswith("{") else node.words
            node = following.setdefault(segment.strip("{}"), _Node())
        node.methods.setdefault(method, serve)


def _find(node: _Node, segments: list[str], values: dict[str, str]) -> _Node | None:
    if not segments:
        return node
    word, rest = segments[0], segments[1:]
    if word in node.words:
        found = _find(node.words[word], rest, values)
        if found is not None and found.methods:
            return found
    for name, following in node.parameters.items():
        found = _find(following, rest, values) if word else None
        if found is not None and found.methods:
            values[name] = word
            return found
    return None


async def _status(_: Request) -> Response:
    return PlainTextResponse("ok")
