"""The answer form: what was typed becomes a verdict, or a list of what is missing. Pure.

The desk checks every answer again (``app.domain.answers``); here mistakes are found in the words and
at the fields of the form. What was typed is kept exactly as it came, so that a refused form shows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from app.console.pages.reading import Fact, in_words
from app.domain.answers import MAX_TEXT, MODIFY, OTHER, TAGS, Verdict
from app.domain.authority import Denial
from app.domain.events import Answer, OverrideCategory
from app.domain.terms import Terms

TAG_WORDS: Mapping[str, str] = {
    "train_on_this": "The AI should learn from this case",
    "policy_issue": "The policy needs attention",
    "teaching_example": "Good example for new reviewers",
}
CATEGORIES: Mapping[str, str] = {
    OverrideCategory.AI_ERROR.value: "The AI was wrong",
    OverrideCategory.EDGE_CASE.value: "A case the rules did not foresee",
    OverrideCategory.POLICY_CHANGE.value: "The policy has changed or must change",
    OverrideCategory.HUMAN_ERROR.value: "A person made a mistake earlier",
}
CHANGE = "change."
"""Prefix of the names of the fields that change facts."""


class Mistake(msgspec.Struct, frozen=True):
    """What is wrong with a field; ``field`` is the id of its input."""

    field: str
    text: str


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """The form as it was typed."""

    action: str = ""
    reasoning: str = ""
    reason_code: str = ""
    category: str = ""
    note: str = ""
    tags: Sequence[str] = ()
    changes: Mapping[str, str] = {}
    confirmed: bool = False


def typed_of(form: Mapping[str, str], tags: Sequence[str]) -> Typed:
    """What a browser sent. A text area comes with CR LF ends of line, which are no part of what was said."""
    return Typed(
        action=form.get("action", ""),
        reasoning=_plain(form.get("reasoning", "")),
        reason_code=form.get("reason_code", ""),
        category=form.get("category", ""),
        note=_plain(form.get("note", "")),
        tags=[tag for tag in tags if tag in TAGS],
        changes={name.removeprefix(CHANGE): value for name, value in form.items() if name.startswith(CHANGE)},
        confirmed=form.get("confirmed") == "yes",
    )


def typed_from(answer: Answer) -> Typed:
    """An answer as it would be typed: one that was taken back fills the form again."""
    changes = msgspec.json.decode(answer.changes, type=dict[str, object]) if answer.changes else {}
    return Typed(
        action=answer.action,
        reasoning=answer.reasoning,
        reason_code=answer.reason_code,
        category=answer.category.value if answer.category else "",
        note=answer.note,
        tags=answer.tags,
        changes={name: _text(value) for name, value in changes.items()},
    )


def verdict_of(
    typed: Typed, allowed: Sequence[str], terms: Terms | None, facts: Sequence[Fact]
) -> tuple[Verdict | None, list[Mistake]]:
    """The verdict, or everything that is missing, in the order of the form."""
    mistakes: list[Mistake] = []
    changes: dict[str, object] = {}
    if typed.action not in allowed:
        mistakes.append(Mistake("action-1", "Choose what should happen"))
    if typed.action == MODIFY:
        changes, wrong = _changes(typed, terms, facts)
        mistakes += wrong
        if not changes and not wrong:
            first = f"change-{facts[0].name}" if facts else "action-1"
            mistakes.append(Mistake(first, "Change at least one value, or choose another answer"))
    if not typed.reasoning:
        mistakes.append(Mistake("reasoning", "Write in a sentence why, also when you agree"))
    codes = {reason.code for reason in terms.reason_codes} if terms else set()
    if typed.reason_code != OTHER and typed.reason_code not in codes:
        mistakes.append(Mistake("reason_code", "Choose the reason that fits best, or “Another reason”"))
    mistakes += [
        Mistake(field, f"At most {MAX_TEXT:,} characters; these are {len(text):,}")
        for field, text in (("reasoning", typed.reasoning), ("note", typed.note))
        if len(text) > MAX_TEXT
    ]
    if mistakes:
        return None, mistakes
    return Verdict(
        action=typed.action,
        changes=msgspec.json.encode(changes, order="sorted").decode() if changes else None,
        reasoning=typed.reasoning,
        reason_code=typed.reason_code,
        category=OverrideCategory(typed.category) if typed.category in CATEGORIES else None,
        note=typed.note,
        tags=tuple(typed.tags),
    ), []


def mistakes_of(denials: Mapping[str, Denial]) -> list[Mistake]:
    """What the desk found missing, at the fields of the form."""
    fields = {"action": "action-1", "tags": f"tag-{TAGS[0]}", "changes": "action-1"}
    return [
        Mistake(fields.get(field, field), f"{denial.text}: {denial.hint}" if denial.hint else denial.text)
        for field, denial in denials.items()
    ]


def kind_of(fact: Fact, terms: Terms | None) -> str:
    """``number``, ``boolean`` or ``string``: by the policy's fact types, else by the value at hand."""
    if terms and fact.name in terms.fact_types:
        return terms.fact_types[fact.name]
    if isinstance(fact.raw, bool):
        return "boolean"
    return "number" if isinstance(fact.raw, int | float) else "string"


def changeable(facts: Sequence[Fact], terms: Terms | None) -> list[Fact]:
    """The facts a change may name: those of the policy's types, where it gives any; missing ones too."""
    if not terms or not terms.fact_types:
        return list(facts)
    known = {fact.name: fact for fact in facts}
    return [known.get(name) or Fact.read(name, None, terms.fact_words.get(name)) for name in terms.fact_types]


def at_first(fact: Fact) -> str:
    """What the input of a fact holds at first."""
    return "" if fact.raw is None or fact.raw == "" else in_words(fact.raw)


def input_label(fact: Fact, terms: Terms | None) -> str:
    """The label of that input: with the unit that a number is to be written in."""
    said = terms.fact_words.get(fact.name) if terms else None
    if said and said.share:
        return f"{fact.label} (a part of 1)"
    return f"{fact.label} ({said.unit})" if said and said.unit else fact.label


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _changes(
    typed: Typed, terms: Terms | None, facts: Sequence[Fact]
) -> tuple[dict[str, object], list[Mistake]]:
    """Only values that differ from the facts, typed as the policy says, else as the fact was."""
    changed: dict[str, object] = {}
    wrong: list[Mistake] = []
    for fact in facts:
        text = typed.changes.get(fact.name)
        if text is None or text.strip() == at_first(fact).strip():
            continue
        kind = kind_of(fact, terms)
        value = _value(text.strip(), kind)
        if value is None:
            wrong.append(Mistake(f"change-{fact.name}", f"{fact.label}: {_EXPECTED[kind]}"))
        else:
            changed[fact.name] = value
    return changed, wrong


_EXPECTED = {
    "number": "write a number, like 1240.50",
    "boolean": "choose yes or no",
    "string": "write a text",
}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _value(text: str, kind: str) -> object | None:
    """The value, or ``None`` when the text is none of its kind."""
    if kind == "boolean":
        return {"yes": True, "no": False}.get(text)
    if kind == "string":
        return text or None
    try:
        number = float(text.replace(" ", ""))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if text.lstrip("+-").isdigit() else number
