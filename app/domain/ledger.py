"""The read model behind the numbers: events go in one by one, figures come out. Pure, bounded in memory.

Answers may be delivered twice (the outbox delivers at least once) and are counted once. Gold items and
sessions are kept apart from work; blind answers are kept apart from answers to a shown recommendation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping

import msgspec

from app.domain.context_package import is_blind
from app.domain.events import (
    Arm,
    Feedback,
    LearningChanged,
    ObservedOutcome,
    PatternDetected,
    Record,
    ReviewDecided,
    ReviewKind,
    ReviewLifecycle,
    ScoreTally,
    SessionRecorded,
)
from app.domain.gold import caught, truth_of
from app.domain.learning.digests import digest
from app.domain.learning.override_rates import BAND_EDGES, Expectation, band_of
from app.domain.overrides import category_of
from app.domain.quality.case_mix import CaseMix
from app.domain.quality.coaching import CoachingNotes
from app.domain.quality.figures import GoldFeedback, PatternFigures
from app.domain.quality.funnel import funnel
from app.domain.quality.latest import Latest
from app.domain.quality.pool_record import PoolRecord
from app.domain.quality.reading import WORDS_PER_MINUTE, reading_floor
from app.domain.quality.reviewer_record import ReviewerRecord
from app.domain.quality.session_offers import SessionOffers
from app.domain.quality.sessions import SessionBook
from app.domain.quality.snapshot import Snapshot
from app.domain.quality.volumes import Volumes, type_of
from app.domain.resolution import HAND_ONS, agrees
from app.domain.review import Review, ReviewState
from app.domain.second_opinion import is_confirmation, to_confirm
from app.domain.terms import Terms

MOST_PEOPLE = 2000
MOST_SEEN = 50_000
MOST_PATTERNS = 200
MOST_WAITING = 5000
"""Second looks that wait for their other half."""

_COUNTED = frozenset({"escalated", "delegated", "released", "lease_expired", "paused"})


class LedgerFold:
    """Takes events in any order across topics. ``terms`` gives override categories their reason codes'
    meaning; ``words_per_minute`` sets the reading floor. Both are asked for each answer."""

    def __init__(
        self,
        *,
        since: int = 0,
        terms: Callable[[], Mapping[str, Terms]] = dict,
        words_per_minute: Callable[[], float] = lambda: WORDS_PER_MINUTE,
    ) -> None:
        self.sessions = SessionBook()
        self._since = since
        self._terms = terms
        self._words_per_minute = words_per_minute
        self._at = 0
        self._records = 0
        self._seen: Latest[int, None] = Latest(MOST_SEEN)
        self._people: Latest[str, ReviewerRecord] = Latest(MOST_PEOPLE)
        self._pools: dict[str, PoolRecord] = {}
        self._case_mix = CaseMix()
        self._held: Latest[str, tuple[str, int]] = Latest(MOST_SEEN)
        self._over: Latest[str, int] = Latest(MOST_SEEN)
        self._waiting: Latest[str, tuple[str, str]] = Latest(MOST_WAITING)
        self._volumes = Volumes()
        self._patterns: Latest[str, PatternFigures] = Latest(MOST_PATTERNS)
        self._offers = SessionOffers()
        self._coaching = CoachingNotes()
        self._review = msgspec.json.Decoder(Review)
        self._take: dict[type, Callable[..., None]] = {
            ReviewLifecycle: self._step,
            ScoreTally: self._tally,
            ObservedOutcome: self._offers.observed,
            PatternDetected: self._pattern,
            SessionRecorded: self._session,
            Feedback: self._coaching.add,
            LearningChanged: self._coaching.add,
        }

    def add(self, event: Record, under: str = "") -> None:
        """Take an event, encrypted ``under`` this key (hex) or in the clear; one that the figures do not
        speak of is ignored."""
        if isinstance(event, ReviewDecided):
            self._records += 1
            self._decided(event, under)
            return
        take = self._take.get(type(event))
        if take is not None:
            self._records += 1
            take(event)

    def keys(self) -> set[str]:
        """The keys under which the cases stood that are on offer or in a session."""
        sessions = self.sessions.figures().values()
        items = (*self._offers.figures(), *(item for one in sessions for item in one.items))
        return {item.key_id for item in items} - {""}

    def forget(self, gone: Container[str]) -> None:
        """Drop the cases under keys that are gone: nobody may be shown them again."""
        self._offers.forget(gone)
        self.sessions.forget(gone)

    # --- answers -----------------------------------------------------------------------------------

    def _decided(self, decided: ReviewDecided, under: str) -> None:
        answer, request = decided.answer, decided.requested.request
        if not self._first(answer.answer_id) or answer.action in HAND_ONS:
            return
        self._now(answer.decided_at)
        person = self._person(answer.reviewer)
        person.pools.add(request.pool)
        person.last_answer_at = max(person.last_answer_at or 0, answer.decided_at)
        if request.kind is ReviewKind.GOLD:
            self._gold(decided, person, under)
        elif request.kind is not ReviewKind.CALIBRATION:
            self._work(decided, person, under)

    def _work(self, decided: ReviewDecided, person: ReviewerRecord, key_id: str) -> None:
        answer, request, routed = decided.answer, decided.requested.request, decided.requested.routed
        decision, kind, pool = routed.scored.decision, request.kind, self._pool(request.pool)
        recommended = decision.recommendation.action
        override = not agrees(recommended, answer.action, answer.changes)
        day = person.day(answer.decided_at)
        day.answered += 1
        day.agreed += not override
        day.types[decision.decision_type] += 1
        if kind in (ReviewKind.HUMAN_ONLY, ReviewKind.AUDIT, ReviewKind.SECOND_LOOK):
            day.events[kind.value] += 1
        terms = self._terms().get(decision.decision_type)
        category = category_of(decided, terms) if terms else answer.category
        if override and category is not None:
            day.events[f"category:{category.value}"] += 1
        pool.answered += 1
        pool.overridden += override

        length = max(0, answer.decided_at - answer.claimed_at)
        under = length < reading_floor(request.package, self._words_per_minute())
        person.times.append((length, under))
        pool.times.append((length, under))
        self._volumes.answered(decision.decision_type, answer.decided_at, length, under)
        self._compare(decided, person, override)
        self._pair(decided, pool, key_id)
        if "teaching_example" in answer.tags:
            self._offers.add(decided, "teaching_example", answer.action, under=key_id)

    def _compare(self, decided: ReviewDecided, person: ReviewerRecord, override: bool) -> None:
        """Shown answers against what colleagues do in the same band; blind first answers beside them."""
        request, routed = decided.requested.request, decided.requested.routed
        decision_type, band = routed.scored.decision.decision_type, band_of(routed.route.score)
        if request.kind is ReviewKind.HUMAN_ONLY or routed.route.level == 5:
            return
        if is_confirmation(routed, request.kind):
            return  # asked for where somebody disagreed: these cases are not like others of their band
        blind = is_blind(routed, request.kind)
        audit = request.kind is ReviewKind.AUDIT
        if blind:
            first = decided.answer.first_action
            if first is not None:
                override = not agrees(routed.scored.decision.recommendation.action, first, None)
            person.cells[band + audit * len(BAND_EDGES)].add(blind=True, override=override)
            return
        person.cells[band + audit * len(BAND_EDGES)].add(blind=False, override=override)
        in_pool = person.by_pool.setdefault(request.pool, Expectation())
        self._case_mix.add(decision_type, band, override, person.shown, in_pool)

    def _pair(self, decided: ReviewDecided, pool: PoolRecord, key_id: str) -> None:
        """Two independent answers to one decision. Where the second was asked for because of the first, the
        two say nothing about how often people agree, but where they differ is worth talking about."""
        routed, answer = decided.requested.routed, decided.answer
        drawn = routed.route.arm is Arm.SECOND_LOOK
        if not (drawn or to_confirm(decided) or is_confirmation(routed, decided.requested.request.kind)):
            return
        decision_id = routed.scored.decision.decision_id
        action = answer.first_action or answer.action
        other = self._waiting.pop(decision_id, None)
        if other is None or other[0] == answer.reviewer:
            self._waiting.put(decision_id, (answer.reviewer, action))
            return
        if drawn:
            pool.pairs.append((other[1], action))
        if other[1] != action:
            self._offers.add(decided, "disagreement", None, (other[1], action), under=key_id)

    def _gold(self, decided: ReviewDecided, person: ReviewerRecord, key_id: str) -> None:
        routed, answer = decided.requested.routed, decided.answer
        right, truth = caught(decided), truth_of(routed)
        if right is None or truth is None:
            return
        decision = routed.scored.decision
        feedback = GoldFeedback(
            item_id=decided.requested.request.review_id,
            decision_type=decision.decision_type,
            answered=answer.action,
            truth=truth,
            recommended=decision.recommendation.action,
            answered_at=answer.decided_at,
            right=right,
        )
        person.gold.add(feedback)
        self._pool(decided.requested.request.pool).gold.add(feedback)
        if not right:
            self._offers.add(decided, "gold", truth, under=key_id)

    # --- everything else ---------------------------------------------------------------------------

    def _step(self, step: ReviewLifecycle) -> None:
        if not self._first(step.event_id):
            return
        try:
            review = self._review.decode(step.state)
        except msgspec.MsgspecError:
            return
        self._now(step.at)
        self._hold(step.review_id, review)
        if review.kind in (ReviewKind.GOLD, ReviewKind.CALIBRATION):
            return
        pool = self._pool(step.pool)
        if step.event in _COUNTED:
            pool.events[step.event] += 1
            if step.actor:
                self._person(step.actor).count(step.event, step.at)
        elif step.event == "decided":
            late = review.deadline is not None and review.decided_at > review.deadline
            pool.decided += 1
            pool.late += late
            if late and review.holder:
                self._person(review.holder).count("late", step.at)

    def _hold(self, review_id: str, review: Review) -> None:
        """Who has what in hand: the latest step of each review that is held says it, in whatever order."""
        if review.step < max(self._held.get(review_id, ("", 0))[1], self._over.get(review_id, 0)):
            return
        self._held.pop(review_id, None)
        if review.state is ReviewState.CLAIMED:
            self._held.put(review_id, (review.holder, review.step))
        elif review.over:
            self._over.put(review_id, review.step)

    def _tally(self, tally: ScoreTally) -> None:
        self._now(tally.routed_at)
        self._volumes.tally(tally)

    def _pattern(self, pattern: PatternDetected) -> None:
        self._now(pattern.detected_at)
        figures = PatternFigures(
            pattern_id=pattern.pattern_id,
            pattern=pattern.pattern,
            learning_key=pattern.learning_key,
            decision_type=type_of(pattern.learning_key),
            segment=pattern.segment,
            value=pattern.value,
            limit=pattern.limit,
            count=pattern.count,
            text=pattern.text,
            action=pattern.action,
            detected_at=pattern.detected_at,
        )
        self._patterns.put(figures.pattern_id, figures)

    def _session(self, event: SessionRecorded) -> None:
        self._now(event.at)
        name = self.sessions.add(event)
        if name is not None:
            self._person(name).sessions += 1

    # --- figures -----------------------------------------------------------------------------------

    def snapshot(self, *, caught_up: bool = True) -> Snapshot:
        """Everything as it is now; what is returned never changes."""
        plot = funnel({name: person.shown for name, person in self._people.items() if person.shown.count})
        dots = {dot.reviewer: dot for dot in plot.points}
        in_hand = Counter(holder for holder, _ in self._held.values())
        reviewers = {
            name: person.figures(dots.get(name), in_hand[name], self._at)
            for name, person in sorted(self._people.items())
        }
        stamped = frozenset(name for name, figures in reviewers.items() if figures.rubber_stamp.stamped)
        return Snapshot(
            at=self._at,
            since=self._since,
            caught_up=caught_up,
            records=self._records,
            reviewers=reviewers,
            pools={name: pool.figures(self._people, stamped) for name, pool in sorted(self._pools.items())},
            funnel=plot,
            volumes=self._volumes.figures(),
            patterns=tuple(
                sorted(self._patterns.values(), key=lambda one: (-one.detected_at, one.pattern_id))
            ),
            sessions=self.sessions.figures(),
            candidates=self._offers.figures(),
            coaching=self._coaching.figures(),
        )

    # --- memory ------------------------------------------------------------------------------------

    def _now(self, at: int) -> None:
        self._at = max(self._at, at)

    def _first(self, identifier: str) -> bool:
        name = digest(identifier, 8)
        if name in self._seen:
            return False
        self._seen.put(name, None)
        return True

    def _person(self, name: str) -> ReviewerRecord:
        person = self._people.get(name) or ReviewerRecord(name)
        self._people.put(name, person)
        return person

    def _pool(self, name: str) -> PoolRecord:
        return self._pools.setdefault(name, PoolRecord(name))
