"""The learning keys of the story: thresholds, what certifies them, and what made them change."""

from __future__ import annotations

from app.domain.learning.sighting import Pattern
from app.telemetry import catalogue as c
from grafana.picture import story
from grafana.picture.ledger import Ledger
from grafana.picture.story import Kind

_CERTIFIED = {"invoice.approval": 0.9, story.EXPENSES: 0.88, "support.categorize": 0.86}
_KEY_METRICS = (
    *(c.MODEL, c.THRESHOLD, c.CERTIFIED, c.CAP),
    *(c.LABELS, c.LABELS_NEEDED, c.ERROR_ESTIMATE, c.THRESHOLD_VERSION),
)


class Keys:
    """What every worker knows of thresholds."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def stand(self, now: int) -> None:
        """Policy, thresholds and evidence as they are now."""
        for worker in story.WORKERS:
            changed = now >= story.POLICY_CHANGED
            self._ledger.set(c.POLICY, 1, worker, version="2026-03-05" if changed else "2026-01-02")
            if changed:
                self._ledger.drop(c.POLICY, worker, version="2026-01-02")
        for kind in story.KINDS[:3]:
            old = f"{kind.name}|{kind.model}"
            if kind.name != story.EXPENSES or now < story.MODEL_CHANGED:
                self._key(kind, old, _CERTIFIED[kind.name], 2100 + 900 * story.age(now), 40, kind.error, 4)
                continue
            for metric in _KEY_METRICS:
                for worker in story.WORKERS:
                    self._ledger.drop(metric, worker, decision_type=kind.name, learning_key=old)
            version = sum(now >= moment for moment, _ in story.CERTIFIED_AGAIN)
            certified = story.CERTIFIED_AGAIN[version - 1][1] if version else 0.88
            since = (now - story.MODEL_CHANGED) / story.DAY
            key = f"{kind.name}|{story.NEW_MODEL}"
            error = 0.031 if now < story.ALARM else 0.019 - 0.0005 * since
            self._key(kind, key, certified, 90 * since, max(0, 1600 - 90 * since), error, version + 1)
        for worker, kind in zip(story.WORKERS, story.KINDS[:2], strict=True):
            pattern = Pattern.MISCALIBRATED if kind.name == story.EXPENSES else Pattern.HIGH_OVERRIDE
            seen = 1 if story.ALARM <= now < story.ALARM + 4 * story.HOUR else 0
            self._ledger.add(c.PATTERNS, seen, worker, decision_type=kind.name, pattern=pattern)
        for kind in story.KINDS:
            oldest = (now % (2 * story.DAY)) * (1.6 if kind.queue == "finance" else 0.9)
            self._ledger.set(c.FEEDBACK_OLDEST, oldest, story.WORKERS[0], decision_type=kind.name)

    def _key(
        self, kind: Kind, key: str, threshold: float, seen: float, needed: float, error: float, version: int
    ) -> None:
        numbers = (1, threshold, threshold, threshold - 0.02, seen, needed, error, version)
        for metric, value in zip(_KEY_METRICS, numbers, strict=True):
            for worker in story.WORKERS:
                self._ledger.set(metric, value, worker, decision_type=kind.name, learning_key=key)
