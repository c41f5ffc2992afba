"""Is this an answer? What a reviewer has to say before it counts, whatever the entry. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from app.domain.authority import Denial
from app.domain.changes import canonical
from app.domain.events import OverrideCategory
from app.domain.resolution import HAND_ONS
from app.domain.terms import Terms

OTHER = "other"
"""The reason code that needs words."""

MODIFY = "modify"
"""The action that says what to change."""

MAX_TEXT = 10_000
"""Characters of reasoning and of a note: more belongs into a document with a link."""

MAX_NAME = 256
"""Characters of a person's or program's name."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What people write ends up in logs, topics and terminals."""

TAGS = ("train_on_this", "policy_issue", "teaching_example")

_TYPES: Mapping[str, type | tuple[type, ...]] = {"number": (int, float), "string": str, "boolean": bool}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer answers, in the reviewer's own words. ``changes`` is a JSON object."""

    action: str
    changes: str | None = None
    reasoning: str = ""
    reason_code: str = ""
    category: OverrideCategory | None = None
    note: str = ""
    tags: tuple[str, ...] = ()


def unfit(text: str, longest: int) -> str:
    """What is wrong with a text from outside, as the end of a sentence; empty when nothing is.

    >>> unfit("\\x1b[2J", 10), unfit(" ", 10), unfit("Apollo", 10)
    ('holds control characters', 'is empty', '')
    """
    if not text.strip():
        return "is empty"
    if len(text) > longest:
        return f"has {len(text)} characters, at most {longest} are kept"
    return "holds control characters" if _UNPRINTABLE.search(text) else ""


def says_why(text: str) -> bool:
    """Whether words can be a reason. The desk takes any; a point or "ok" tells nobody anything. A letter of a
    script without capitals may be a word.

    >>> says_why("late receipt"), says_why("."), says_why("n/a"), says_why("ok, ok"), says_why("重複")
    (True, False, False, False, True)
    """
    letters = {letter for letter in text.casefold() if letter.isalpha()}
    return len(letters) > 2 or any(letter.upper() == letter.lower() for letter in letters)


def incomplete(
    verdict: Verdict, actions: Collection[str], terms: Terms | None, *, must_document: bool
) -> dict[str, Denial]:
    """What is missing or wrong, by field; empty when the answer can be given."""
    wrong: dict[str, Denial] = {}
    if unknown := no_answer(verdict.action, actions):
        wrong["action"] = unknown
    if not verdict.reasoning.strip():
        wrong["reasoning"] = Denial("no_reasoning", "say why, whether you agree or not")
    for field, text in (("reasoning", verdict.reasoning), ("note", verdict.note)):
        if len(text) > MAX_TEXT:
            wrong[field] = Denial("too_long", f"{len(text)} characters, at most {MAX_TEXT} are kept")
    if must_document and not verdict.note.strip():
        wrong["note"] = Denial("no_note", "your profile asks for a note with each answer of this type")
    codes = {reason.code for reason in terms.reason_codes} | {OTHER} if terms else None
    if verdict.reason_code and codes is not None and verdict.reason_code not in codes:
        known = ", ".join(sorted(codes))
        wrong["reason_code"] = Denial(
            "unknown_reason", f"'{verdict.reason_code}' is not a reason code", f"one of: {known}"
        )
    strange = [tag for tag in verdict.tags if tag not in TAGS]
    if strange:
        wrong["tags"] = Denial("unknown_tag", f"unknown tag '{strange[0]}'", f"one of: {', '.join(TAGS)}")
    if changes := _changes_refused(verdict, terms):
        wrong["changes"] = changes
    return wrong


def no_answer(action: str, actions: Collection[str]) -> Denial | None:
    """Why an action answers nothing; ``actions`` are those of the review. One that hands the case on would
    end the review without a decision: nobody would be asked again."""
    if action in HAND_ONS:
        verb = action.replace("_", "-")
        return Denial(
            "not_an_answer",
            f"'{action}' hands the case on and decides nothing",
            f"`hitl review {verb}`, POST /v1/reviews/{{review_id}}/{verb}, or its form on the case's page",
        )
    if action not in actions:
        known = ", ".join(answering(actions))
        return Denial("unknown_action", f"'{action}' is not an action of this review", f"one of: {known}")
    return None


def answering(actions: Collection[str]) -> tuple[str, ...]:
    """Those of the actions that decide something.

    >>> answering(("approve", "reject", "request_info"))
    ('approve', 'reject')
    """
    return tuple(action for action in actions if action not in HAND_ONS)


def completed(verdict: Verdict, recommended: str) -> Verdict:
    """The answer as it is kept, whatever the entry: the changes in their one way of being written, so that
    people who change the same agree, and an override without a reason code with the code ``other``, as its
    reason is in words."""
    if verdict.changes is not None:
        verdict = msgspec.structs.replace(verdict, changes=canonical(verdict.changes))
    if verdict.reason_code or (verdict.action == recommended and verdict.changes is None):
        return verdict
    return msgspec.structs.replace(verdict, reason_code=OTHER)


def _changes_refused(verdict: Verdict, terms: Terms | None) -> Denial | None:
    if verdict.changes is None:
        return Denial("no_changes", "say what to change") if verdict.action == MODIFY else None
    try:
        changes = msgspec.json.decode(verdict.changes, type=dict[str, Any])
    except msgspec.DecodeError:
        return Denial("changes_not_an_object", "the changes are not a JSON object", 'like {"amount": 900}')
    if not changes:
        return Denial("no_changes", "say what to change")
    kinds = terms.fact_types if terms else {}
    for name, value in changes.items():
        if kinds and name not in kinds:
            return Denial("unknown_fact", f"there is no fact '{name}'", f"one of: {', '.join(kinds)}")
        expected = _TYPES.get(kinds.get(name, ""))
        fits = value is None or expected is None or _is(value, expected)
        if not fits or not isinstance(value, str | int | float | bool | None):
            return Denial("wrong_type", f"'{name}' has to be a {kinds.get(name, 'plain value')}")
    return None


def _is(value: object, expected: type | tuple[type, ...]) -> bool:
    """A boolean is a number for Python, and not for people."""
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
