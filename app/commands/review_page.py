"""Prints a context package so that a person can decide from it."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from app.commands.output import console
from app.domain.events import Answer

_PARTS = (
    ("decision_required", "Decision required"),
    ("ai_recommendation", "AI recommendation"),
    ("confidence", "Confidence"),
    ("alternatives", "Alternatives"),
    ("key_facts", "Key facts"),
    ("flags_and_concerns", "Flags and concerns"),
    ("historical_context", "Historical context"),
    ("related_decisions", "Related decisions"),
    ("policy_reference", "Policy"),
    ("available_actions", "Available actions"),
    ("deadline", "Deadline"),
)
"""The order in which a reviewer reads; parts that are not named here follow at the end."""
PAGE = 100
"""Columns of a page, also where the terminal or file is wider: it is read, not searched."""


def print_page(review: Mapping[str, object], package: Mapping[str, object], answer: Answer | None) -> None:
    """The whole page: where the review stands, the package part by part, the answer."""
    head = (
        "state",
        "kind",
        "sla_class",
        "consequence_class",
        "due_in",
        "holder",
        "epoch",
        "tier",
        "question",
        "information",
        "informed_by",
    )
    state: dict[str, object] = {name: review[name] for name in head if review.get(name)}
    _part(str(review["review_id"]), {**state, "digest": review["digest"]})
    for key, title in _PARTS:
        if key == "ai_recommendation" and package.get(key) is None:
            _part(title, package.get("withheld") or "withheld")
        elif package.get(key):
            _part(title, package[key])
    named = {key for key, _ in _PARTS} | {"withheld"}
    for key, value in package.items():
        if key not in named and value:
            _part(_words(key).capitalize(), value)
    if answer is not None:
        told = ("reviewer", "action", "first_action", "changes", "reasoning", "reason_code", "note")
        _part("Answer", {name: getattr(answer, name) for name in told if getattr(answer, name)})


def print_reveal(withheld: Mapping[str, object]) -> None:
    """What was withheld, after the first answer."""
    if not withheld:
        console.print("nothing was withheld: this decision is taken by people alone")
    for key, value in withheld.items():
        if value:
            _part(dict(_PARTS).get(key, _words(key).capitalize()), value)


def _part(title: str, value: object) -> None:
    width = min(console.width, PAGE)
    console.print(Panel(_body(value), title=Text(title), title_align="left", border_style="dim", width=width))


def _body(value: object, depth: int = 0) -> RenderableType:
    """Nested names and values as indented lines; nothing is left out, nothing is markup."""
    indent = "  " * depth
    lines: list[RenderableType] = []
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if isinstance(inner, Mapping | list) and inner:
                lines += [Text(f"{indent}{_words(str(name))}"), _body(inner, depth + 1)]
            else:
                lines.append(Text.assemble((f"{indent}{_words(str(name))}: ", "bold"), _value(inner)))
    elif isinstance(value, list):
        for inner in value:
            lines.append(Text(f"{indent}- {_one_line(inner)}"))
    else:
        lines.append(Text(f"{indent}{_value(value)}"))
    return Group(*lines)


def _one_line(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{_words(str(name))} {_value(inner)}" for name, inner in value.items() if inner is not None
        )
    return _value(value)


def _value(value: object) -> str:
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
