"""A recorded log -> decisions with what was decided, answered and found out about each.

The log is what ``hitl topics tail`` prints of `decisions.resolved` (or `decisions.routed`),
`reviews.outcomes`, `outcomes.observed`, `thresholds.updated`, `calibration.updated` and `policy.activated`,
in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from app.domain.events import (
    CalibrationUpdated,
    DecisionResolved,
    DecisionRouted,
    ObservedOutcome,
    PolicyActivated,
    Record,
    ReviewDecided,
    ReviewKind,
    ThresholdUpdated,
)
from app.lab.report import Rejects

_KINDS = (
    DecisionRouted,
    DecisionResolved,
    ReviewDecided,
    ObservedOutcome,
    ThresholdUpdated,
    CalibrationUpdated,
    PolicyActivated,
)
_DECODERS = {kind.__name__: msgspec.json.Decoder(kind) for kind in _KINDS}


class _Envelope(msgspec.Struct, frozen=True):
    value: msgspec.Raw
    event: str | None = None


class Past(msgspec.Struct):
    """A decision of the log with what people said about it."""

    routed: DecisionRouted
    answers: list[ReviewDecided] = []


class Log(msgspec.Struct):
    """A whole log. Decisions in the order in which they were received."""

    decisions: list[Past] = []
    truths: list[ObservedOutcome] = []
    activated: PolicyActivated | None = None
    """The policy that was activated last."""
    thresholds: list[ThresholdUpdated] = []
    calibrations: list[CalibrationUpdated] = []
    rejected: Rejects = msgspec.field(default_factory=Rejects)


def events(lines: Iterable[bytes], rejected: Rejects) -> Iterator[Record]:
    """The events of exported lines; what is none is counted, other events are passed over."""
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        try:
            envelope = msgspec.json.decode(text, type=_Envelope)
            decoder = _DECODERS.get(envelope.event or "")
            if decoder is not None:
                yield decoder.decode(envelope.value)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            rejected.add(number, "invalid", f"not a line of `hitl topics tail`: {error}")


def log_of(found: Iterable[Record], rejected: Rejects) -> Log:
    """The log of events in any order. A decision that stands there twice counts once; answers and truths
    about decisions that are not there are counted as rejected."""
    decisions: dict[str, Past] = {}
    answers: dict[str, ReviewDecided] = {}
    truths: list[ObservedOutcome] = []
    log = Log(rejected=rejected)
    log.truths = truths
    for event in found:
        if isinstance(event, DecisionRouted):
            decisions.setdefault(event.scored.decision.decision_id, Past(event))
        elif isinstance(event, DecisionResolved):
            decisions.setdefault(event.routed.scored.decision.decision_id, Past(event.routed))
        elif isinstance(event, ReviewDecided):
            # An item with known truth bears an id of its own, and is no decision.
            if event.requested.request.kind not in (ReviewKind.GOLD, ReviewKind.CALIBRATION):
                answers[event.answer.answer_id] = event
        elif isinstance(event, ObservedOutcome):
            truths.append(event)
        elif isinstance(event, PolicyActivated):
            log.activated = event
        elif isinstance(event, ThresholdUpdated):
            log.thresholds.append(event)
        elif isinstance(event, CalibrationUpdated):
            log.calibrations.append(event)
    _join(decisions, answers.values(), truths, rejected)
    log.decisions = sorted(
        decisions.values(),
        key=lambda past: (past.routed.scored.assessment.received_at, past.routed.scored.decision.decision_id),
    )
    log.thresholds.sort(key=lambda update: update.updated_at)
    log.calibrations.sort(key=lambda update: update.updated_at)
    return log


def _join(
    decisions: dict[str, Past],
    answers: Iterable[ReviewDecided],
    truths: Iterable[ObservedOutcome],
    rejected: Rejects,
) -> None:
    for answer in answers:
        routed = answer.requested.routed
        decisions.setdefault(routed.scored.decision.decision_id, Past(routed)).answers.append(answer)
    for truth in truths:
        if truth.decision_id not in decisions:
            rejected.add(0, "unknown_decision", f"a truth about '{truth.decision_id}', which is not there")
