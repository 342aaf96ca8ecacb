"""Console blocks of a page: commands after `$`, and what they print."""

import re
from dataclasses import dataclass

_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Typed:
    """One command, which may go over several lines, and the output that the page shows."""

    command: str
    output: str


def transcript(text: str) -> list[Typed]:
    """Every command of the console blocks, in the order of the page."""
    typed: list[Typed] = []
    for block in _CONSOLE.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
            typed.append(Typed("\n".join(lines[:length]), "\n".join(lines[length:])))
    return typed
