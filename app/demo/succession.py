"""The first version decides while the second rides along as a shadow; then the second takes over.

More volume than the data has is needed to see a certificate: the applications that neither version has seen
are drawn again and again, and go through the rules of the stream in the policy lab - the same functions for
routing, draws, labels and learning, without broker and store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from app.agents.drift import learning_terms
from app.demo.chapter import Certified, Step, Stretch
from app.demo.lending import DECISION_TYPE, Application
from app.demo.model import LendingModel, Recommendation
from app.demo.report import share
from app.demo.reviewers import draw
from app.demo.submissions import MODEL, business_days, decision
from app.domain.events import DecisionSubmitted, Model, Shadow
from app.domain.terms import Terms
from app.lab.reviewers import Reviewers
from app.lab.simulation import STRIDE, Simulated, Simulation
from app.lab.submissions import Submission

SHADOWED = 24 * STRIDE
"""Decisions that the second version accompanies before it takes over."""
IN_CHARGE = 16 * STRIDE
COMPARED = 8 * STRIDE
"""Decisions before, and after, the takeover that are compared."""
BETWEEN = 60_000
"""From one decision to the next, ms."""
REVIEWERS = Reviewers(sensitivity=0.90, anchoring=0.15, false_override=0.01)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; the fields are those of the chapter."""

    shadowed: int
    first_certified_after: int | None
    second_certified_after: int | None
    before: Stretch
    after: Stretch
    evidence_first: Certified
    evidence_second: Certified
    steps: list[Step]


class Contest:
    """Both versions on the same decisions, in the policy lab."""

    def __init__(
        self,
        terms: Terms,
        applications: Sequence[Application],
        first: LendingModel,
        second: LendingModel,
        seed: int,
    ) -> None:
        self._applications = applications
        self._advice = (first.recommend(applications), second.recommend(applications))
        self._seed = seed
        self._opens = business_days(seed)[0]
        self._simulation = Simulation(
            {DECISION_TYPE: terms}, REVIEWERS, f"demo {seed}".encode(), learning_terms
        )

    def run(self) -> Found:
        """Shadow, then takeover."""
        shadowed = list(self._strides(0, SHADOWED, self._in_shadow))
        keys = {key.rpartition(":")[2]: key for key in self._simulation.thresholds}
        evidence = [self._certified(keys[version]) for version in ("1", "2")]
        after = list(self._strides(SHADOWED, IN_CHARGE, self._in_charge))
        steps = [_step(done, place) for place, done in enumerate([*shadowed, *after], start=1)]
        last = COMPARED // STRIDE
        return Found(
            shadowed=SHADOWED,
            first_certified_after=_first(steps[: len(shadowed)], lambda step: step.automated),
            second_certified_after=_first(steps, lambda step: step.in_shadow or 0),
            before=_stretch(shadowed[-last:]),
            after=_stretch(after[:last]),
            evidence_first=evidence[0],
            evidence_second=evidence[1],
            steps=steps,
        )

    def _strides(
        self, start: int, count: int, made: Callable[[int, int], DecisionSubmitted]
    ) -> Iterator[list[Simulated]]:
        for begin in range(start, start + count, STRIDE):
            taken = []
            for number in range(begin, begin + STRIDE):
                place = int(draw(self._seed, "again", str(number)) * len(self._applications))
                application = self._applications[place]
                taken.append(Submission(made(number, place), application.facts, application.lender))
            yield self._simulation.stride(taken)

    def _in_shadow(self, number: int, place: int) -> DecisionSubmitted:
        first, second = (self._decision(number, place, version) for version in (1, 2))
        shadow = Shadow(
            model=second.model,
            recommendation=second.recommendation,
            alternatives=second.alternatives,
            signals=second.signals,
        )
        return replace(first, shadows=[shadow])

    def _in_charge(self, number: int, place: int) -> DecisionSubmitted:
        return self._decision(number, place, 2)

    def _decision(self, number: int, place: int, version: int) -> DecisionSubmitted:
        application = self._applications[place]
        advice: Recommendation = self._advice[version - 1][place]
        event = decision(application, advice, occurred_at=self._opens + number * BETWEEN)
        return replace(
            event,
            decision_id=f"{application.application_id}-{number}",
            model=Model(name=MODEL, version=str(version)),
        )

    def _certified(self, key: str) -> Certified:
        update = self._simulation.thresholds[key]
        return Certified(
            threshold=round(update.threshold, 4),
            automates=update.threshold < 1,
            certified=None if update.certified is None else round(update.certified, 4),
            labels=update.labels,
            errors=update.errors,
            labels_needed=update.labels_needed,
            reason=update.reason,
        )


def assumed(held_out: int) -> list[str]:
    """What is no more than an assumption here, in sentences."""
    people = REVIEWERS
    return [
        "Version 1 is held back on purpose: few applications, three facts.",
        f"The {SHADOWED + IN_CHARGE:,} decisions are {held_out:,} real applications drawn again and again, in"
        " the policy lab: the figures speak about these applications, not about mortgages.",
        f"Its reviewers are programs that catch {people.sensitivity:.0%} of the AI's errors and wrongly"
        f" change {people.false_override:.0%} of its right answers; with 2% less is certified, or nothing.",
    ]


def _step(done: Sequence[Simulated], place: int) -> Step:
    shadows = [shadow for each in done for shadow in each.routed.route.shadows]
    return Step(
        decisions=place * STRIDE,
        automated=round(sum(each.line.automated for each in done) / len(done), 4),
        in_shadow=round(sum(shadow.level <= 2 for shadow in shadows) / len(done), 4) if shadows else None,
    )


def _first(steps: Sequence[Step], automated: Callable[[Step], float]) -> int | None:
    return next((step.decisions for step in steps if automated(step) > 0), None)


def _stretch(strides: Sequence[Sequence[Simulated]]) -> Stretch:
    done = [each for stride in strides for each in stride]
    alone = [each for each in done if each.line.automated]
    wrong = sum(each.line.final_action != each.submission.truth for each in alone)
    return Stretch(
        decisions=len(done),
        automated=share(len(alone), len(done)),
        error=share(wrong, len(alone)),
        human_work=round(sum(len(each.judged.given) for each in done) / len(done), 4),
    )
