"""Composes the sandbox's HTTP surface from its rooms: a world in, an ASGI application out."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router

from tesla_sandbox.auth.authorize import ConsentPages
from tesla_sandbox.auth.consent_management import ConsentManagement
from tesla_sandbox.auth.discovery import Discovery
from tesla_sandbox.auth.pairing import PairingPages
from tesla_sandbox.auth.profile_image import profile_image_routes
from tesla_sandbox.auth.token_endpoint import TokenEndpoint
from tesla_sandbox.control.access import LoopbackOnly
from tesla_sandbox.control.api import ControlApi, ScenarioLoader
from tesla_sandbox.control.page import LivePage
from tesla_sandbox.fleet_api.answers import refusal
from tesla_sandbox.fleet_api.charging import CHARGING_ENDPOINTS
from tesla_sandbox.fleet_api.endpoints import EndpointTable
from tesla_sandbox.fleet_api.energy import ENERGY_ENDPOINTS
from tesla_sandbox.fleet_api.energy_history import HISTORY_ENDPOINTS
from tesla_sandbox.fleet_api.partner import PARTNER_ENDPOINTS
from tesla_sandbox.fleet_api.products import PRODUCT_ENDPOINTS
from tesla_sandbox.fleet_api.router import FleetRouter
from tesla_sandbox.fleet_api.telemetry_configuration import TELEMETRY_ENDPOINTS
from tesla_sandbox.fleet_api.users import USER_ENDPOINTS
from tesla_sandbox.fleet_api.vehicle_commands import COMMAND_ENDPOINTS
from tesla_sandbox.fleet_api.vehicle_information import INFORMATION_ENDPOINTS
from tesla_sandbox.fleet_api.vehicle_sharing import SHARING_ENDPOINTS
from tesla_sandbox.fleet_api.vehicles import VEHICLE_ENDPOINTS
from tesla_sandbox.request_log import RequestLogMiddleware
from tesla_sandbox.world import REGIONS, World

LARGEST_BODY_BYTES = 1024 * 1024
FLEET_API_TABLES: tuple[EndpointTable, ...] = (
    USER_ENDPOINTS,
    PRODUCT_ENDPOINTS,
    ENERGY_ENDPOINTS,
    VEHICLE_ENDPOINTS,
    COMMAND_ENDPOINTS,
    INFORMATION_ENDPOINTS,
    SHARING_ENDPOINTS,
    TELEMETRY_ENDPOINTS,
    HISTORY_ENDPOINTS,
    PARTNER_ENDPOINTS,
    CHARGING_ENDPOINTS,
)


def build_app(
    world: World, loader: ScenarioLoader, on_startup: Callable[[], None], *, open_control: bool = False
) -> Starlette:
    """The ASGI application of a world.

    Args:
        world: What it serves.
        loader: Who replaces the world when the control surface asks for it.
        on_startup: Called when the application begins to serve.
        open_control: Whether other computers may use the control surface too.
    """
    control: list[tuple[str, list[Route]]] = [
        ("/sandbox/v1", ControlApi(world, loader).routes()),
        ("/sandbox", LivePage(world, loader.timeline).routes()),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        on_startup()
        yield

    return Starlette(
        routes=[
            *_fleet_api(world),
            Route("/status", _status),
            *ConsentPages(world).routes(),
            *TokenEndpoint(world).routes(),
            *Discovery(world).routes(),
            *ConsentManagement(world).routes(),
            *PairingPages(world).routes(),
            *profile_image_routes(),
            *(
                Mount(path, app=Router(routes) if open_control else LoopbackOnly(Router(routes)))
                for path, routes in control
            ),
        ],
        middleware=[Middleware(RequestLogMiddleware, world=world)],
        exception_handlers={HTTPException: _http_refusal, Exception: _server_error},
        lifespan=lifespan,
        max_body_size=LARGEST_BODY_BYTES,
    )


def _fleet_api(world: World) -> Iterator[BaseRoute]:
    """Each region below its path, and at its host if it has one. Endpoints bound their bodies, with Tesla's answer."""
    for region in REGIONS:
        router = RequestBodyLimitMiddleware(FleetRouter(world, region, FLEET_API_TABLES), sys.maxsize)
        if region in world.fleet_hosts:
            yield Host(world.fleet_hosts[region], router)
        yield Mount(f"/{region}", app=router)


async def _status(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _http_refusal(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    texts = {404: "not_found", 405: "invalid_method"}
    return refusal(status, texts.get(status, "invalid_request")).response()


async def _server_error(_: Request, __: Exception) -> Response:
    return refusal(500, "internal server error").response()
