"""What only many answers together show: recurring reasons and scenarios, decisions and reasons that differ
for like cases, and how often each person is right. For a nightly look over the log; pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from app.domain.context_package import is_blind
from app.domain.events import Arm, Feedback, PatternDetected, ReviewDecided, ReviewKind
from app.domain.ids import derived_id
from app.domain.learning.override_rates import band_name, band_of
from app.domain.learning.pattern_terms import ScanTerms
from app.domain.learning.proportions import binomial_at_least
from app.domain.learning.reason_clusters import Cluster, cluster_words, new_codes, new_scenarios
from app.domain.learning.reasons import percent
from app.domain.learning.sighting import ACTIONS, Pattern
from app.domain.quality.consistency import Spread, normalised_entropy, spreads
from app.domain.quality.dawid_skene import Consensus, consensus
from app.domain.resolution import HAND_ONS
from app.domain.words import count

_MEASURING = frozenset({ReviewKind.GOLD, ReviewKind.CALIBRATION})


class Scan:
    """The answers of one decision type. Events may come twice; ``known_codes`` are those of the policy."""

    def __init__(self, decision_type: str, known_codes: frozenset[str]) -> None:
        self.decision_type = decision_type
        self._codes = known_codes
        self._feedback: dict[str, Feedback] = {}
        self._answers: dict[str, ReviewDecided] = {}

    def add(self, event: Feedback | ReviewDecided) -> None:
        """Take an event of this type."""
        if isinstance(event, Feedback):
            self._feedback[event.feedback_id] = event
        elif event.requested.request.kind not in _MEASURING and event.answer.action not in HAND_ONS:
            self._answers[event.answer.answer_id] = event

    # --- what is shown -----------------------------------------------------------------------------

    def spread(self) -> list[Spread]:
        """How far like cases are decided alike, by confidence band and the rules that applied."""
        single = [(_cell(one), _action(one)) for one in self._answers.values()]
        pairs = [(_cell(one), _action(one), _action(other)) for one, other in self._pairs()]
        return spreads(single, pairs)

    def people(self) -> Consensus | None:
        """How often each person is right, as far as independent answers to the same cases tell."""
        cases: dict[str, dict[str, str]] = defaultdict(dict)
        for one in self._answers.values():
            if is_blind(one.requested.routed, one.requested.request.kind):
                cases[_decision_id(one)][one.answer.reviewer] = _action(one)
        return consensus(cases)

    # --- what is reported --------------------------------------------------------------------------

    def patterns(self, at: int, rules: ScanTerms) -> list[PatternDetected]:
        """Everything worth an alert. The same finding has the same id whenever it is found again."""
        told = list(self._feedback.values())
        codes = new_codes(told, self._codes, rules.fewest, rules.people)
        scenarios = new_scenarios(told, rules.fewest, rules.people)
        found = [self._proposal(Pattern.NEW_REASON, one, at, rules) for one in codes]
        found += [self._proposal(Pattern.NEW_SCENARIO, one, at, rules) for one in scenarios]
        found += [self._proposal(Pattern.RETRAIN, one, at, rules) for one in scenarios]
        reasons = self._reasons(at, rules)
        return [*found, reasons] if reasons else found

    def _proposal(self, pattern: Pattern, cluster: Cluster, at: int, rules: ScanTerms) -> PatternDetected:
        what = "It is a scenario that the model has not learned. " if pattern is Pattern.RETRAIN else ""
        text = f"{what}{cluster_words(cluster)}"
        return self._found(pattern, cluster.code, cluster.count, rules.fewest, cluster.count, text, at)

    def _reasons(self, at: int, rules: ScanTerms) -> PatternDetected | None:
        """Two people decide alike and choose different codes more often than allowed (exact binomial)."""
        alike = [(one, other) for one, other in self._pairs() if _action(one) == _action(other)]
        differing = sum(one.answer.reason_code != other.answer.reason_code for one, other in alike)
        if len(alike) < rules.fewest_pairs or differing <= rules.reasons_differ * len(alike):
            return None
        if binomial_at_least(differing, len(alike), rules.reasons_differ) > rules.significance:
            return None
        used: dict[str, int] = defaultdict(int)
        for pair in alike:
            for one in pair:
                used[one.answer.reason_code] += 1
        share = differing / len(alike)
        text = (
            f"In {count(differing)} of {count(len(alike))} cases two people decided {self.decision_type} "
            f"alike and gave different reasons ({percent(share)}, more than "
            f"{percent(rules.reasons_differ)}; reasons are "
            f"{percent(normalised_entropy(used, len(self._codes)))} as mixed as they could be)."
        )
        what = Pattern.INCONSISTENT_REASONS
        return self._found(what, self.decision_type, share, rules.reasons_differ, len(alike), text, at)

    def _found(
        self, pattern: Pattern, segment: str, value: float, limit: float, count: int, text: str, at: int
    ) -> PatternDetected:
        return PatternDetected(
            pattern_id=derived_id(self.decision_type, f"scan\n{pattern}\n{segment}"),
            pattern=pattern,
            learning_key=self.decision_type,
            segment=segment,
            value=value,
            limit=limit,
            count=count,
            text=text,
            action=ACTIONS[pattern],
            detected_at=at,
        )

    def _pairs(self) -> Sequence[tuple[ReviewDecided, ReviewDecided]]:
        """Two independent answers of different people to the same decision."""
        first: dict[str, ReviewDecided] = {}
        pairs = []
        for one in sorted(self._answers.values(), key=lambda told: told.answer.decided_at):
            if one.requested.routed.route.arm is not Arm.SECOND_LOOK:
                continue
            other = first.setdefault(_decision_id(one), one)
            if other.answer.reviewer != one.answer.reviewer:
                pairs.append((other, one))
                del first[_decision_id(one)]
        return pairs


def _decision_id(decided: ReviewDecided) -> str:
    return decided.requested.routed.scored.decision.decision_id


def _action(decided: ReviewDecided) -> str:
    """What the person thought before anything was shown, where that was asked."""
    return decided.answer.first_action or decided.answer.action


def _cell(decided: ReviewDecided) -> str:
    route = decided.requested.routed.route
    rules = sorted({reason.code for reason in route.reasons if reason.step == "rule"})
    return " + ".join([f"confidence {band_name(band_of(route.score))}", *rules])
