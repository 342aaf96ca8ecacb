"""The declarative table of Fleet API endpoints: who may call each, what it costs, how often."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from starlette.responses import Response

from tesla_sandbox.billing import Price
from tesla_sandbox.fleet_api.rate_limits import RateClass
from tesla_sandbox.scopes import Scope

if TYPE_CHECKING:
    from tesla_sandbox.fleet_api.call import FleetCall

Handler = Callable[["FleetCall"], Awaitable[Response]]


class TokenKind(StrEnum):
    """Whose token an endpoint takes."""

    USER = "user"
    PARTNER = "partner"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method and path of the Fleet API.

    Attributes:
        path: Path template; `{vin}` and `{site_id}` name the device it is about.
        any_of: One of these scopes is enough (none listed: no scope is needed).
        all_of: Every one of these scopes is needed.
        price: What a call is billed as.
        rate: The rate limit that a call counts against, per account and device.
        token: Whose token is expected.
        any_region: Answered also in a region other than the account's.
        unregistered: Answered also to an application that is not registered in the region.
        parameterless: No parameter is required, so that the body may be `null`, as Tesla's own client library sends it.
    """

    method: str
    path: str
    handler: Handler
    any_of: tuple[Scope, ...] = ()
    all_of: tuple[Scope, ...] = ()
    price: Price = Price.FREE
    rate: RateClass | None = None
    token: TokenKind = TokenKind.USER
    any_region: bool = False
    unregistered: bool = False
    parameterless: bool = False


class EndpointTable:
    """A group of endpoints that one module contributes."""

    def __init__(self) -> None:
        self._endpoints: list[Endpoint] = []

    def __iter__(self) -> Iterator[Endpoint]:
        """The endpoints in the order of their registration."""
        return iter(self._endpoints)

    def endpoint(
        self,
        method: str,
        path: str,
        *,
        any_of: tuple[Scope, ...] = (),
        all_of: tuple[Scope, ...] = (),
        price: Price = Price.FREE,
        rate: RateClass | None = None,
        token: TokenKind = TokenKind.USER,
        any_region: bool = False,
        unregistered: bool = False,
        parameterless: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Register the decorated handler; see `Endpoint` for the arguments."""

        def register(handler: Handler) -> Handler:
            self._endpoints.append(
                Endpoint(
                    method,
                    path,
                    handler,
                    any_of=any_of,
                    all_of=all_of,
                    price=price,
                    rate=rate,
                    token=token,
                    any_region=any_region,
                    unregistered=unregistered,
                    parameterless=parameterless,
                )
            )
            return handler

        return register
