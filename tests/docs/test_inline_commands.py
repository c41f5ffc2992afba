"""Every `hitl ...` in the words of a page, runbooks too, is a command that exists, with its options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from app import cli
from tests.processes import ROOT

COMMAND = typer.main.get_command(cli.app)
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "grafana").glob("*.md")])
SPAN = re.compile(r"(?<!`)`(hitl [^`\n]+)`(?!`)")
WORD = re.compile(r"^[a-z][a-z-]*$")


def mistakes(said: str) -> list[str]:
    """What of a command does not exist."""
    command = COMMAND
    rest = re.split(r"[|#]", said)[0].split()[1:]
    while (verbs := getattr(command, "commands", None)) and rest and WORD.match(rest[0]):
        name = rest.pop(0)
        if name not in verbs:
            return [f"no verb '{name}'"]
        command = verbs[name]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
    given = [word.split("=")[0].rstrip(",.;:)") for word in rest if word.startswith("--")]
    return [f"no option {option}" for option in given if option not in known]


def test_a_mistake_is_found():
    assert mistakes("hitl evidnce X") == ["no verb 'evidnce'"]
    assert mistakes("hitl dlq list --because x --json") == ["no option --because"]
    assert mistakes("hitl review list --pool finance") == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_words_exist(page: Path):
    said = SPAN.findall(page.read_text(encoding="utf-8"))
    found = {one: wrong for one in said if (wrong := mistakes(one))}
    assert found == {}
