"""The demo from beginning to end: train, submit day by day, let people work, learn, and report.

Day by day, because thresholds change while the stream runs: the next day is submitted only when
everything the last one taught is known. So each decision meets the same thresholds in every run of one
seed, however fast the machine is.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from app.composition.parts import load_compiled_policy
from app.demo import reviewers, submissions
from app.demo.aftermath import LATER_TRUTH, observed_later
from app.demo.collector import Collector, wait_until
from app.demo.embedded import Installation, addresses, demo_settings, installation
from app.demo.lending import DECISION_TYPE, Application, load_applications, shuffled
from app.demo.log import Known, Log
from app.demo.model import FACTS, LendingModel, Lesson, Measured, Recommendation
from app.demo.progress import Progress
from app.demo.report import ModelCard, Report, Run
from app.demo.seat import Seat, choose
from app.demo.shift import ESCALATED, Shift, SimulatedClock, people
from app.demo.submissions import Plan, Planted, business_days
from app.demo.summary import summarise
from app.domain.events import (
    CalibrationUpdated,
    DecisionResolved,
    DecisionRouted,
    LearningLabel,
    ReviewDecided,
    ReviewRequested,
    ThresholdUpdated,
)
from app.policy.compiled import CompiledPolicy
from app.settings import Settings

DAYS = 12
WORKDAY = 9 * 3_600_000
"""Reviewers work nine hours from opening, ms."""
STALLED_AFTER = 300.0


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How many applications the model learns from and then meets, and which facts it sees."""

    training: int = 600
    decisions: int
    sees: tuple[str, ...] = FACTS


class Prepared(msgspec.Struct, frozen=True):
    """What is known before anything is submitted."""

    measured: Measured
    applications: Sequence[Application]
    plan: Plan


def run_demo(
    settings: Settings,
    *,
    course: Course,
    seed: int,
    progress: Progress,
    keep: Callable[[Log], None] | None = None,
    afterwards: Callable[[Report, Seat], None] | None = None,
) -> Report:
    """Run it and return the report; the whole installation is temporary. ``keep`` is called with what the
    topics held, ``afterwards`` with the report and a seat at the console before everything is taken down.

    Raises ``DemoDataError`` without the demo extra, ``DemoStalledError`` when something did not happen
    in time, ``ServiceUnreachableError`` when broker or store do not start.
    """
    settings = demo_settings(settings, seed)
    policy = load_compiled_policy(settings)
    clock = SimulatedClock(business_days(seed)[0])
    with _scratch() as scratch, ThreadPoolExecutor(1) as beside:
        training = beside.submit(prepare, course, seed)
        with progress.step("embedded broker and store up"):
            started = addresses(settings, policy, scratch)
            settings = started.__enter__()
        try:
            with progress.step("model trained"):
                prepared = training.result()
            with installation(settings, policy, clock) as site:
                demo = _Demo(site, policy, prepared, clock, seed, progress)
                report = demo.run()
                if keep is not None:
                    keep(demo.log)
                if afterwards is not None:
                    cases = choose(demo.routed, demo.lender)
                    afterwards(report, Seat(site, settings, policy, clock, cases, scratch))
                return report
        finally:
            started.__exit__(None, None, None)


def prepare(course: Course, seed: int) -> Prepared:
    """Load, split, train, recommend, and plan the days."""
    applications = shuffled(load_applications(), seed)
    rest = applications[course.training : course.training + course.decisions]
    model = LendingModel(Lesson.of(applications[: course.training]), seed, course.sees)
    advice: list[Recommendation] = model.recommend(rest)
    return Prepared(model.measured, rest, submissions.plan(rest, advice, seed=seed, days=DAYS))


