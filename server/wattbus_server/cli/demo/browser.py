"""The end user of the demo: a browser that follows links and submits forms, without JavaScript."""

from collections.abc import Collection
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx


@dataclass
class Form:
    """A form of a page, filled in as the page offers it."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)


class BrowserError(RuntimeError):
    """A page was not what the story expected."""


class Browser:
    """Holds cookies and the page that is open."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(follow_redirects=True, timeout=20)
        self.page: httpx.Response | None = None

    async def __aenter__(self) -> Self:
        """Open the browser."""
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close the browser and forget its cookies."""
        await self._client.aclose()

    async def open(self, url: str) -> str:
        """Open a page and return its HTML."""
        return self._show(await self._client.get(url))

    async def submit(
        self, *, button: tuple[str, str] | None = None, untick: Collection[str] = (), **changes: str
    ) -> str:
        """Submit the form of the open page: with a button, without some ticked values, with changed fields."""
        if self.page is None:
            raise BrowserError("no page is open")
        form = next(iter(forms_of(self.page.text)), None)
        if form is None:
            raise BrowserError(f"{self.page.url.copy_with(query=None)} has no form")
        fields = [(name, value) for name, value in form.fields if name not in changes and value not in untick]
        fields += [*changes.items(), *([button] if button else [])]
        data: dict[str, list[str]] = {}
        for name, value in fields:
            data.setdefault(name, []).append(value)
        url = urljoin(str(self.page.url), form.action)
        return self._show(await self._client.request(form.method, url, data=data))

    def _show(self, page: httpx.Response) -> str:
        self.page = page
        if page.is_error:
            raise BrowserError(f"{page.url.copy_with(query=None)} answered {page.status_code}")
        return page.text


def forms_of(html: str) -> list[Form]:
    """Return the forms of a page: hidden and text fields, ticked boxes and chosen radio buttons, no buttons."""
    reader = _FormReader()
    reader.feed(html)
    return reader.forms


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append(Form(given.get("action") or "", (given.get("method") or "get").upper()))
            self._inside = True
        elif tag == "input" and self._inside and given.get("name"):
            kind = given.get("type") or "text"
            if kind in ("checkbox", "radio") and "checked" not in given:
                return
            if kind not in ("submit", "button"):
                self.forms[-1].fields.append((given["name"] or "", given.get("value") or ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
