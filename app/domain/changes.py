"""What an answer changes about a case: its one way of being written, and the case that it makes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from app.domain.authority import Deed, Denial, Matter, refused
from app.domain.consequence import assess_consequence
from app.domain.events import ConsequenceClass, DecisionSubmitted, StatedFactors
from app.domain.facts import Facts, Invalid, build_context, parse_facts
from app.domain.people import Profile
from app.domain.review import CLASS_RANK
from app.domain.terms import Terms


def canonical(changes: str) -> str:
    """The same changes are the same text, however they were typed: sorted by name, compact, each name once,
    a whole number without a fraction. What is no JSON object stays as it is, for whoever says so.

    >>> canonical('{"vendor": "A", "amount": 9.0e2}'), canonical("[1]")
    ('{"amount":900,"vendor":"A"}', '[1]')
    """
    try:
        values = msgspec.json.decode(changes, type=dict[str, Any])
        return msgspec.json.encode(
            {name: _plain(value) for name, value in values.items()}, order="sorted"
        ).decode()
    except (msgspec.DecodeError, RecursionError):
        return changes


def changed_matter(matter: Matter, decision: DecisionSubmitted, changes: str, terms: Terms | None) -> Matter:
    """The case as it is after ``changes``: its amount, and its consequence class where the changed facts are
    more harmful by the policy than the submitted ones. What nobody can tell (changes that can not be read, a
    type that has left the policy) counts as worst."""
    before, overlaid = parse_facts(decision.facts), parse_facts(changes)
    if isinstance(overlaid, Invalid) or terms is None:
        return msgspec.structs.replace(matter, amount=None, consequence_class=ConsequenceClass.CRITICAL)
    before = {} if isinstance(before, Invalid) else before
    after = {**before, **overlaid}
    graver = _graver_class(decision, before, after, terms)
    return msgspec.structs.replace(
        matter, amount=amount_of(after, terms), consequence_class=graver or matter.consequence_class
    )


def changes_refused(capacities: Iterable[Profile], changed: Matter, now: int) -> Denial | None:
    """Why a person may not make this of a case: changing it is deciding what it becomes. ``now``: ms UTC."""
    denial = refused(capacities, Deed.DECIDE, changed, now)
    if denial is None:
        return None
    text = f"with your changes it is a case that you may not decide: {denial.text}"
    return Denial(denial.code, text, "change less, escalate the case, or hand it on to somebody who may")


def amount_of(facts: Facts | Invalid, terms: Terms | None) -> float | None:
    """What people's amount limits are compared with; ``None`` where nobody knows."""
    if isinstance(facts, Invalid) or terms is None or terms.amount_fact is None:
        return None
    value = facts.get(terms.amount_fact)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _graver_class(
    decision: DecisionSubmitted, before: Facts, after: Facts, terms: Terms
) -> ConsequenceClass | None:
    """The class of the changed facts, if it is a graver one than that of the submitted facts under the same
    policy. What the producer stated about a factor was said of the submitted facts: where the policy's
    expression gives another score for the changed ones, the expression counts."""
    submitted, becomes = build_context(decision, before), build_context(decision, after)
    scores = zip(terms.evaluate_factors(submitted), terms.evaluate_factors(becomes), strict=True)
    moved = {part.name: None for part, (old, new) in zip(terms.factors, scores, strict=True) if old != new}
    stated = decision.factors or StatedFactors()
    still_stated = msgspec.structs.replace(stated, **moved)
    was = assess_consequence(stated, submitted, terms, []).consequence_class
    is_now = assess_consequence(still_stated, becomes, terms, []).consequence_class
    return is_now if CLASS_RANK[is_now] < CLASS_RANK[was] else None


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value
