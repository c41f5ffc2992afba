"""How numbers and names are said to people: one place for package, console and documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from app.domain.events import ConsequenceClass, ObservationKind, OnDeadline, ReviewKind

LEVELS: Mapping[int, str] = {
    1: "full automation",
    2: "automation with audit",
    3: "automation with review",
    4: "human decision with AI assist",
    5: "full human control",
}
"""The five levels of involvement."""

LEVEL_MEANINGS: Mapping[int, str] = {
    1: "the AI decides and acts",
    2: "the AI decides and acts, people check samples afterwards",
    3: "the AI recommends, a person approves before anything happens",
    4: "a person decides, with what the AI knows",
    5: "a person decides, without any AI content",
}

CLASSES: Mapping[ConsequenceClass, str] = {
    ConsequenceClass.LOW: "low consequence: an error would do little harm or is easily undone",
    ConsequenceClass.MEDIUM: "medium consequence: an error would do noticeable harm",
    ConsequenceClass.HIGH: "high consequence: an error would do serious harm",
    ConsequenceClass.CRITICAL: "critical consequence: an error would be unacceptable",
}

KINDS: Mapping[ReviewKind, str] = {
    ReviewKind.REVIEW: "approve or correct the recommendation",
    ReviewKind.DECIDE: "decide, with what the AI knows",
    ReviewKind.HUMAN_ONLY: "decide on your own",
    ReviewKind.AUDIT: "check a decision after the fact",
    ReviewKind.SECOND_LOOK: "answer independently, as a second person",
    ReviewKind.GOLD: "decide, with what the AI knows",  # as DECIDE: nobody may tell them apart
    ReviewKind.CALIBRATION: "answer an item of a calibration session",
}

HAPPENED: Mapping[str, str] = {
    "requested": "a person is asked",
    "claimed": "a review was taken",
    "decided": "a review was answered",
    "voted": "a review has one of the answers that it needs",
    "disagreed": "two people answered a review differently",
    "released": "a review was given back",
    "lease_expired": "a review was left alone and is open again",
    "delegated": "a review was handed on",
    "reassigned": "a review was reassigned",
    "escalated": "a review was escalated",
    "paused": "information was asked for",
    "resumed": "a review goes on",
    "withdrawn": "a review was withdrawn",
    "refused": "an answer was refused",
    "sla_at_risk": "a review is at risk of being late",
    "sla_raised": "a review is closer to its deadline and was raised",
    "offered_to_backups": "a review was offered to the backups",
    "sla_escalated": "a review is nearly late and went to the supervisors",
    "sla_missed": "a review is late",
    "deadline_rule": "the deadline rule took the answer",
}
"""Steps of a review, as news."""

LAST_SEEN: Mapping[str, str] = {
    "claimed": "took the case",
    "looked": "looked at it",
    "extended": "went on with it",
    "revealed": "saw the recommendation",
    "answer_undone": "took the answer back",
    "decided": "answered",
    "answer_held": "answered, and could still take it back",
    "voted": "gave one of several answers",
    "disagreed": "answered otherwise than somebody else",
    "released": "gave it back",
    "paused": "asked for information",
    "escalated": "escalated it",
    "delegated": "handed it on",
}
"""What a person did last when looking at a review."""

FACTORS: Mapping[str, str] = {
    "financial": "Financial impact",
    "customer": "Impact on the customer",
    "compliance": "Compliance and law",
    "reputation": "Reputation",
    "undo": "Of that, an undo takes away",
}
"""What a consequence is made of."""

OBSERVED: Mapping[ObservationKind, str] = {
    ObservationKind.CONFIRMED_CORRECT: "confirmed as right",
    ObservationKind.GROUND_TRUTH: "the truth became known",
    ObservationKind.DOWNSTREAM_ERROR: "an error came up later",
    ObservationKind.CUSTOMER_INCIDENT: "a customer was harmed",
    ObservationKind.AUDIT_FINDING: "an audit found it wrong",
}
"""How a decision turned out."""

ON_DEADLINE: Mapping[OnDeadline, str] = {
    OnDeadline.ESCALATE: "it goes to a supervisor",
    OnDeadline.SAFE_DEFAULT: "the safe default is taken",
    OnDeadline.HOLD: "it waits until somebody answers",
}

SIGNALS: Mapping[str, str] = {
    "model_probability": "model probability",
    "similarity": "similarity to known cases",
    "consensus": "agreement between methods",
    "rule_clarity": "clarity of the rules",
    "completeness": "completeness of the facts",
}

_UNITS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"))


def number(value: float) -> str:
    """A probability or score as people read it.

    >>> number(0.8347), number(1.0), number(0.9991)
    ('0.83', '1.00', '0.9991')
    """
    return f"{value:.2f}" if value in (0.0, 1.0) or 0.005 <= value < 0.995 else f"{value:.4f}"


def against(value: float, limit: float) -> tuple[str, str]:
    """A value and its limit with as many digits as it takes to tell them apart.

    >>> against(0.83, 0.9), against(0.89996, 0.9), against(0.9, 0.9)
    (('0.83', '0.90'), ('0.89996', '0.90000'), ('0.90', '0.90'))
    """
    for digits in range(2, 10):
        said = f"{value:.{digits}f}", f"{limit:.{digits}f}"
        if said[0] != said[1]:
            return said
    return f"{value:.2f}", f"{limit:.2f}"


def count(value: float) -> str:
    """How many, as people read it.

    >>> count(402), count(12_345), count(1_999.7)
    ('402', '12,345', '2,000')
    """
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """
    >>> percent(0.1), percent(0.015)
    ('10 %', '1.5 %')
    """
    return f"{round(share * 100, 2):g} %"


def band(probability: float, low: float, high: float) -> str:
    """The band of a confidence: ``high`` above ``high``, ``low`` below ``low``, else ``medium``.

    >>> [band(p, 0.7, 0.9) for p in (0.6999, 0.7, 0.9, 0.9001)]
    ['low', 'medium', 'medium', 'high']
    """
    if probability > high:
        return "high"
    return "medium" if probability >= low else "low"


def confidence(probability: float, *, calibrated: bool) -> str:
    """What a confidence means.

    >>> confidence(0.83, calibrated=True)
    'about 83 of 100 such recommendations turned out right'
    >>> confidence(0.83, calibrated=False)
    'the AI expects about 83 of 100 such recommendations to be right; not yet checked against outcomes'
    """
    share = min(99, max(1, round(probability * 100)))
    if calibrated:
        return f"about {share} of 100 such recommendations turned out right"
    return (
        f"the AI expects about {share} of 100 such recommendations to be right;"
        " not yet checked against outcomes"
    )


def duration(milliseconds: int) -> str:
    """A duration in its two largest units.

    >>> duration(86_400_000), duration(5_400_000), duration(0), duration(999)
    ('1 day', '1 hour 30 minutes', '0 seconds', '0 seconds')
    """
    parts: list[str] = []
    rest = abs(milliseconds)
    for size, name in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 seconds"


def moment(at: int) -> str:
    """A time in milliseconds UTC as ISO 8601; the bare number where no calendar reaches.

    >>> moment(1_772_443_800_000)
    '2026-03-02T09:30:00Z'
    """
    try:
        return datetime.fromtimestamp(at // 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{at} ms"


def listed(names: Sequence[str]) -> str:
    """
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
