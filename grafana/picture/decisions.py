"""What becomes of decisions in the story: routes, answers, reasons, outcomes."""

from __future__ import annotations

import math

import numpy as np

from app.domain.events import OverrideCategory
from app.telemetry import catalogue as c
from app.telemetry import labels
from grafana.picture import story
from grafana.picture.ledger import Ledger
from grafana.picture.queues import Queues
from grafana.picture.story import Kind


class Decisions:
    """Decisions arrive, are routed, answered and verified."""

    def __init__(self, ledger: Ledger, random: np.random.Generator, queues: Queues) -> None:
        self._ledger = ledger
        self._random = random
        self._queues = queues
        for kind in story.KINDS:  # every series exists before the first event, as the worker sees to it
            worker = story.worker_of(kind)
            self._spread(kind, worker, 0, {(labels.ROUTES[1], "low", "high"): 1.0})
            for source in ("edge_case", "traffic_shift"):
                ledger.add(c.NEW_SCENARIOS, 0, worker, decision_type=kind.name, source=source)

    def happen(self, kind: Kind, now: int, hours: float) -> None:
        """What came in during the last ``hours``."""
        worker = story.worker_of(kind)
        many = int(self._random.poisson(kind.hourly * hours * story.busy(now)))
        alone = int(self._random.binomial(many, story.automated(kind, now)))
        rest = many - alone
        route = labels.ROUTES[kind.automation]
        self._spread(kind, worker, alone, {(route, "low", "high"): 0.85, (route, "medium", "high"): 0.15})
        if kind.automated:
            people = {
                ("automation_review", "medium", "high"): 0.25,
                ("automation_review", "low", "medium"): 0.40,
                ("human_decision", "medium", "low"): 0.20,
                ("human_decision", "high", "medium"): 0.10,
                ("human_control", "critical", "medium"): 0.05,
            }
        else:
            people = {("human_control", "high", "medium"): 1.0}
        self._spread(kind, worker, rest, people)
        self._ledger.observe(
            c.ROUTING_SECONDS, self._random.lognormal(-2.6, 0.4, many), worker, decision_type=kind.name
        )
        experts = int(self._random.binomial(rest, 0.12 if kind.expert_queue != kind.queue else 0))
        blind = int(self._random.binomial(alone, 0.03))
        self._queues.ask(kind.queue, kind.sla_class, now, rest - experts + blind)
        self._answer(kind, kind.queue, worker, rest - experts, blind, now)
        if experts:
            self._queues.ask(kind.expert_queue, "complex", now, experts)
            self._answer(kind, kind.expert_queue, worker, experts, 0, now)
        self._verify(kind, worker, now, alone, rest)

    def _spread(self, kind: Kind, worker: str, many: int, shares: dict[tuple[str, str, str], float]) -> None:
        found = self._random.multinomial(many, list(shares.values()))
        for (route, consequence, band), n in zip(shares, found, strict=True):
            own = {"route": route, "consequence": consequence, "confidence_band": band}
            self._ledger.add(c.DECISIONS, n, worker, decision_type=kind.name, **own)

    def _answer(self, kind: Kind, queue: str, worker: str, shown: int, blind: int, now: int) -> None:
        """What people answer, and what is learned of it; when they do is the queues' matter."""
        shown = int(self._random.binomial(shown, story.there(queue, now)))
        override = kind.override + (0.16 if story.wrong_model(kind, now) else 0)
        own = {"decision_type": kind.name, "queue": queue}
        add = self._ledger.add
        if kind.automated:
            changed = int(self._random.binomial(shown, override))
            modified = int(self._random.binomial(changed, 0.3))
            add(c.REVIEWS, shown - changed, worker, outcome="agreed", blind="false", **own)
            add(c.REVIEWS, changed - modified, worker, outcome="overridden", blind="false", **own)
            add(c.REVIEWS, modified, worker, outcome="modified", blind="false", **own)
            unlike = int(self._random.binomial(blind, override + 0.04))
            add(c.REVIEWS, blind - unlike, worker, outcome="agreed", blind="true", **own)
            add(c.REVIEWS, unlike, worker, outcome="overridden", blind="true", **own)
            self._reasons(kind, worker, changed)
            self._calibrate(kind, worker, now, blind + shown)
        else:
            add(c.REVIEWS, shown, worker, outcome="no_recommendation", blind="true", **own)
        seen = self._random.lognormal(math.log(kind.handling), 0.7, shown + blind)
        self._ledger.observe(c.HANDLING_SECONDS, seen, worker, decision_type=kind.name)
        late = self._random.lognormal(math.log(6 * story.HOUR), 0.9, shown + blind)
        self._ledger.observe(c.FEEDBACK_SECONDS, late, worker, decision_type=kind.name)

    def _reasons(self, kind: Kind, worker: str, changed: int) -> None:
        shares = dict(zip(OverrideCategory, (0.45, 0.25, 0.18, 0.12), strict=True))
        for category, n in zip(shares, self._random.multinomial(changed, list(shares.values())), strict=True):
            said = int(self._random.binomial(n, 0.975))
            for flag, count in (("true", said), ("false", n - said)):
                self._ledger.add(
                    c.OVERRIDES,
                    count,
                    worker,
                    decision_type=kind.name,
                    category=category,
                    reason_captured=flag,
                )
            if category is OverrideCategory.EDGE_CASE:
                found = int(self._random.binomial(n, 0.02))
                self._ledger.add(c.NEW_SCENARIOS, found, worker, decision_type=kind.name, source="edge_case")

    def _calibrate(self, kind: Kind, worker: str, now: int, labelled: int) -> None:
        shares = {"0.5": 0.08, "0.6": 0.12, "0.7": 0.2, "0.8": 0.25, "0.9": 0.35}
        for tenth, n in zip(shares, self._random.multinomial(labelled, list(shares.values())), strict=True):
            said = float(tenth) + 0.05
            right = int(self._random.binomial(n, said - (0.12 if story.wrong_model(kind, now) else 0.01)))
            own = {"decision_type": kind.name, "bin": tenth}
            self._ledger.add(c.CALIBRATION_CONFIDENCE, n * said, worker, **own)
            self._ledger.add(c.CALIBRATION_LABELS, n, worker, **own)
            self._ledger.add(c.CALIBRATION_CORRECT, right, worker, **own)

    def _verify(self, kind: Kind, worker: str, now: int, alone: int, rest: int) -> None:
        error = kind.error * (3 if story.wrong_model(kind, now) else 1.2 - 0.4 * story.age(now))
        add = self._ledger.add
        for who, decided, wrong in (("ai", alone, error), ("human", rest, 0.011)):
            checked = int(self._random.binomial(decided, 0.15))
            bad = int(self._random.binomial(checked, wrong))
            own = {"decision_type": kind.name, "decided_by": who}
            add(c.OUTCOMES, checked - bad, worker, result="correct", **own)
            add(c.OUTCOMES, bad, worker, result="incorrect", **own)
        add(c.DOWNSTREAM, int(self._random.poisson(alone * error)), worker, decision_type=kind.name)
        before = story.ALARM - now
        hurt = story.wrong_model(kind, now) and 2 * story.HOUR <= before < 6 * story.HOUR
        add(c.INCIDENTS, 1 if hurt else 0, worker, decision_type=kind.name)
        audited = int(self._random.binomial(alone, 0.05))
        finding = int(self._random.binomial(audited, min(1.0, error * 2)))
        add(c.AUDITS, audited - finding, worker, decision_type=kind.name, result="clean")
        add(c.AUDITS, finding, worker, decision_type=kind.name, result="finding")
