"""What a learning key is told, and what of it can not be counted."""

from __future__ import annotations

from app.domain.events import LearningLabel, ScoreTally, ThresholdOrdered
from app.domain.learning.bins import BINS
from app.errors import HitlError

Told = ScoreTally | LearningLabel | ThresholdOrdered


class LearningRecordError(HitlError):
    """A tally or label that this key can not count; nothing was counted of it."""


def check_bins(tally: ScoreTally) -> None:
    """Raises ``LearningRecordError`` unless the bins are triples of bin, decisions, automated."""
    bins = tally.bins
    good = len(bins) % 3 == 0 and all(
        -1 <= bins[i] < BINS and 0 <= bins[i + 2] <= bins[i + 1] for i in range(0, len(bins), 3)
    )
    if not good:
        raise LearningRecordError(
            f"tally of {tally.learning_key} at {tally.routed_at}: bins must be triples of bin (-1 to 93), "
            f"decisions, automated <= decisions; got {bins[:12]}",
            hint="the writer of learning.cases is older or broken",
        )