class _Demo:
    """One run, day by day."""

    def __init__(
        self,
        site: Installation,
        policy: CompiledPolicy,
        prepared: Prepared,
        clock: SimulatedClock,
        seed: int,
        progress: Progress,
    ) -> None:
        self._site = site
        self._prepared = prepared
        self._clock = clock
        self._seed = seed
        self._progress = progress
        self._terms = policy.terms[DECISION_TYPE]
        self._truth = {a.application_id: a.lender for a in prepared.applications}
        self._collector = Collector(site.connection, site.codec, policy.pool_names)
        staff = people(reviewers.PROFILES, self._terms)
        self._shift = Shift(
            site.queue,
            site.codec,
            staff,
            self._terms,
            clock=clock,
            lease=policy.lease,
            truth=self._truth.get,
            seed=seed,
        )
        self._observed: set[str] = set()

    @property
    def routed(self) -> Sequence[DecisionRouted]:
        """Every route of the run."""
        return self._collector.events(DecisionRouted)

    @property
    def log(self) -> Log:
        """What the topics hold."""
        return self._collector.log

    def lender(self, application: str) -> str | None:
        """What the lender really did."""
        return self._truth.get(application)

    def run(self) -> Report:
        """All days, then the report."""
        plan, counts = self._prepared.plan, self._progress.counts
        counts.total, counts.days = plan.records, len(plan.waves)
        self._collector.start()
        try:
            began = self._progress.elapsed
            for wave in plan.waves:
                counts.day = wave.day
                self._clock.now = max(self._clock.now, wave.opens_at)
                self._site.feed.submit(wave.submissions)
                counts.submitted += len(wave.submissions)
                self._settle()
                self._work(wave.opens_at)
                self._observe(wave.closes_at)
            for opens_at in business_days(self._seed)[len(plan.waves) :]:
                if not self._left:
                    break
                self._work(opens_at)
            took = self._progress.elapsed - began
            return summarise(self._collector.log, self._known(), self._run(took))
        finally:
            self._collector.stop()

    def _work(self, opens_at: int) -> None:
        self._left = self._shift.work(opens_at, opens_at + WORKDAY, between=self._between)
        self._settle()

    def _between(self) -> None:
        self._site.relay()
        self._count()

    def _observe(self, until: int) -> None:
        """Truth about automated decisions of earlier days arrives in the evening."""
        resolved = self._collector.events(DecisionResolved)
        outcomes = observed_later(
            resolved, self._truth, before=until - WORKDAY, at=until, seed=self._seed, known=self._observed
        )
        self._observed |= {outcome.decision_id for outcome in outcomes}
        if outcomes:
            self._site.feed.observe(outcomes)
            self._settle()

    # --- calm ---------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Until everything submitted is routed, asked, learned from, and known to the worker."""
        wait_until(self._calm, what="everything to be processed", state=self._state, timeout=STALLED_AFTER)
        self._count()

    def _calm(self) -> bool:
        self._count()
        seen = self._collector
        # Read everything, find all of it processed, and find that nothing new came of that meanwhile.
        return (
            seen.caught_up()
            and self._site.behind(seen.end) is None
            and seen.caught_up()
            and self._site.behind(seen.end) is None
            and self._heard()
        )

    def _heard(self) -> bool:
        """Whether the worker routes by the last thresholds and calibrations that were published."""
        worker = self._site.worker.worker
        thresholds = {e.learning_key: e.version for e in self._collector.events(ThresholdUpdated)}
        calibrations = {e.learning_key: e.version for e in self._collector.events(CalibrationUpdated)}
        heard = {key: event.version for key, event in worker.thresholds().updates.items()}
        known = worker.calibrations()
        return heard == thresholds and all(
            key in known and known[key].version == version for key, version in calibrations.items()
        )

    def _state(self) -> dict[str, object]:
        return {
            "behind": self._site.behind(self._collector.end),
            **msgspec.structs.asdict(self._progress.counts),
        }

    def _count(self) -> None:
        counts, seen = self._progress.counts, self._collector
        counts.routed = seen.count(DecisionRouted)
        counts.resolved = seen.count(DecisionResolved)
        counts.asked = seen.count(ReviewRequested)
        counts.answered = seen.count(ReviewDecided)
        counts.labels = seen.count(LearningLabel)
        counts.automated = sum(e.route.action is not None for e in seen.events(DecisionRouted))
        thresholds = seen.events(ThresholdUpdated)
        if thresholds:
            counts.threshold = thresholds[-1].threshold
        self._progress.tick()

    # --- the end ------------------------------------------------------------------------------------

    def _known(self) -> Known:
        prepared, measured = self._prepared, self._prepared.measured
        planted: Sequence[Planted] = prepared.plan.planted
        return Known(
            seed=self._seed,
            decision_type=DECISION_TYPE,
            records=prepared.plan.records,
            days=len(prepared.plan.waves),
            applications={a.application_id: a for a in prepared.applications},
            planted=planted,
            model=ModelCard(
                name=f"{submissions.MODEL} 1",
                chosen=measured.chosen,
                trained_on=measured.trained_on,
                log_loss=measured.log_loss,
                accuracy=measured.accuracy,
                base_rate=measured.base_rate,
            ),
            reason_codes=self._terms.reason_codes,
            threshold_floor=self._terms.threshold_floor,
            simulated=simulated(),
            reviewers=reviewers.stated(),
            next_steps=NEXT_STEPS,
            ended_at=self._clock.now,
        )

    def _run(self, took: float) -> Run:
        return Run(
            elapsed_s=round(self._progress.elapsed, 2),
            stages_s=self._progress.stages,
            decisions_per_s=round(self._progress.counts.routed / max(took, 0.001), 1),
        )


def simulated() -> list[str]:
    """What in the demo is no more than an assumption, in sentences."""
    least, most = (f(p.sensitivity for p in reviewers.PROFILES) for f in (min, max))
    anchored = max(p.anchoring for p in reviewers.PROFILES)
    wrong = max(p.false_override for p in reviewers.PROFILES)
    return [
        f"Reviewers are programs that catch {least:.0%} to {most:.0%} of the AI's errors, up to"
        f" {anchored:.0%} fewer when they are shown its answer, and wrongly change up to {wrong:.0%} of its"
        " right ones.",
        "How good people are is therefore assumed here, not found; so are their reasons, delays, and time.",
        f"Truth arrives later for {LATER_TRUTH:.0%} of what was automated; {ESCALATED:.0%} of what is shown"
        " is escalated.",
        "The broker lives in memory and proves no guarantee.",
        "Real are the applications, the lenders' answers, the model, and every event and count on this page.",
    ]


NEXT_STEPS = (
    "hitl demo --retrain                       what people answered teaches a better model",
    "hitl demo --seed 8 --report report.json   another run, everything as JSON",
    "hitl policy show policies/mortgage.yaml   the rules that were followed",
    "hitl up                                   broker, store and worker for your own decisions",
)


@contextmanager
def _scratch() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="hitl-demo-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
