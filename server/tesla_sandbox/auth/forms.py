"""Reads bounded HTML forms."""

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

LARGEST_FORM_BYTES = 64 * 1024
MOST_FIELDS = 100


class UnreadableFormError(ValueError):
    """Raised when a request's body is no form, or too big a one."""


async def read_form(request: Request) -> FormData:
    """The posted form.

    Raises:
        UnreadableFormError: If there is none within bounds.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST_FORM_BYTES:
        raise UnreadableFormError("the form is too large")
    try:
        return await request.form(max_files=0, max_fields=MOST_FIELDS)
    except HTTPException as broken:
        raise UnreadableFormError(broken.detail) from broken


def texts(form: FormData) -> dict[str, str]:
    """The text fields of a form; of a repeated one the last."""
    return {name: value for name, value in form.multi_items() if isinstance(value, str)}


def selected(form: FormData, name: str) -> list[str]:
    """All values of a repeated text field."""
    return [value for value in form.getlist(name) if isinstance(value, str)]
