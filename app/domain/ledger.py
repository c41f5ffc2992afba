"""The read model behind the numbers: events go in one by one, figures come out. Pure, bounded in memory.

Answers may be delivered twice (the outbox delivers at least once) and are counted once. Gold items and
sessions are kept apart from work; blind answers are kept apart from answers to a shown recommendation.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from app.domain.context_package import is_blind
from app.domain.events import (
    Arm,
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
from app.domain.quality.agreement import agreement
from app.domain.quality.figures import (
    GoldFeedback,
    PatternFigures,
    PoolFigures,
    SessionItem,
    Snapshot,
)
from app.domain.quality.funnel import funnel
from app.domain.quality.reading import WORDS_PER_MINUTE, reading_floor
from app.domain.quality.reviewer_record import RECENT, GoldRecord, ReviewerRecord, Times, handling
from app.domain.quality.sessions import SessionBook, item_id_of, item_of
from app.domain.quality.volumes import Volumes, type_of
from app.domain.resolution import HAND_ONS, agrees
from app.domain.review import Review, ReviewState
from app.domain.terms import Terms

HALF_LIFE = 500.0
"""Answers of a person after which one of them weighs half in override rates."""
PRIOR = 10.0
"""Answers that the rate of a type is worth in each of its bands."""
MOST_PEOPLE = 2000
MOST_SEEN = 50_000
MOST_PAIRS = 300
MOST_PATTERNS = 200
MOST_CANDIDATES = 60
MOST_WAITING = 5000
"""Second looks that wait for their other half."""

_FADE = 0.5 ** (1 / HALF_LIFE)
_COUNTED = frozenset({"escalated", "delegated", "released", "lease_expired", "paused"})


class _Pool(msgspec.Struct):
    answered: int = 0
    overridden: int = 0
    late: int = 0
    decided: int = 0
    events: Counter[str] = msgspec.field(default_factory=Counter)
    times: Times = msgspec.field(default_factory=lambda: deque(maxlen=RECENT))
    pairs: deque[tuple[str, str]] = msgspec.field(default_factory=lambda: deque(maxlen=MOST_PAIRS))
    gold: GoldRecord = msgspec.field(default_factory=GoldRecord)


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
        self._seen: dict[int, None] = {}
        self._people: dict[str, ReviewerRecord] = {}
        self._pools: dict[str, _Pool] = defaultdict(_Pool)
        self._bands: dict[tuple[str, int], Expectation] = {}
        self._types: dict[str, Expectation] = {}
        self._held: dict[str, tuple[str, int]] = {}
        self._waiting: dict[str, tuple[str, str]] = {}
        self._volumes = Volumes()
        self._patterns: dict[str, PatternFigures] = {}
        self._candidates: dict[str, SessionItem] = {}
        self._review = msgspec.json.Decoder(Review)
        self._take: dict[type, Callable[..., None]] = {
            ReviewDecided: self._decided,
            ReviewLifecycle: self._step,
            ScoreTally: self._tally,
            ObservedOutcome: self._observed,
            PatternDetected: self._pattern,
            SessionRecorded: self._session,
        }

    def add(self, event: Record) -> None:
        """Take an event; one that the figures do not speak of is ignored."""
        take = self._take.get(type(event))
        if take is not None:
            self._records += 1
            take(event)

    # --- answers -----------------------------------------------------------------------------------

    def _decided(self, decided: ReviewDecided) -> None:
        answer, request = decided.answer, decided.requested.request
        if not self._first(answer.answer_id) or answer.action in HAND_ONS:
            return
        self._now(answer.decided_at)
        person = self._person(answer.reviewer)
        person.pools.add(request.pool)
        person.last_answer_at = max(person.last_answer_at or 0, answer.decided_at)
        if request.kind is ReviewKind.GOLD:
            self._gold(decided, person)
        elif request.kind is not ReviewKind.CALIBRATION:
            self._work(decided, person)

    def _work(self, decided: ReviewDecided, person: ReviewerRecord) -> None:
        answer, request, routed = decided.answer, decided.requested.request, decided.requested.routed
        decision, kind, pool = routed.scored.decision, request.kind, self._pools[request.pool]
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
        self._pair(decided, pool)
        if "teaching_example" in answer.tags:
            self._offer(decided, "teaching_example", answer.action)

    def _compare(self, decided: ReviewDecided, person: ReviewerRecord, override: bool) -> None:
        """Shown answers against what colleagues do in the same band; blind first answers beside them."""
        request, routed = decided.requested.request, decided.requested.routed
        decision_type, band = routed.scored.decision.decision_type, band_of(routed.route.score)
        if request.kind is ReviewKind.HUMAN_ONLY or routed.route.level == 5:
            return
        blind = is_blind(routed, request.kind)
        audit = request.kind is ReviewKind.AUDIT
        if blind:
            first = decided.answer.first_action
            if first is not None:
                override = not agrees(routed.scored.decision.recommendation.action, first, None)
            person.cells[band + audit * len(BAND_EDGES)].add(blind=True, override=override)
            return
        person.cells[band + audit * len(BAND_EDGES)].add(blind=False, override=override)
        overall = self._types.setdefault(decision_type, Expectation())
        cell = self._bands.setdefault((decision_type, band), Expectation())
        rate = (overall.observed + 1) / (overall.weight + 5)
        usual = (cell.observed + PRIOR * rate) / (cell.weight + PRIOR)
        for group in (
            person.shown,
            person.by_pool.setdefault(request.pool, Expectation()),
            cell,
            overall,
        ):
            group.add(override, usual, _FADE)

    def _pair(self, decided: ReviewDecided, pool: _Pool) -> None:
        """Two independent answers to one decision."""
        routed, answer = decided.requested.routed, decided.answer
        if routed.route.arm is not Arm.SECOND_LOOK:
            return
        decision_id = routed.scored.decision.decision_id
        action = answer.first_action or answer.action
        other = self._waiting.pop(decision_id, None)
        if other is None or other[0] == answer.reviewer:
            _bounded(self._waiting, MOST_WAITING)
            self._waiting[decision_id] = answer.reviewer, action
            return
        pool.pairs.append((other[1], action))
        if other[1] != action:
            self._offer(decided, "disagreement", None, (other[1], action))

    def _gold(self, decided: ReviewDecided, person: ReviewerRecord) -> None:
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
        self._pools[decided.requested.request.pool].gold.add(feedback)
        if not right:
            self._offer(decided, "gold", truth)

    def _offer(
        self, decided: ReviewDecided, source: str, truth: str | None, answered: tuple[str, ...] = ()
    ) -> None:
        item = item_of(decided, _actions(decided.requested.request.package), source, truth)
        if answered:
            item = msgspec.structs.replace(item, answered=answered)
        self._candidates.pop(item.item_id, None)
        _bounded(self._candidates, MOST_CANDIDATES)
        self._candidates[item.item_id] = item

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
        pool = self._pools[step.pool]
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
        """Who has what in hand: the latest step of each review that is held says it."""
        if review.step < self._held.get(review_id, ("", 0))[1]:
            return
        self._held.pop(review_id, None)
        if review.state is ReviewState.CLAIMED:
            _bounded(self._held, MOST_SEEN)
            self._held[review_id] = review.holder, review.step

    def _tally(self, tally: ScoreTally) -> None:
        self._now(tally.routed_at)
        self._volumes.tally(tally)

    def _observed(self, observed: ObservedOutcome) -> None:
        """A later truth about a case that is on offer for sessions."""
        item_id = item_id_of(observed.decision_id)
        item = self._candidates.get(item_id)
        if item is not None and observed.correct_action is not None:
            self._candidates[item_id] = msgspec.structs.replace(
                item, truth=observed.correct_action, source="ground_truth"
            )

    def _pattern(self, pattern: PatternDetected) -> None:
        self._now(pattern.detected_at)
        _bounded(self._patterns, MOST_PATTERNS)
        self._patterns[pattern.pattern_id] = PatternFigures(
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
            pools={name: self._pool(name, stamped) for name in sorted(self._pools)},
            funnel=plot,
            volumes=self._volumes.figures(),
            patterns=tuple(
                sorted(self._patterns.values(), key=lambda one: (-one.detected_at, one.pattern_id))
            ),
            sessions=self.sessions.figures(),
            candidates=tuple(reversed(self._candidates.values())),
        )

    def _pool(self, name: str, stamped: frozenset[str]) -> PoolFigures:
        pool = self._pools[name]
        people = sorted(who for who, person in self._people.items() if name in person.pools)
        groups = {who: group for who in people if (group := self._people[who].by_pool.get(name)) is not None}
        return PoolFigures(
            pool=name,
            answered=pool.answered,
            overridden=pool.overridden,
            on_time=pool.decided - pool.late,
            late=pool.late,
            escalated=pool.events["escalated"],
            delegated=pool.events["delegated"],
            lapsed=pool.events["lease_expired"],
            paused=pool.events["paused"],
            reviewers=tuple(people),
            handling=handling(pool.times),
            funnel=funnel(groups),
            agreement=agreement(list(pool.pairs)),
            gold=pool.gold.figures(),
            stamped=tuple(who for who in people if who in stamped),
        )

    # --- memory ------------------------------------------------------------------------------------

    def _now(self, at: int) -> None:
        self._at = max(self._at, at)

    def _first(self, identifier: str) -> bool:
        name = digest(identifier, 8)
        if name in self._seen:
            return False
        _bounded(self._seen, MOST_SEEN)
        self._seen[name] = None
        return True

    def _person(self, name: str) -> ReviewerRecord:
        person = self._people.pop(name, None) or ReviewerRecord(name)
        _bounded(self._people, MOST_PEOPLE)
        self._people[name] = person  # last = seen last
        return person


def _bounded(mapping: dict[Any, Any], most: int) -> None:
    """Make room for one more; what was put in first goes."""
    while len(mapping) >= most:
        del mapping[next(iter(mapping))]


def _actions(package: str) -> Sequence[str]:
    try:
        found = msgspec.json.decode(package, type=_Actions).available_actions
    except msgspec.MsgspecError:
        return ()
    return [action for action in found if action not in HAND_ONS]


class _Actions(msgspec.Struct):
    available_actions: list[str] = []
