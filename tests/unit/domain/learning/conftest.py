from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from app.domain.events import LearningLabel, ReviewKind, ScoreTally

KEY = "expense.approval|expenses:3"


@pytest.fixture
def a_label() -> Callable[..., LearningLabel]:
    """Labels that differ in what a test names; every call is another decision unless it says so."""
    numbers = itertools.count()

    def build(**fields: object) -> LearningLabel:
        number = next(numbers)
        score = fields.get("score", 0.93)
        values: dict[str, object] = {
            "label_id": f"label-{number}",
            "decision_id": f"decision-{number}",
            "learning_key": KEY,
            "decision_type": "expense.approval",
            "epoch": 0,
            "raw": score,
            "score": score,
            "level": 1,
            "automated": True,
            "evidence": True,
            "inclusion_probability": 0.5,
            "source": "review",
            "kind": ReviewKind.AUDIT,
            "blind": True,
            "reviewer": "ann",
            "error": False,
            "decided_at": 1_000 + number,
            "labelled_at": 2_000 + number,
        }
        return LearningLabel(**{**values, **fields})  # type: ignore[arg-type]

    return build


@pytest.fixture
def a_tally() -> Callable[..., ScoreTally]:
    def build(bins: list[int], *, epoch: int = 0, at: int = 1_000, key: str = KEY) -> ScoreTally:
        return ScoreTally(learning_key=key, epoch=epoch, bins=bins, policy_threshold=0.9, routed_at=at)

    return build
