"""Who is signed in to the account pages: a browser session kept by a cookie."""

from starlette.requests import Request
from starlette.responses import Response

from tesla_sandbox.world import User, World

COOKIE = "tesla_sandbox_session"
PATH = "/"


def signed_in_user(world: World, request: Request) -> User | None:
    """The person whose session the request's cookie names."""
    user_id = world.sessions.get(request.cookies.get(COOKIE, ""))
    return world.users.get(user_id) if user_id is not None else None


def sign_in(world: World, response: Response, user: User) -> None:
    """Start a session for this person and hand its cookie to the browser."""
    session = world.hex_id(32)
    world.sessions[session] = user.user_id
    response.set_cookie(COOKIE, session, path=PATH, httponly=True, samesite="lax")


def sign_out(world: World, request: Request, response: Response) -> None:
    """End the session of this browser."""
    world.sessions.pop(request.cookies.get(COOKIE, ""), None)
    response.delete_cookie(COOKIE, path=PATH)
