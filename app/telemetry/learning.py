"""Thresholds in force, as gauges: certificate, cap and evidence of each learning key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from app.domain.events import ThresholdUpdated
from app.domain.routing import decision_type_of
from app.domain.thresholds import threshold_in_force
from app.policy.compiled import CompiledPolicy
from app.telemetry import catalogue as c
from app.telemetry.gauges import Reading


def threshold_readings(updates: Mapping[str, ThresholdUpdated], policy: CompiledPolicy) -> Iterator[Reading]:
    """Every learning key of a type that the policy has.

    A key carries the model's version and the segment, which producers write: of each type only as many keys
    are shown as the policy plans for (``learning.keys``), those that changed last."""
    by_type: dict[str, list[ThresholdUpdated]] = defaultdict(list)
    for update in updates.values():
        by_type[decision_type_of(update.learning_key)].append(update)
    for decision_type, found in by_type.items():
        terms = policy.terms.get(decision_type)
        if terms is None:
            continue
        latest = sorted(found, key=lambda update: -update.updated_at)[: max(1, terms.learning.keys)]
        for update in latest:
            yield from _of(update, decision_type, threshold_in_force(terms, update).threshold)


def _of(update: ThresholdUpdated, decision_type: str, in_force: float) -> Iterable[Reading]:
    labels = (decision_type, update.learning_key)
    values = {
        c.MODEL: 1.0,
        c.THRESHOLD: in_force,
        c.CERTIFIED: update.certified,
        c.CAP: update.cap,
        c.LABELS: update.labels,
        c.LABELS_NEEDED: update.labels_needed,
        c.ERROR_ESTIMATE: update.error_estimate,
        c.THRESHOLD_VERSION: update.version,
    }
    return [Reading(metric, labels, value) for metric, value in values.items() if value is not None]
