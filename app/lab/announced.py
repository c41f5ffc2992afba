"""What was announced about thresholds and calibrations, found again for a decision that was routed by it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict

from app.domain.confidence import IDENTITY, Calibration
from app.domain.events import CalibrationUpdated, DecisionRouted, ThresholdUpdated
from app.domain.terms import Terms
from app.domain.thresholds import SUSPENDED, ThresholdInForce, threshold_in_force


class Announced:
    """Announcements by learning key, under one policy. A decision says which version it was routed by, so
    that neither clocks nor the order of topics matter."""

    def __init__(self) -> None:
        self._thresholds: dict[str, dict[int, ThresholdUpdated]] = defaultdict(dict)
        self._calibrations: dict[str, dict[int, CalibrationUpdated]] = defaultdict(dict)
        self._joined: dict[tuple[str, int], ThresholdInForce] = {}

    def hear(self, event: ThresholdUpdated | CalibrationUpdated) -> None:
        """Take one, in the order of its key."""
        if isinstance(event, ThresholdUpdated):
            self._thresholds[event.learning_key][event.version] = event
            self._joined.pop((event.learning_key, event.version), None)
        else:
            self._calibrations[event.learning_key][event.version] = event

    def latest(self, key: str) -> ThresholdUpdated | None:
        """The last announcement of a key."""
        versions = self._thresholds.get(key)
        return versions[max(versions)] if versions else None

    def in_force(self, key: str, routed: DecisionRouted, terms: Terms) -> tuple[ThresholdInForce, bool]:
        """The threshold for a decision whose learning key is ``key`` under ``terms``, and whether what was
        announced for it is known.

        A compacted topic forgets: then the threshold that the decision was routed by stands for its
        announcement, as what was certified and as what caps, so that the policy that is tried can only be
        stricter.
        """
        decided, versions = routed.route, self._thresholds.get(key, {})
        if decided.learning_key != key:  # learns by another segment: what that had by then, if it ever did
            update = _by_then(versions, routed.scored.assessment.received_at)
        elif decided.threshold_version == 0:
            update = None
        else:
            update = versions.get(decided.threshold_version)
            if update is None:
                return threshold_in_force(terms, _stand_in(routed, terms)), False
        version = 0 if update is None else update.version
        found = self._joined.get((key, version))
        if found is None:
            found = self._joined[key, version] = threshold_in_force(terms, update)
        return found, True

    def calibration(self, key: str, routed: DecisionRouted) -> Calibration:
        """What a raw confidence meant for this decision; the last that is known, where the log forgot."""
        version = routed.scored.assessment.confidence.calibration_version
        versions = self._calibrations.get(key)
        if not version or not versions:
            return IDENTITY
        return Calibration.of(versions.get(version) or versions[max(versions)])


def _by_then(versions: dict[int, ThresholdUpdated], at: int) -> ThresholdUpdated | None:
    known = [versions[version] for version in sorted(versions)]
    place = bisect_right(known, at, key=lambda update: update.updated_at)
    return known[place - 1] if place else None


def _stand_in(routed: DecisionRouted, terms: Terms) -> ThresholdUpdated:
    route = routed.route
    at = min(route.threshold, SUSPENDED)
    return ThresholdUpdated(
        learning_key=route.learning_key,
        version=route.threshold_version,
        epoch=route.epoch,
        threshold=at,
        previous=at,
        cap=at,
        floor=terms.threshold_floor,
        certified=at if terms.guaranteed else None,
        evidence_probability=route.evidence_probability or 1.0,
        automated=0,
        labels=0,
        errors=0,
        labels_needed=0,
        error_estimate=None,
        reason="The announcement is no longer in the log: the threshold that decisions were routed by.",
        updated_at=routed.scored.assessment.received_at,
    )
