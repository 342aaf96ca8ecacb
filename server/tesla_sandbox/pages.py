"""Renders the HTML pages. They work without JavaScript."""

from functools import cache

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.responses import HTMLResponse

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """The HTML answer made from one of the templates."""
    text = _environment().get_template(template).render(**values)
    return HTMLResponse(text, status, headers=SECURITY_HEADERS)


def error_page(message: str, status: int = 400) -> HTMLResponse:
    """A page that says what went wrong to the person in front of it."""
    return page("error.html", status, message=message)


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("tesla_sandbox"), autoescape=select_autoescape(), trim_blocks=True)
