"""The pages of the documentation, cut into what tests look at."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.processes import ROOT

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One page."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> list[str]:
        """The fenced blocks."""
        return [match[2] for match in _FENCE.finditer(self.text)]

    @cached_property
    def prose(self) -> str:
        """Everything outside of the fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> Iterator[str]:
        """Targets of links to other places of the repository."""
        for target in _LINK.findall(_INLINE.sub("", self.prose)):
            if not target.startswith(("http://", "https://")):
                yield target

    @property
    def commands(self) -> Iterator[str]:
        """What the reader is told to type: after a `$` in a block, or between backticks."""
        for block in self.blocks:
            joined = block.replace("\\\n", " ")
            yield from (line[2:].strip() for line in joined.splitlines() if line.startswith("$ "))
        yield from _INLINE.findall(self.prose)

    @cached_property
    def anchors(self) -> set[str]:
        """Anchors of the headings, made as GitHub makes them."""
        return {_anchor(heading) for heading in _HEADING.findall(self.prose)}


def _anchor(heading: str) -> str:
    words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower().strip())
    return words.replace(" ", "-")


PAGES = [Page(path) for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))]


def page_id(page: Page) -> str:
    return str(page.path.relative_to(ROOT))
