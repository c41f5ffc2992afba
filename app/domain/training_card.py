"""The data card of a training set: what is in it, how it was made, and what not to do with it. Pure.

After T. Gebru et al., Datasheets for Datasets, CACM 64 (2021).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from app.domain.training_set import COLUMNS, Kind, Plan, Value


class Tally(msgspec.Struct):
    """What was written, counted as it was."""

    rows: int = 0
    repeated: int = 0
    """Events that tell of an answer that another row stands for."""
    first: str = ""
    last: str = ""
    counts: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    """Rows by column and value, of the columns in ``_COUNTED``."""

    def add(self, row: Mapping[str, Value]) -> None:
        """Count a row that was written."""
        at = str(row["decided_at"])
        self.rows += 1
        self.first = min(self.first or at, at)
        self.last = max(self.last, at)
        for column in _COUNTED:
            self.counts[column, _text(row[column])] += 1


_COUNTED = ("decision_type", "model", "sink", "category", "label_source", "ai_right", "blind", "split")


def card(
    tally: Tally, files: Sequence[str], facts: Mapping[str, Kind], plan: Plan, source: Mapping[str, str]
) -> str:
    """The README of a training set. ``source`` says, in words, what was asked for.

    >>> text = card(Tally(), ("training.csv",), {}, Plan(secret=b""), {"topics": "feedback.coaching"})
    >>> text.splitlines()[0], "split" in text
    ('# Training data from human decisions', True)
    """
    lines = [
        "# Training data from human decisions",
        "",
        f"{tally.rows} rows in {', '.join(f'`{name}`' for name in files)}, answers from {tally.first or '-'} "
        f"to {tally.last or '-'}. One row for each answer of a person, ordered by time of the answer and "
        "decision: the same log gives the same bytes.",
        "",
        "## Where it comes from",
        *(f"- {name}: {text}" for name, text in source.items()),
        f"- events of answers that another row stands for: {tally.repeated}",
        "",
        "## What is in it",
        "| column | value | rows |",
        "|---|---|---|",
    ]
    for (column, value), count in sorted(tally.counts.items()):
        lines.append(f"| {column} | {value or '(empty)'} | {count} |")
    lines += [
        "",
        "## Weights",
        "A case whose score is low always comes to a person; one that runs by itself is drawn for a check "
        "with a known probability. `inclusion_probability` is the probability with which a person saw the "
        "decision: 1 at levels 3 to 5, else 1 - (1 - evidence)(1 - audit) of its two draws, as they stood "
        "when it was routed. `weight` = 1 / `inclusion_probability`, at most "
        f"{plan.largest_weight:g}. Weighted, the rows stand for all decisions; unweighted they "
        "over-represent hard cases. Train with `sample_weight=weight`, and evaluate with it too.",
        "",
        "## Split",
        f"`split` is drawn by a hash of `decision_id`: {plan.test_share:.0%} test. A decision never changes "
        "sides, and all answers to it are on the same one. It is no split by time: to see what drift does, "
        "order by `decided_at`.",
        "",
        "## What it is not",
        "- `label` is a person's decision unless `label_source` is `truth`. People err, and follow what "
        "they are shown: rows with `blind` are answers given before the recommendation was seen.",
        "- Reviewers are digests under a secret of this deployment. Free texts may name people.",
        "- A truth arrives for some decisions only: errors are reported more often than successes.",
        "",
        "## Columns",
        "| column | holds | meaning |",
        "|---|---|---|",
        *(f"| {name} | {kind.value} | {meaning} |" for name, (kind, meaning) in COLUMNS.items()),
        *(f"| {name} | {kind.value} | a fact of the decision |" for name, kind in facts.items()),
        "",
    ]
    return "\n".join(lines)


def described(sinks: Sequence[str], decision_type: str | None) -> dict[str, str]:
    """What was asked for, in words."""
    return {
        "topics": ", ".join(f"`feedback.{sink}`" for sink in sinks) + "; truths from `outcomes.observed`",
        "decision types": decision_type or "all",
    }


def _text(value: Value) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
