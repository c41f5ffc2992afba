"""What people decided, as a data set to learn from: one flat row for each answer. Pure.

Reviewed cases are no fair sample of all cases: hard ones always come to a person, easy ones now and then.
``weight`` is 1 / P(a person saw the case), so that weighted sums speak about all decisions (Horvitz and
Thompson, JASA 47, 1952; for learning: Zadrozny, ICML 2004).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from app.domain.events import Feedback
from app.domain.facts import Invalid, parse_facts
from app.domain.overrides import COACHING, POLICY, RULES, TRAINING
from app.domain.resolution import agrees

Value = str | float | bool | None


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"


COLUMNS: Mapping[str, tuple[Kind, str]] = {
    "feedback_id": (Kind.TEXT, "identifies the row, for ever"),
    "decision_id": (Kind.TEXT, "the decision; several people may have answered it"),
    "decision_type": (Kind.TEXT, "the kind of decision"),
    "model": (Kind.TEXT, "name and version of the model that recommended"),
    "decided_at": (Kind.TEXT, "when the person answered, ISO 8601, UTC"),
    "ai_action": (Kind.TEXT, "what the AI recommended"),
    "human_action": (Kind.TEXT, "what the person decided"),
    "changes": (Kind.TEXT, "values that the person changed, as JSON"),
    "label": (Kind.TEXT, "the right action as far as it is known: a later truth, else the person's"),
    "label_source": (Kind.TEXT, "`truth` or `person`"),
    "ai_right": (Kind.BOOLEAN, "whether the recommendation was the label, with nothing changed"),
    "category": (Kind.TEXT, "why the person decided otherwise; empty for an agreement"),
    "reason_code": (Kind.TEXT, "the reason that the person chose"),
    "reasoning": (Kind.TEXT, "the person's words"),
    "note": (Kind.TEXT, "a further remark"),
    "tags": (Kind.TEXT, "the person's tags, separated by spaces"),
    "confidence": (Kind.NUMBER, "calibrated probability, before the answer, that the AI is right"),
    "consequence_class": (Kind.TEXT, "how much harm an error would do"),
    "blind": (Kind.BOOLEAN, "whether the person answered before seeing the recommendation"),
    "reviewer": (Kind.TEXT, "who answered, as a keyed digest: the same person has the same one"),
    "sink": (Kind.TEXT, "the feedback topic that the row was read from"),
    "inclusion_probability": (Kind.NUMBER, "probability with which a person saw this decision"),
    "weight": (Kind.NUMBER, "1 / inclusion_probability, at most `--largest-weight`"),
    "split": (Kind.TEXT, "`train` or `test`, by the decision: all answers to it are on one side"),
}
"""Every column before the facts, with what it holds."""

SINKS_IN_ORDER = (TRAINING, RULES, POLICY, COACHING)
"""Every sink; an answer that taught several is told from the first."""
FACT = "fact_"
"""Prefix of a column that holds a fact."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are made. ``secret`` keys the digests of reviewers."""

    secret: bytes
    test_share: float = 0.2
    largest_weight: float = 100.0


class Row(msgspec.Struct, frozen=True):
    """One answer: its place in the order, and its values by column.

    ``order`` is the time of the answer, the decision with the person, and the rank of the sink: what taught
    several sinks, or is in the log twice, is one answer, and the first of its rows stands for it.
    """

    order: tuple[int, str, int]
    values: dict[str, Value]


