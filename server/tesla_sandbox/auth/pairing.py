"""The pairing page: stands for `tesla.com/_ak/<domain>`, which opens the Tesla app on a phone.

Source: Tesla Fleet API documentation, virtual-keys/developer-guide: the person must have granted a
vehicle scope with the same account, the application must be registered in the person's region, and its
public key must still be hosted (for applications with `hosted_key_url`; what is hosted must be a key).
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tesla_sandbox.auth.forms import UnreadableFormError, read_form, texts
from tesla_sandbox.auth.sign_in import sign_in, signed_in_user
from tesla_sandbox.hosted_key import KeyMissingError, fetch_hosted_key
from tesla_sandbox.pages import error_page, page
from tesla_sandbox.scopes import Scope
from tesla_sandbox.world import Application, User, World

PATH = "/_ak/{domain}"
NOT_REGISTERED = "Application has not registered with Tesla."
PAIRING_SCOPES = frozenset({Scope.VEHICLE_DEVICE_DATA, Scope.VEHICLE_CMDS, Scope.VEHICLE_LOCATION})


class PairingRefusedError(ValueError):
    """Raised when a key cannot be added; the text is what the Tesla app would say."""


async def pair(world: World, user: User, application: Application, vin: str) -> None:
    """Add the application's key to one of the person's cars.

    Raises:
        PairingRefusedError: If a precondition is not met.
    """
    grant = world.grant(user.user_id, application.client_id)
    if grant is None or not grant.scopes & PAIRING_SCOPES:
        raise PairingRefusedError("User has not granted this third-party app access.")
    registered = user.region in application.registered_regions
    if not registered or application.public_key is None:
        raise PairingRefusedError(NOT_REGISTERED)
    await _check_hosted_key(application)
    car = world.car_of(user, vin)
    if car is None:
        raise PairingRefusedError("This vehicle is not on your account.")
    if not car.reachable():
        raise PairingRefusedError("The vehicle is offline or asleep. Wake it and try again.")
    try:
        car.pair_key(application.public_key)
    except ValueError as full:
        raise PairingRefusedError(str(full)) from full


async def _check_hosted_key(application: Application) -> None:
    if application.hosted_key_url is None:
        return
    try:
        await fetch_hosted_key(application.hosted_key_url, application.domain)
    except (KeyMissingError, ValueError) as missing:
        raise PairingRefusedError(NOT_REGISTERED) from missing


class PairingPages:
    """The pages under `/_ak/<domain>`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """The pages' routes."""
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(PATH, self.decide, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """One button per car that the person may pair."""
        application = self._application(request)
        if application is None:
            return error_page(NOT_REGISTERED, 404)
        user = signed_in_user(self._world, request)
        if user is None:
            return self._sign_in_page(application, request, request.query_params.get("vin", ""))
        wanted = request.query_params.get("vin", "")
        cars = [self._world.cars[vin] for vin in user.vins if wanted in ("", vin)]
        key = application.public_key
        states = [(car, car.key_state(key) if key is not None else "unpaired") for car in cars]
        return page("pairing.html", application=application, user=user, cars=states, action=request.url.path)

    async def decide(self, request: Request) -> Response:
        """Handle a button: sign in, or add the key to the car that the form names."""
        application = self._application(request)
        if application is None:
            return error_page(NOT_REGISTERED, 404)
        try:
            values = texts(await read_form(request))
        except UnreadableFormError as unreadable:
            return error_page(str(unreadable))
        user = signed_in_user(self._world, request)
        if "email" in values:
            user = self._world.user_by_email(values["email"])
        vin = values.get("vin", "")
        if user is None:
            return self._sign_in_page(application, request, vin, 400)
        if values.get("decision") == "pair":
            try:
                await pair(self._world, user, application, vin)
            except PairingRefusedError as refused:
                return error_page(str(refused), 409)
        suffix = f"?vin={vin}" if vin in self._world.cars else ""
        response: Response = RedirectResponse(f"{request.url.path}{suffix}", 303)
        sign_in(self._world, response, user)
        return response

    def _application(self, request: Request) -> Application | None:
        domain = str(request.path_params["domain"])
        return next((found for found in self._world.applications.values() if found.domain == domain), None)

    def _sign_in_page(self, application: Application, request: Request, vin: str, status: int = 200) -> Response:
        return page(
            "sign_in.html",
            status,
            application=application,
            users=self._world.users.values(),
            hidden={"vin": vin},
            action=request.url.path,
            problem="" if status == 200 else "Choose an account first.",
        )
