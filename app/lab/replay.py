"""A recorded log under another policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.lab.beside import Beside
from app.lab.recorded import Log
from app.policy.compiled import CompiledPolicy


def replay(
    log: Log,
    policy: CompiledPolicy,
    secret: bytes,
    facts: Sequence[str] = (),
    advance: Callable[[int], object] = lambda _n: None,
) -> Beside:
    """Route every decision again, then hear what people and time said about it."""
    beside = Beside(policy, secret, facts)
    beside.rejected = log.rejected
    for threshold in log.thresholds:
        beside.announced.hear(threshold)
    for calibration in log.calibrations:
        beside.announced.hear(calibration)
    for past in log.decisions:
        beside.routed(past.routed)
        advance(len(beside.decisions))
    for past in log.decisions:
        for answer in past.answers:
            beside.answered(answer)
    for truth in log.truths:
        beside.observed(truth)
    return beside
