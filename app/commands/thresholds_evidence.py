"""``hitl thresholds evidence``: what a threshold was computed from, as the drift agent remembers it."""

from __future__ import annotations

from typing import Any

import msgspec

from app.commands.output import print_json, print_line, print_rows
from app.composition.parts import connection_of
from app.domain.events import ThresholdUpdated
from app.domain.learning.bins import BINS, LOWER_EDGES
from app.domain.learning.drift import KeyState
from app.errors import UsageError
from app.settings import Settings
from app.stream.reader import LogReader
from app.stream.topics import Topic

_WORDS = {
    "duplicates": "labels seen before",
    "late_labels": "labels of an epoch that is over",
    "late_tallies": "traffic of an epoch that is over",
    "unusable": "labels that were not blind, or without their probability",
    "repeated": "further labels of a decision that was counted",
    "unmatched_truths": "truths of decisions that nobody had judged blind",
}


class Region(msgspec.Struct, frozen=True):
    """The decisions with a score of at least ``score_from``: what the certificate counts of them in this
    epoch (a check that nobody answered in time counts as an error), and which part they are of the recent
    decisions with a score of at least .5."""

    score_from: float
    labels: int
    errors: int
    share: float


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one key. ``decisions`` were routed, ever. ``log_loss`` (nats), ``brier``, ``z``
    judge the announced probabilities by the labels of this epoch that came after them, recent ones most;
    ``None`` without any. ``z`` above 3: wrong more often than announced. ``restarts``: how often evidence
    began anew with a smaller part of delta."""

    learning_key: str
    epoch: int
    decisions: int
    regions: tuple[Region, ...]
    log_loss: float | None
    brier: float | None
    z: float | None
    restarts: int
    gold_shown: int
    gold_caught: int
    findings: int
    upheld: int
    not_counted: dict[str, int]


def read_evidence(settings: Settings, key: str) -> Evidence:
    """Raises ``UsageError`` for a key of which nothing is remembered."""
    state = read_state(settings, key)
    if state is None:
        raise UsageError(f"nothing is remembered of '{key}'", hint="hitl thresholds list")
    return evidence_of(state)


def read_state(settings: Settings, key: str) -> KeyState | None:
    """What the drift agent remembers of a key."""
    saved = LogReader(connection_of(settings)).read_latest(Topic.LEARNING_STATE, key.encode())
    return None if saved is None or saved.value is None else KeyState.from_bytes(saved.value)


def checks_since(found: Evidence, update: ThresholdUpdated) -> dict[str, int]:
    """All blind checks of the announced epoch up to now, whatever their score, and the errors among them.
    Nothing if another epoch has begun that is not announced yet."""
    if found.epoch != update.epoch:
        return {}
    checks, errors = (found.regions[-1].labels, found.regions[-1].errors) if found.regions else (0, 0)
    return {"checks_by_now": checks, "errors_by_now": errors}


def evidence_of(state: KeyState) -> Evidence:
    """Regions are cumulated from the highest score down; those that add no label are left out."""
    counts, automation = state.evidence, state.automation
    known = sum(counts.traffic)
    labels = errors = 0
    traffic = 0.0
    regions = []
    for score_bin in reversed(range(BINS)):
        labels += counts.labels[score_bin]
        errors += counts.errors[score_bin]
        traffic += counts.traffic[score_bin]
        if counts.labels[score_bin]:
            share = round(traffic / known, 4) if known else 0.0
            regions.append(Region(LOWER_EDGES[score_bin], labels, errors, share))
    quality = counts.quality
    judged = quality.weight > 0
    return Evidence(
        learning_key=state.learning_key,
        epoch=state.epoch,
        decisions=counts.clock,
        regions=tuple(regions),
        log_loss=round(quality.mean_log_loss, 4) if judged else None,
        brier=round(quality.mean_brier, 4) if judged else None,
        z=round(quality.in_the_large, 2) if judged else None,
        restarts=automation.restarts,
        gold_shown=automation.gold_shown,
        gold_caught=automation.gold_caught,
        findings=automation.findings,
        upheld=automation.upheld,
        not_counted={name: count for name, count in msgspec.structs.asdict(state.ignored).items() if count},
    )


def print_evidence(found: Evidence, *, as_json: bool) -> None:
    """For people in words and a table, for programs as one JSON document."""
    if as_json:
        print_json(found)
        return
    for line in _lines(found):
        print_line(line)
    rows: list[dict[str, Any]] = [msgspec.structs.asdict(region) for region in found.regions]
    print_rows(rows, ("score_from", "labels", "errors", "share"), as_json=False, empty="no labels yet")


def _lines(found: Evidence) -> list[str]:
    lines = [
        f"{found.learning_key}, epoch {found.epoch}: {found.decisions:,} decisions routed; "
        f"evidence began anew {found.restarts} times"
    ]
    if found.log_loss is not None:
        lines.append(
            f"calibration: log-loss {found.log_loss:.4f}, Brier {found.brier:.4f}, z {found.z:+.2f} "
            "(above 3: wrong more often than announced)"
        )
    if found.gold_shown:
        lines.append(f"items with known truth: {found.gold_caught} of {found.gold_shown} caught")
    if found.findings:
        lines.append(f"findings that a second person looked at: {found.upheld} of {found.findings} upheld")
    lines += [f"not counted: {count:,} {_WORDS[name]}" for name, count in found.not_counted.items()]
    lines.append("blind checks of this epoch, from the highest score down; unanswered ones are errors:")
    return lines