def row_of(feedback: Feedback, plan: Plan) -> Row:
    """One feedback event as a row, before later truths are known.

    Facts that can not be read leave their columns empty: the answer still counts.
    """
    facts = parse_facts(feedback.facts)
    probability = feedback.inclusion_probability
    values: dict[str, Value] = {
        "feedback_id": feedback.feedback_id,
        "decision_id": feedback.decision_id,
        "decision_type": feedback.decision_type,
        "model": feedback.learning_key.partition("|")[2],
        "decided_at": iso(feedback.decided_at),
        "ai_action": feedback.ai_action,
        "human_action": feedback.final_action,
        "changes": feedback.changes,
        "label": feedback.final_action,
        "label_source": "person",
        "ai_right": agrees(feedback.ai_action, feedback.final_action, feedback.changes),
        "category": feedback.category.value if feedback.category else None,
        "reason_code": feedback.reason_code,
        "reasoning": feedback.reasoning,
        "note": feedback.note,
        "tags": " ".join(feedback.tags),
        "confidence": feedback.confidence,
        "consequence_class": feedback.consequence_class.value,
        "blind": feedback.blind,
        "reviewer": reviewer_digest(plan.secret, feedback.reviewer),
        "sink": feedback.sink,
        "inclusion_probability": probability,
        "weight": weight_of(probability, plan.largest_weight),
        "split": split_of(feedback.decision_id, plan.test_share),
    }
    if not isinstance(facts, Invalid):
        values |= {FACT + name: value for name, value in sorted(facts.items())}
    answer = f"{feedback.decision_id}\n{values['reviewer']}"
    return Row((feedback.decided_at, answer, SINKS_IN_ORDER.index(feedback.sink)), values)


def iso(at: int) -> str:
    """A time in ms UTC as data sets have it.

    >>> iso(1_772_443_800_250)
    '2026-03-02T09:30:00.250+00:00'
    """
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


def with_truth(values: Mapping[str, Value], truth: str | None) -> dict[str, Value]:
    """The row with the action that a later truth calls right, if there is one.

    >>> row = {"ai_action": "approve", "label": "approve", "label_source": "person", "ai_right": True}
    >>> with_truth(row, "reject")
    {'ai_action': 'approve', 'label': 'reject', 'label_source': 'truth', 'ai_right': False}
    """
    if truth is None:
        return dict(values)
    return {**values, "label": truth, "label_source": "truth", "ai_right": values["ai_action"] == truth}


def weight_of(probability: float, largest: float) -> float | None:
    """1 / probability, at most ``largest``; ``None`` where no probability is known.

    Cutting the few largest weights off trades a little bias for a lot of variance (E. L. Ionides,
    J. Comput. Graph. Stat. 17, 2008).

    >>> weight_of(0.05, 100), weight_of(0.001, 100.0), weight_of(0.0, 100), weight_of(1.0, 100)
    (20.0, 100.0, None, 1.0)
    """
    return min(1.0 / probability, largest) if 0 < probability <= 1 else None


def split_of(decision_id: str, test_share: float) -> str:
    """Which side a decision is on, by its id alone: it never changes sides as the log grows.

    >>> [split_of(f"exp-{i}", 0.5) for i in range(4)], split_of("exp-1", 0.0)
    (['train', 'test', 'test', 'test'], 'train')
    """
    digest = hashlib.blake2b(decision_id.encode(), digest_size=8, person=b"hitl-split").digest()
    return "test" if int.from_bytes(digest, "big") / 2.0**64 < test_share else "train"


def reviewer_digest(secret: bytes, reviewer: str) -> str:
    """Stands for a person: only who has the secret can say for whom.

    >>> reviewer_digest(b"secret", "ann") == reviewer_digest(b"secret", "ann")
    True
    >>> len(reviewer_digest(b"secret", "ann")), reviewer_digest(b"secret", "")
    (16, '')
    """
    if not reviewer:
        return ""
    return hmac.digest(secret, b"training-set\n" + reviewer.encode(), "sha256").hex()[:16]


def fact_kinds(rows: Iterable[Mapping[str, Value]], known: Mapping[str, Kind]) -> dict[str, Kind]:
    """The columns of facts with what they hold; a fact that comes in two kinds becomes text.

    >>> kinds = fact_kinds([{"label": "a", "fact_amount": 4.0, "fact_vip": True}], {})
    >>> kinds = fact_kinds([{"fact_amount": "n/a", "fact_vip": None, "fact_note": None}], kinds)
    >>> {name: kind.value for name, kind in kinds.items()}
    {'fact_amount': 'text', 'fact_vip': 'boolean'}
    """
    kinds = dict(known)
    for row in rows:
        for name, value in row.items():
            if value is None or not name.startswith(FACT):
                continue
            kind = _kind(value)
            kinds[name] = kind if kinds.get(name, kind) is kind else Kind.TEXT
    return kinds


def _kind(value: Value) -> Kind:
    if isinstance(value, bool):
        return Kind.BOOLEAN
    return Kind.NUMBER if isinstance(value, float | int) else Kind.TEXT
