"""``hitl thresholds evidence``: what a threshold was computed from, as the drift agent remembers it."""

from __future__ import annotations

from typing import Any

import msgspec

from app.commands.output import console, print_json, print_rows
from app.composition.parts import connection_of
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
    epoch, and which part of the key's recent traffic they are."""

    score_from: float
    labels: int
    errors: int
    share: float


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one key. ``log_loss`` (nats), ``brier`` and ``z`` judge the announced
    probabilities by the labels that came after them; ``z`` above 3: wrong more often than announced."""

    learning_key: str
    epoch: int
    decisions: int
    automated: int
    regions: tuple[Region, ...]
    calibrated: int
    log_loss: float
    brier: float
    z: float
    restarts: int
    gold_shown: int
    gold_caught: int
    findings: int
    upheld: int
    not_counted: dict[str, int]


def read_evidence(settings: Settings, key: str) -> Evidence:
    """Raises ``UsageError`` for a key of which nothing is remembered."""
    saved = LogReader(connection_of(settings)).read_latest(Topic.LEARNING_STATE, key.encode())
    if saved is None or saved.value is None:
        raise UsageError(f"nothing is remembered of '{key}'", hint="hitl thresholds list")
    return evidence_of(KeyState.from_bytes(saved.value))


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
    return Evidence(
        learning_key=state.learning_key,
        epoch=state.epoch,
        decisions=counts.clock,
        automated=counts.automated,
        regions=tuple(regions),
        calibrated=counts.calibrated,
        log_loss=round(counts.quality.mean_log_loss, 4),
        brier=round(counts.quality.mean_brier, 4),
        z=round(counts.quality.in_the_large, 2),
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
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    rows: list[dict[str, Any]] = [msgspec.structs.asdict(region) for region in found.regions]
    print_rows(rows, ("score_from", "labels", "errors", "share"), as_json=False, empty="no labels yet")


def _lines(found: Evidence) -> list[str]:
    lines = [
        f"{found.learning_key}, epoch {found.epoch}: {found.decisions:,} decisions routed, "
        f"{found.automated:,} automated in this epoch, {found.restarts} restarts of the evidence",
    ]
    if found.calibrated:
        lines.append(
            f"calibration, {found.calibrated:,} labels: log-loss {found.log_loss:.4f}, "
            f"Brier {found.brier:.4f}, z {found.z:+.2f} (above 3: wrong more often than announced)"
        )
    if found.gold_shown:
        lines.append(f"items with known truth: {found.gold_caught} of {found.gold_shown} caught")
    if found.findings:
        lines.append(f"findings that a second person looked at: {found.upheld} of {found.findings} upheld")
    lines += [f"not counted: {count:,} {_WORDS[name]}" for name, count in found.not_counted.items()]
    lines.append("blind labels of this epoch, from the highest score down:")
    return lines
