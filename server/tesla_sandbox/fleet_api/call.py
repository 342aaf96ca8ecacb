"""One authorised call of a Fleet API endpoint, as its handler sees it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import NoReturn

from starlette.requests import ClientDisconnect, Request

from tesla_sandbox.cars.car import Car
from tesla_sandbox.fleet_api.answers import (
    ApiRefusal,
    invalid_request,
    missing_scopes,
    not_a_json_request,
    not_found,
    refusal,
    service_unavailable,
)
from tesla_sandbox.fleet_api.endpoints import Endpoint
from tesla_sandbox.homes.home import Home
from tesla_sandbox.scopes import Scope
from tesla_sandbox.world import Application, User, World

LARGEST_BODY_BYTES = 256 * 1024


@dataclass(slots=True)
class FleetCall:
    """A request that passed the gate.

    Attributes:
        user: The person whose token it is; None with a partner token.
        scopes: What the access token carries (not what is granted by now).
        path_params: Values of the path template.
        device: VIN or energy site id that the call is about, if it is about one.
        txid: Identifies the request, also in the header `x-txid`.
    """

    world: World
    request: Request
    endpoint: Endpoint
    region: str
    application: Application
    user: User | None
    scopes: frozenset[str]
    path_params: dict[str, str]
    txid: str
    device: str | None = None
    _raw: bytes | None = field(default=None, repr=False)
    _body: dict[str, object] | None = field(default=None, repr=False)

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters; of a repeated one the last."""
        return self.request.query_params

    @property
    def api_path(self) -> str:
        """The path as the documentation writes it, from `/api/` on."""
        scope = self.request.scope
        return str(scope["path"][len(scope.get("root_path", "")) :])

    def require_user(self) -> User:
        """The person whose token it is; 403 for a partner token."""
        if self.user is None:
            raise refusal(403, "Expected user account")
        return self.user

    def car(self) -> Car:
        """The car that the path names, by VIN or numeric id; 404 if it is not the user's."""
        car = self.world.car_of(self.require_user(), self.path_params["vin"])
        if car is None:
            raise not_found()
        return car

    def home(self) -> Home:
        """The home that the path names, by its numeric site id; 404 if it is not the user's."""
        text = self.path_params["site_id"]
        site_id = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        home = self.world.home_of(self.require_user(), site_id)
        if home is None:
            raise not_found()
        return home

    def require_scopes(self, *, all_of: tuple[Scope, ...] = (), any_of: tuple[Scope, ...] = ()) -> None:
        """403 unless the token carries every scope of `all_of` and one of `any_of`."""
        for scope in all_of:
            if scope not in self.scopes:
                raise missing_scopes(scope)
        if any_of and not self.scopes.intersection(any_of):
            raise missing_scopes()

    async def json(self) -> dict[str, object]:
        """The body as a JSON object, read once.

        Raises:
            ApiRefusal: 406 for an empty or undeclared body, 413 for an oversized one, 400 for one
                that is no JSON object (or `null`, where no parameter is required).
        """
        if self._body is None:
            content_type = self.request.headers.get("content-type", "")
            if content_type.partition(";")[0].strip().lower() != "application/json":
                raise not_a_json_request()
            self._body = _json_object(await self._read(), null_is_empty=self.endpoint.parameterless)
        return self._body

    async def wait(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass before the answer.

        Raises:
            ApiRefusal: 499 if the client goes away meanwhile, 503 if the sandbox stops.
        """
        await self._read()
        slept = asyncio.ensure_future(self.world.clock.sleep(seconds))
        left = asyncio.ensure_future(self._client_left())
        try:
            await asyncio.wait({slept, left}, return_when=asyncio.FIRST_COMPLETED)
            if not slept.done():
                raise ApiRefusal(499, None)
            if not slept.result():
                raise service_unavailable()
        finally:
            slept.cancel()
            left.cancel()

    async def _client_left(self) -> None:
        while (await self.request.receive())["type"] != "http.disconnect":
            pass

    async def _read(self) -> bytes:
        if self._raw is None:
            body = bytearray()
            try:
                async for chunk in self.request.stream():
                    body += chunk
                    if len(body) > LARGEST_BODY_BYTES:
                        raise ApiRefusal(413, {"error": "payload too large"})
            except ClientDisconnect as gone:
                raise ApiRefusal(499, None) from gone
            self._raw = bytes(body)
        return self._raw


def _json_object(body: bytes, *, null_is_empty: bool) -> dict[str, object]:
    if not body.strip():
        raise not_a_json_request()
    try:
        parsed = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as broken:
        raise invalid_request("the body is not valid JSON") from broken
    if parsed is None and null_is_empty:
        return {}
    if not isinstance(parsed, dict):
        raise invalid_request("the body must be a JSON object")
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is too large")
    return number
