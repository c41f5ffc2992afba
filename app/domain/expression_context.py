"""What the policy's expressions see of a decision. Pure, and the same for factors and rules.

Numbers are floats throughout, so that 40 and 40.0 behave alike. What is null is left out, so that
``has(facts.tier)`` means "there is a value" in every expression.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from app.domain.events import Assessment, DecisionSubmitted
from app.domain.terms import Context, Fact, Facts

RECOMMENDATION_FIELDS = frozenset({"action", "probability"})
SIGNAL_FIELDS = frozenset({"model_probability", "similarity", "consensus", "rule_clarity"})
DECISION_FIELDS = frozenset(
    {"type", "subject", "submitted_by", "model", "model_version", "hour", "weekday", "day", "month"}
)
ASSESSMENT_FIELDS = frozenset(
    {"harm", "consequence_class", "confidence", "raw", "completeness", "missing"}
    | {"financial", "customer", "compliance", "reputation", "undo"}
)
"""Names that expressions may use; the policy is checked against them when it is loaded."""

_HOUR = 3_600_000
_DAY = 86_400_000


class Seen(dict[str, object]):
    """A context that makes its parts when they are asked for: most policies ask for few.

    ``ahead`` are answers that were found on the way: who will ask for them, and what they are."""

    __slots__ = ("_assessment", "_decision", "ahead")

    def __init__(
        self, facts: object, decision: DecisionSubmitted, assessment: Assessment | None = None
    ) -> None:
        self["facts"] = facts
        self._decision = decision
        self._assessment = assessment
        self.ahead: tuple[object, list[bool | str]] | None = None

    def __missing__(self, name: str) -> dict[str, object]:
        if name == "assessment" and self._assessment is not None:
            part = _assessment(self._assessment)
        else:
            part = _PARTS[name](self._decision)
        self[name] = part
        return part

    def after(self, assessment: Assessment) -> Seen:
        """The same with what scoring found."""
        seen = Seen(self["facts"], self._decision, assessment)
        seen.ahead = self.ahead
        return seen


def context(decision: DecisionSubmitted, facts: Facts) -> Context:
    """Facts, recommendation, signals and decision, for ``Terms.evaluate_factors``.

    ``decision.hour`` is 0-23, ``weekday`` 1 (Monday) - 7, ``day`` 1-31 and ``month`` 1-12, all UTC and
    all from ``occurred_at``: an expression gives the same answer whenever it is replayed.
    """
    return Seen(_present(facts), decision)


def with_assessment(seen: Context, assessment: Assessment) -> Context:
    """``seen`` plus what scoring found, for ``Terms.evaluate_rules``. Leaves ``seen`` as it was."""
    if isinstance(seen, Seen):
        return seen.after(assessment)
    return {**seen, "assessment": _assessment(assessment)}


def _assessment(assessment: Assessment) -> dict[str, object]:
    consequence, confidence = assessment.consequence, assessment.confidence
    found: dict[str, object] = {factor.name: float(factor.score) for factor in consequence.factors}
    found["harm"] = float(consequence.harm)
    found["consequence_class"] = str(consequence.consequence_class)
    found["completeness"] = float(confidence.completeness)
    found["missing"] = float(len(assessment.missing_facts))
    if confidence.valid:
        found["confidence"] = float(confidence.probability)
        found["raw"] = float(confidence.raw)
    return found


def _recommendation(decision: DecisionSubmitted) -> dict[str, object]:
    recommendation = decision.recommendation
    return _present({"action": recommendation.action, "probability": recommendation.probability})


def _signals(decision: DecisionSubmitted) -> dict[str, object]:
    signals = decision.signals
    return _present(
        {
            "model_probability": decision.recommendation.probability,
            "similarity": signals.similarity,
            "consensus": signals.consensus,
            "rule_clarity": signals.rule_clarity,
        }
    )


def _decision(decision: DecisionSubmitted) -> dict[str, object]:
    weekday, day, month = _calendar(decision.occurred_at // _DAY)
    return {
        "type": decision.decision_type,
        "subject": decision.subject,
        "submitted_by": decision.submitted_by,
        "model": decision.model.name,
        "model_version": decision.model.version,
        "hour": float(decision.occurred_at % _DAY // _HOUR),
        "weekday": weekday,
        "day": day,
        "month": month,
    }


_PARTS = {"recommendation": _recommendation, "signals": _signals, "decision": _decision}


def _plain(value: int) -> float:
    """An integer as a float. One too large for a float is infinitely large to every rule as well."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _present(values: Mapping[str, Fact]) -> dict[str, object]:
    return {
        name: _plain(value) if type(value) is int else value
        for name, value in values.items()
        if value is not None
    }


@lru_cache(maxsize=1024)
def _calendar(day: int) -> tuple[float, float, float]:
    """Weekday, day of month and month of a day since 1970; zeros outside the calendar."""
    try:
        date = datetime.fromtimestamp(day * 86_400, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return 0.0, 0.0, 0.0
    return float(date.isoweekday()), float(date.day), float(date.month)
