"""The consent management page: a person reduces, adds or revokes what an application may do.

Reduced scopes show in the next access token; added ones need a new authorisation. A revocation ends
every token and removes the application's key and telemetry configurations from the person's cars.
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tesla_sandbox.auth.forms import UnreadableFormError, read_form, selected, texts
from tesla_sandbox.auth.sign_in import sign_in, signed_in_user
from tesla_sandbox.pages import error_page, page
from tesla_sandbox.scopes import IMPLICIT_SCOPES, SCOPE_TITLES, USER_SCOPES, Scope, ordered
from tesla_sandbox.world import Application, User, World

PATH = "/user/revoke/consent"


def set_scopes(world: World, user: User, application: Application, scopes: set[str]) -> None:
    """Change an existing grant to exactly these scopes, besides the implicit ones.

    Raises:
        LookupError: If the person has no grant in force with this application.
        ValueError: If a scope is not one that a person can grant to this application.
    """
    grant = world.grant(user.user_id, application.client_id)
    if grant is None:
        raise LookupError("there is no consent to change")
    unknown = scopes - (application.scopes & USER_SCOPES)
    if unknown:
        raise ValueError(f"not a scope of this application: {', '.join(sorted(unknown))}")
    grant.scopes = frozenset(ordered(scopes | (grant.scopes & IMPLICIT_SCOPES)))
    if Scope.VEHICLE_DEVICE_DATA not in scopes:
        world.drop_telemetry(application.client_id, user.vins)
    if Scope.VEHICLE_LOCATION not in scopes:
        world.drop_location_telemetry(application.client_id, user.vins)


def revoke(world: World, user: User, application: Application) -> None:
    """Withdraw a person's consent to an application as a whole."""
    grant = world.grant(user.user_id, application.client_id)
    if grant is not None:
        grant.revoked = True
    world.tokens.end_chain(application.client_id, user.user_id)
    world.drop_telemetry(application.client_id, user.vins)
    for vin in user.vins:
        if application.public_key is not None:
            world.cars[vin].remove_key(application.public_key)


class ConsentManagement:
    """The pages under `/user/revoke/consent`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """The pages' routes."""
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(PATH, self.change, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The scopes as checkboxes, or the sign-in page."""
        values = dict(request.query_params)
        application = self._world.applications.get(values.get("revoke_client_id", ""))
        if application is None:
            return error_page("We don't recognize this application.", 404)
        user = signed_in_user(self._world, request)
        if user is None:
            return self._sign_in_page(application, values)
        return self._consent_page(application, user, values.get("back_url", ""))

    async def change(self, request: Request) -> Response:
        """Handle a button: sign in, save the ticked scopes, or revoke everything."""
        try:
            form = await read_form(request)
        except UnreadableFormError as unreadable:
            return error_page(str(unreadable))
        values = texts(form)
        application = self._world.applications.get(values.get("revoke_client_id", ""))
        if application is None:
            return error_page("We don't recognize this application.", 404)
        user = signed_in_user(self._world, request)
        if "email" in values:
            user = self._world.user_by_email(values["email"])
        if user is None:
            return self._sign_in_page(application, values, "Choose an account first.", 400)
        back_url = values.get("back_url", "")
        try:
            if values.get("decision") == "save":
                set_scopes(self._world, user, application, set(selected(form, "granted")))
            elif values.get("decision") == "revoke":
                revoke(self._world, user, application)
        except (LookupError, ValueError) as unfit:
            return error_page(str(unfit).capitalize() + ".")
        response: Response = RedirectResponse(_same_page(application, back_url), 303)
        sign_in(self._world, response, user)
        return response

    def _sign_in_page(
        self, application: Application, values: dict[str, str], problem: str = "", status: int = 200
    ) -> Response:
        hidden = {"revoke_client_id": application.client_id, "back_url": values.get("back_url", "")}
        return page(
            "sign_in.html",
            status,
            application=application,
            users=self._world.users.values(),
            hidden=hidden,
            action=PATH,
            problem=problem,
        )

    def _consent_page(self, application: Application, user: User, back_url: str) -> Response:
        grant = self._world.grant(user.user_id, application.client_id)
        choices = ordered((application.scopes & USER_SCOPES) - IMPLICIT_SCOPES)
        return page(
            "consent_management.html",
            application=application,
            user=user,
            grant=grant,
            choices=[(scope, SCOPE_TITLES[Scope(scope)]) for scope in choices],
            back_url=back_url if back_url.startswith(("http://", "https://")) else "",
            action=PATH,
        )


def _same_page(application: Application, back_url: str) -> str:
    query = urlencode({"revoke_client_id": application.client_id, "back_url": back_url})
    return f"{PATH}?{query}"
