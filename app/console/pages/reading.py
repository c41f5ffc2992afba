"""A context package as a page shows it. Pure: the package's JSON becomes named parts, nothing is markup.

Everything in a package came from outside: names, values and texts are passed on as plain strings, and
the templates escape them. Only addresses are judged here (:func:`safe_links`), because escaping does
not make them harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from markupsafe import Markup, escape

from app.domain import words
from app.domain.context_package import PEOPLE_ALONE
from app.domain.terms import FactWords, Terms

Package = Mapping[str, Any]

ACTIONS: Mapping[str, str] = {
    "approve": "Approve",
    "reject": "Reject",
    "modify": "Approve with changes",
    "request_info": "Ask for information",
}


class Fact(msgspec.Struct, frozen=True):
    """One key fact: its name as the producer wrote it, in words, and its value."""

    name: str
    label: str
    value: str
    raw: bool | int | float | str | None

    @classmethod
    def read(cls, name: str, value: object, said: FactWords | None) -> Fact:
        """As the policy says it, where it does.

        >>> Fact.read("loan", 128, FactWords(unit="thousand USD")).value
        '128 thousand USD'
        >>> Fact.read("debts", 0.3625, FactWords(label="Debts / income", share=True))
        Fact(name='debts', label='Debts / income', value='36.25 %', raw=0.3625)
        """
        said = said or FactWords()
        raw = value if isinstance(value, bool | int | float | str) else None
        number = isinstance(raw, int | float) and not isinstance(raw, bool)
        text = f"{100 * float(raw):.6g} %" if said.share and number else in_words(value)  # type: ignore[arg-type]
        text = f"{text} {said.unit}" if said.unit and number else text
        return cls(name, said.label or label(name), text, raw)


class CasePage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a reviewer reads, in the order of reading. ``None`` and empty parts are not shown."""

    question: str
    decision_id: str
    decision_type: str
    subject: str
    submitted_by: str
    occurred_at: str
    consequence: str
    consequence_meaning: str
    factors: Sequence[tuple[str, str]]
    task: str
    withheld: str
    people_alone: bool
    recommendation: Mapping[str, Any] | None
    confidence: Mapping[str, Any] | None
    signals: Sequence[tuple[str, str]]
    alternatives: Sequence[Mapping[str, Any]]
    involvement: Mapping[str, Any] | None
    facts: Sequence[Fact]
    flags: Sequence[str]
    history: Sequence[Mapping[str, Any]]
    precedents: Sequence[Mapping[str, Any]]
    related: Sequence[Mapping[str, Any]]
    section: str
    policy_text: str
    actions: Sequence[str]
    otherwise: str
    links: Sequence[str]


def read(package: Package, revealed: Package | None = None, terms: Terms | None = None) -> CasePage:
    """The parts of a package, with what was withheld where that has been revealed, the facts in the words
    of the policy."""
    whole = {**package, **(revealed or {})}
    required = _mapping(whole.get("decision_required"))
    past = _mapping(whole.get("historical_context"))
    policy = _mapping(whole.get("policy_reference"))
    confidence = _mapping(whole.get("confidence")) or None
    withheld = "" if revealed else _text(whole.get("withheld"))
    return CasePage(
        question=_text(required.get("question")) or "A decision is needed",
        decision_id=_text(required.get("decision_id")),
        decision_type=_text(required.get("decision_type")),
        subject=_text(required.get("subject")),
        submitted_by=_text(required.get("submitted_by")),
        occurred_at=_text(required.get("occurred_at")),
        consequence=_text(required.get("consequence")),
        consequence_meaning=_text(required.get("consequence_meaning")),
        factors=_factors(_mapping(required.get("factors"))),
        task=_text(whole.get("task")),
        withheld=withheld,
        people_alone=withheld == PEOPLE_ALONE,
        recommendation=_mapping(whole.get("ai_recommendation")) or None,
        confidence=confidence,
        signals=[
            (name, words.number(value) if isinstance(value, float) else in_words(value))
            for name, value in _mapping((confidence or {}).get("signals")).items()
        ],
        alternatives=_mappings(whole.get("alternatives")),
        involvement=_mapping(whole.get("involvement")) or None,
        facts=_facts(_mapping(whole.get("key_facts")), terms),
        flags=[_begun(_text(flag.get("text"))) for flag in _mappings(whole.get("flags_and_concerns"))],
        history=_mappings(past.get("subject")),
        precedents=_mappings(past.get("precedents")),
        related=_mappings(whole.get("related_decisions")),
        section=_text(policy.get("section")),
        policy_text=_text(policy.get("text")),
        actions=[_text(action) for action in whole.get("available_actions") or ()],
        otherwise=_text(_mapping(whole.get("deadline")).get("otherwise")),
        links=safe_links(whole.get("links")),
    )


