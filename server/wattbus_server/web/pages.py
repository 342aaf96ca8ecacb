"""Pages: one look, escaped by default, and headers that keep them to themselves."""

import base64
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
# The style sheet is this package's own file, not input.
_ENVIRONMENT.globals["style"] = Markup(_STYLE)  # noqa: S704 - see above

PRIVATE_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def page(template: str, status: int = 200, *, form_targets: tuple[str, ...] = (), **values: object) -> HTMLResponse:
    """Render a page.

    Args:
        template: its file name.
        status: the HTTP status.
        form_targets: addresses to which a form of this page may lead; browsers also apply this to redirects.
        **values: what the template shows; everything is escaped.
    """
    html = _ENVIRONMENT.get_template(template).render(values)
    return HTMLResponse(html, status, headers=PRIVATE_HEADERS | _page_headers(form_targets))


def redirect(url: str) -> RedirectResponse:
    """Send the browser elsewhere by GET, without telling where it came from."""
    return RedirectResponse(url, 303, headers=PRIVATE_HEADERS)


def _page_headers(form_targets: tuple[str, ...]) -> dict[str, str]:
    forms = " ".join(["'self'", *map(_origin, form_targets)]) if form_targets else "'none'"
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {forms}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return {"Content-Security-Policy": policy, "X-Frame-Options": "DENY"}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
