"""The consent page: GET shows it (or answers at once), POST takes the person's decision.

A person who cancels is sent back with `error=access_denied`, as RFC 6749 section 4.1.2.1 says.
A former consent is used again without a question, even a narrower one, unless the request says
`prompt_missing_scopes=true` and a scope is missing.
"""

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tesla_sandbox.auth.authorization_request import (
    AuthorizationRequest,
    UnusableRequestError,
    read_request,
)
from tesla_sandbox.auth.forms import UnreadableFormError, read_form, selected, texts
from tesla_sandbox.auth.sign_in import sign_in, sign_out, signed_in_user
from tesla_sandbox.auth.token_issue import issuer
from tesla_sandbox.auth.token_store import CODE_SECONDS, AuthorizationCode
from tesla_sandbox.pages import error_page, page
from tesla_sandbox.scopes import IMPLICIT_SCOPES, SCOPE_TITLES, Scope, ordered
from tesla_sandbox.world import Grant, User, World

PATH = "/oauth2/v3/authorize"


class ConsentPages:
    """The pages under `/oauth2/v3/authorize`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """The pages' routes."""
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(PATH, self.decide, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Sign-in page, consent page, or straight back to the application."""
        try:
            asked = read_request(self._world, dict(request.query_params))
        except UnusableRequestError as unusable:
            return error_page(str(unusable))
        if refused := _refused(asked):
            return refused
        user = signed_in_user(self._world, request)
        if user is None or asked.parameters.get("prompt") == "login":
            return self._sign_in_page(asked)
        grant = self._world.grant(user.user_id, asked.application.client_id)
        if grant is not None and not _must_ask_again(asked, grant):
            return self._return_with_code(asked, user, grant)
        return self._consent_page(asked, user, asked.choices)

    async def decide(self, request: Request) -> Response:
        """Handle a button of the sign-in page or of the consent page."""
        try:
            form = await read_form(request)
            asked = read_request(self._world, texts(form))
        except (UnreadableFormError, UnusableRequestError) as unusable:
            return error_page(str(unusable))
        if refused := _refused(asked):
            return refused
        decision = form.get("decision")
        if decision == "cancel":
            return _see_other(asked.return_url(error="access_denied", error_description="User cancelled"))
        user = self._person(request, form)
        if user is None:
            return self._sign_in_page(asked, "Choose an account first.", 400)
        if decision == "allow":
            return self._allow(asked, user, selected(form, "granted"))
        if decision == "select_all":
            return self._consent_page(asked, user, asked.choices)
        if decision == "select_none":
            return self._consent_page(asked, user, [])
        response = _see_other(f"{PATH}?{_without_login(asked).query()}")
        if decision == "switch":
            sign_out(self._world, request, response)
        else:
            sign_in(self._world, response, user)
        return response

    def _person(self, request: Request, form: FormData) -> User | None:
        email = form.get("email")
        if isinstance(email, str):
            return self._world.user_by_email(email)
        return signed_in_user(self._world, request)

    def _allow(self, asked: AuthorizationRequest, user: User, granted: list[str]) -> Response:
        wanted = set(asked.choices) & set(granted)
        if asked.wants("require_requested_scopes") and wanted != set(asked.choices):
            return self._consent_page(
                asked, user, sorted(wanted), "This application needs every item to continue.", 400
            )
        client_id = asked.application.client_id
        former = self._world.grant(user.user_id, client_id)
        kept = former.scopes - set(asked.requested) if former is not None else frozenset()
        implicit = IMPLICIT_SCOPES & set(asked.requested)
        grant = Grant(
            user.user_id,
            client_id,
            frozenset(ordered(kept | wanted | implicit)),
            self._world.clock.time(),
        )
        self._world.grants[user.user_id, client_id] = grant
        return self._return_with_code(asked, user, grant)

    def _return_with_code(self, asked: AuthorizationRequest, user: User, grant: Grant) -> Response:
        world = self._world
        now = world.clock.time()
        code = AuthorizationCode(
            code=f"{user.region.upper()}_{world.hex_id(64)}",
            client_id=asked.application.client_id,
            user_id=user.user_id,
            redirect_uri=asked.redirect_uri,
            scopes=frozenset(asked.requested) & (grant.scopes | IMPLICIT_SCOPES),
            nonce=asked.parameters.get("nonce"),
            auth_time=now,
            expires_at=now + CODE_SECONDS,
        )
        world.tokens.add_code(code)
        grant.scopes |= code.scopes
        return _see_other(asked.return_url(code=code.code, issuer=issuer(world)))

    def _sign_in_page(self, asked: AuthorizationRequest, problem: str = "", status: int = 200) -> Response:
        return page(
            "sign_in.html",
            status,
            application=asked.application,
            users=self._world.users.values(),
            hidden=asked.parameters,
            action=PATH,
            problem=problem,
        )

    def _consent_page(
        self,
        asked: AuthorizationRequest,
        user: User,
        ticked: list[str],
        problem: str = "",
        status: int = 200,
    ) -> Response:
        return page(
            "consent.html",
            status,
            application=asked.application,
            user=user,
            choices=[(scope, SCOPE_TITLES[Scope(scope)]) for scope in asked.choices],
            ticked=set(ticked),
            hidden=asked.parameters,
            action=PATH,
            all_needed=asked.wants("require_requested_scopes"),
            key_step=asked.wants("show_keypair_step"),
            problem=problem,
        )


def _refused(asked: AuthorizationRequest) -> Response | None:
    problem = asked.problem()
    if problem is None:
        return None
    return _see_other(asked.return_url(error=problem[0], error_description=problem[1]))


def _must_ask_again(asked: AuthorizationRequest, grant: Grant) -> bool:
    return asked.wants("prompt_missing_scopes") and not set(asked.choices) <= grant.scopes


def _without_login(asked: AuthorizationRequest) -> AuthorizationRequest:
    rest = {name: value for name, value in asked.parameters.items() if name != "prompt"}
    return AuthorizationRequest(asked.application, asked.redirect_uri, rest)


def _see_other(url: str) -> RedirectResponse:
    return RedirectResponse(url, 303)
