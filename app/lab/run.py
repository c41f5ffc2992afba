"""A whole simulation: lines in, lines and a report out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from app.domain.learning.terms import LearningTerms
from app.domain.submission import Rejected
from app.domain.terms import Terms
from app.lab.counts import Tally, Window, total
from app.lab.report import Report, Story, report
from app.lab.reviewers import Reviewers
from app.lab.simulation import STRIDE, Line, Simulation
from app.lab.submissions import Submission, parse
from app.policy.compiled import CompiledPolicy

BOM = b"\xef\xbb\xbf"


def secret_of(seed: int) -> bytes:
    """The key of all draws of a run."""
    return f"hitl lab, seed {seed}".encode()


class Run:
    """Simulates decisions as they are read. Call ``report`` when ``lines`` is exhausted.

    ``clock`` gives seconds from any start; it times the run and influences nothing.
    """

    def __init__(
        self,
        policy: CompiledPolicy,
        reviewers: Reviewers,
        seed: int,
        learning: Callable[[Terms], LearningTerms],
        clock: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._reviewers = reviewers
        self._seed = seed
        self._clock = clock
        self._began = clock()
        self._simulation = Simulation(policy.terms, reviewers, secret_of(seed), learning)
        self._story = Story()
        self._seen: set[str] = set()
        self._latest = 0

    def lines(self, source: Iterable[bytes]) -> Iterator[list[Line]]:
        """What becomes of the decisions, stride by stride, in their order. Every line that is not taken is
        counted with its reason; an empty line is no line."""
        stride: list[Submission] = []
        for number, text in enumerate(source, start=1):
            submission = self._taken(number, text)
            if submission is None:
                continue
            stride.append(submission)
            if len(stride) == STRIDE:
                yield self._simulated(stride)
                stride = []
        if stride:
            yield self._simulated(stride)

    def report(self) -> Report:
        """The report of what was simulated so far."""
        simulation = self._simulation
        return report(
            self._story,
            keys=simulation.keys,
            updates=simulation.thresholds,
            sighted=simulation.sighted,
            labels=(simulation.labels_known, simulation.labels_given),
            reviewers=self._reviewers,
            seed=self._seed,
            policy=(self._policy.name, self._policy.version),
            elapsed=self._clock() - self._began,
        )

    def _taken(self, number: int, text: bytes) -> Submission | None:
        line = text.strip()
        if number == 1:
            line = line.removeprefix(BOM)
        if not line:
            return None
        submission = parse(line)
        if isinstance(submission, Rejected):
            self._story.rejected.add(number, submission.reason, submission.message)
            return None
        decision = submission.decision
        if decision.decision_type not in self._policy.terms:
            known = ", ".join(sorted(self._policy.terms))
            message = f"decision_type '{decision.decision_type}'; the policy knows: {known}"
            self._story.rejected.add(number, "unknown_type", message)
            return None
        if decision.decision_id in self._seen:
            message = f"decision_id '{decision.decision_id}' stands twice in this file"
            self._story.rejected.add(number, "duplicate", message)
            return None
        self._seen.add(decision.decision_id)
        self._story.out_of_order += decision.occurred_at < self._latest
        self._latest = decision.occurred_at
        for name in submission.unknown:
            self._story.unknown_fields[name] = self._story.unknown_fields.get(name, 0) + 1
        return submission

    def _simulated(self, stride: list[Submission]) -> list[Line]:
        story = self._story
        done = self._simulation.stride(stride)
        by_type: dict[str, Tally] = {}
        for each in done:
            name = each.submission.decision.decision_type
            tally = by_type.get(name)
            if tally is None:
                tally = by_type[name] = Tally()
            tally.add(each)
            level = each.line.level
            story.levels[level] = story.levels.get(level, 0) + 1
        for name, tally in by_type.items():
            story.types[name] = story.types.get(name, Tally()).plus(tally)
        window = total(by_type.values())
        story.total = story.total.plus(window)
        thresholds = {
            key: self._simulation.in_force(key, terms).threshold
            for key, terms in self._simulation.keys.items()
        }
        known = self._simulation.evidence_known
        story.windows.append(Window(window, story.total.decisions, thresholds, known))
        return [each.line for each in done]
