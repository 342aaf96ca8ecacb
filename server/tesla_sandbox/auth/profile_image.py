"""The picture that `users/me` links to; everybody has the same."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/profile-image.svg"

_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" fill="#ddd"/>'
    '<g fill="#888"><circle cx="32" cy="24" r="11"/><path d="M10 64a22 22 0 0 1 44 0z"/></g></svg>'
)


def profile_image_routes() -> list[Route]:
    """The picture's route."""
    return [Route(PATH, _picture)]


async def _picture(_: Request) -> Response:
    return Response(_PICTURE, media_type="image/svg+xml")
