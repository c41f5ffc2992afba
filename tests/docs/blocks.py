"""The commands of the documentation: which are run, with what before them, and which are not, and why.

A block is ```sh, ```bash or ```console. Comments right before it, which no reader sees:

    <!-- not run: reason -->            it is not run
    <!-- before: shell -->              run first
    <!-- with NAME=shell -->            NAME in the block is what this prints
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

LANGUAGES = ("sh", "bash", "console")
_FENCE = re.compile(r"^\s*```(\w*)")
_COMMENT = re.compile(r"^<!-- (not run|before|with)(?::)? (.*) -->$")


class Block(NamedTuple):
    """Commands at a line of a page."""

    page: Path
    line: int
    language: str
    text: str
    notes: tuple[tuple[str, str], ...]

    @property
    def reason(self) -> str | None:
        """Why it is not run."""
        return next((words for kind, words in self.notes if kind == "not run"), None)

    @property
    def script(self) -> str:
        """What bash runs."""
        text, first = self.text, []
        if self.language == "console":
            text = "\n".join(line[2:] for line in text.splitlines() if line.startswith(("$ ", "> ")))
        for kind, words in self.notes:
            if kind == "before":
                first.append(words)
            if kind == "with":
                name, _, shell = words.partition("=")
                first.append(
                    f'{name}=$({shell})\n[ -n "${name}" ] || {{ echo "nothing is {name}"; exit 1; }}'
                )
                text = re.sub(rf"\b{name}\b", f"${name}", text)
        return "\n".join([*first, text])


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    found: list[Block] = []
    notes: list[tuple[str, str]] = []
    lines, language, start = [], None, 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if language is None and fence:
            language, start, lines = fence[1], number, []
        elif language is not None and fence:
            found.append(Block(page, start, language, "\n".join(lines), tuple(notes)))
            language, notes = None, []
        elif language is not None:
            lines.append(line)
        elif comment := _COMMENT.match(line):
            notes.append((comment[1], comment[2]))
        elif line.strip():
            notes = []
    return found