def safe_links(links: object) -> list[str]:
    """Only absolute http and https addresses, without a user name that hides the host.

    >>> safe_links(["https://example.org/a", "javascript:alert(1)", "//evil", "http://bank@evil.example"])
    ['https://example.org/a']
    """
    kept = []
    for link in links if isinstance(links, list) else ():
        try:
            parts = urlsplit(str(link))
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc:
            kept.append(str(link))
    return kept


def label(name: str) -> str:
    """A name of the machine as people read it.

    >>> label("tenure_days"), label("")
    ('Tenure days', '(no name)')
    """
    said = name.replace("_", " ").strip()
    return _begun(said) if said else "(no name)"


def action_label(action: str) -> str:
    """An action as a button says it.

    >>> action_label("modify"), action_label("second_tier")
    ('Approve with changes', 'Second tier')
    """
    return ACTIONS.get(action) or label(action)


def sentence(text: str) -> Markup:
    """An error's words as a page says them: begun and ended as a sentence, what is typed as code.

    >>> sentence("see `hitl rules <list>`"), sentence("")
    (Markup('See <code>hitl rules &lt;list&gt;</code>.'), Markup(''))
    """
    plain = text.strip()
    ended = plain if plain[-1:] in ("", ".", "!", "?", ":") else f"{plain}."
    parts = [escape(part) for part in _begun(ended).split("`")]
    if len(parts) % 2 == 0:  # a backtick that nothing closes
        return escape(_begun(ended))
    typed = [Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts)]
    return Markup("").join(typed)


def in_words(value: object) -> str:
    """A value as the producer wrote it; what is not there is said.

    >>> in_words(17), in_words(0.83), in_words(True), in_words(None), in_words("")
    ('17', '0.83', 'yes', 'not given', '(empty)')
    """
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()
    return str(value) or "(empty)"


def _facts(facts: Package, terms: Terms | None) -> list[Fact]:
    """In the order of the policy, then those that it does not know."""
    said, known = (terms.fact_words, [*terms.fact_types]) if terms else ({}, [])
    named = [name for name in known if name in facts]
    named += [name for name in facts if name not in known]
    return [Fact.read(name, facts[name], said.get(name)) for name in named]


def _begun(text: str) -> str:
    """As the beginning of a sentence; the rest stays: AI."""
    return text[:1].upper() + text[1:]


def _factors(factors: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The factors of the consequence, highest first, and how much of it can be undone: (name, score)."""
    scored = [(name, _mapping(factor).get("score")) for name, factor in factors.items()]
    known = [(name, float(score)) for name, score in scored if isinstance(score, int | float)]
    harm = [(name, score) for name, score in known if name != "undo"]
    undo = [(name, score) for name, score in known if name == "undo"]
    ranked = [*sorted(harm, key=lambda pair: -pair[1]), *undo]
    return [(words.FACTORS.get(name) or label(name), f"{score:.2f}") for name, score in ranked]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [inner for inner in value if isinstance(inner, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return "" if value is None else str(value)
