"""What is remembered of one reviewer while answers come in, and the figures that follow from it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from statistics import median, quantiles

import msgspec

from app.domain.events import OverrideCategory
from app.domain.gold import BURST
from app.domain.learning.override_rates import BAND_EDGES, Expectation
from app.domain.quality.anchoring import Cell, anchoring
from app.domain.quality.figures import (
    Anchoring,
    DayCount,
    FunnelPoint,
    GoldFeedback,
    GoldFigures,
    Handling,
    ReviewerFigures,
)
from app.domain.quality.gold_catch import lower_bound, update
from app.domain.quality.rubber_stamp import rubber_stamp

DAY = 86_400_000
DAYS = 30
"""Days of the trend line; counts of answers cover them."""
RECENT = 200
"""Answers whose handling time is remembered."""
FEEDBACK = 50
"""Gold answers that are remembered with their truth."""

Times = deque[tuple[int, bool]]
"""(handling time in ms, whether it was under the reading floor), the newest last."""


def handling(times: Sequence[tuple[int, bool]] | Times) -> Handling:
    """Median and quartiles of handling times.

    >>> found = handling([(60_000, False), (4_000, True), (90_000, False), (120_000, False)])
    >>> found.median, found.quartiles, found.under_share
    (75000, (46000, 97500), 0.25)
    """
    if not times:
        return Handling()
    lengths = [length for length, _ in times]
    under = sum(flag for _, flag in times)
    quarters = quantiles(lengths, n=4, method="inclusive") if len(lengths) > 1 else [lengths[0]] * 3
    return Handling(
        answers=len(lengths),
        median=round(median(lengths)),
        quartiles=(round(quarters[0]), round(quarters[2])),
        under_floor=under,
        under_share=under / len(lengths),
    )


class GoldRecord(msgspec.Struct):
    """Known errors that came by, and what happened to them."""

    wrong: int = 0
    caught: int = 0
    right: int = 0
    confirmed: int = 0
    evidence: float = 1.0
    told: GoldFigures = GoldFigures()
    """The numbers at the end of the last burst: a number that moved with each answer would give away which
    case was one."""
    answers: deque[GoldFeedback] = msgspec.field(default_factory=lambda: deque(maxlen=FEEDBACK))

    def add(self, feedback: GoldFeedback) -> None:
        """Count an item. Only one on which the AI was wrong can be caught."""
        self.answers.append(feedback)
        if feedback.recommended == feedback.truth:
            self.right += 1
            self.confirmed += feedback.right
        else:
            self.wrong += 1
            self.caught += feedback.right
            self.evidence = update(self.evidence, feedback.right)
        if (self.wrong + self.right) % BURST == 0:
            self.told = self.figures()

    def figures(self) -> GoldFigures:
        """The numbers so far."""
        return GoldFigures(
            wrong=self.wrong,
            caught=self.caught,
            right=self.right,
            confirmed=self.confirmed,
            rate=self.caught / self.wrong if self.wrong else None,
            lower=lower_bound(self.caught, self.wrong) if self.wrong else None,
            evidence=self.evidence,
        )

    def feedback(self) -> tuple[GoldFeedback, ...]:
        """Items of bursts that are over, newest first."""
        pending = (self.wrong + self.right) % BURST
        told = list(self.answers)[: len(self.answers) - pending] if pending else list(self.answers)
        return tuple(reversed(told))


class Day(msgspec.Struct):
    """Answers of one day (UTC)."""

    answered: int = 0
    agreed: int = 0
    types: Counter[str] = msgspec.field(default_factory=Counter)
    events: Counter[str] = msgspec.field(default_factory=Counter)
    """Everything else that is counted, by name."""


class ReviewerRecord(msgspec.Struct):
    """One reviewer. Counts cover the last 30 days; rates fade by answer."""

    name: str
    pools: set[str] = msgspec.field(default_factory=set)
    days: dict[int, Day] = msgspec.field(default_factory=dict)
    shown: Expectation = msgspec.field(default_factory=Expectation)
    by_pool: dict[str, Expectation] = msgspec.field(default_factory=dict)
    cells: list[Cell] = msgspec.field(default_factory=lambda: [Cell() for _ in range(2 * len(BAND_EDGES))])
    times: Times = msgspec.field(default_factory=lambda: deque(maxlen=RECENT))
    gold: GoldRecord = msgspec.field(default_factory=GoldRecord)
    last_answer_at: int | None = None
    sessions: int = 0

    def day(self, at: int) -> Day:
        """The day of a moment; days that are too old go."""
        start = at - at % DAY
        found = self.days.get(start)
        if found is None:
            found = self.days[start] = Day()
            for old in [one for one in self.days if one <= max(self.days) - DAYS * DAY]:
                del self.days[old]
        return found

    def count(self, what: str, at: int) -> None:
        """Count something that is not an answer."""
        self.day(at).events[what] += 1

    def anchoring(self) -> Anchoring:
        """What seeing the recommendation does to this person's answers."""
        return anchoring(self.cells)

    def figures(self, funnel: FunnelPoint | None, in_hand: int, now: int) -> ReviewerFigures:
        """Everything that is shown of the person. Days count back from ``now``: who has not answered for long
        has no new day that lets the old ones go."""
        today = now - now % DAY
        days = [(start, day) for start, day in sorted(self.days.items()) if start > today - DAYS * DAY]
        events: Counter[str] = Counter()
        types: Counter[str] = Counter()
        for _, day in days:
            events.update(day.events)
            types.update(day.types)
        found, times, gold = self.anchoring(), handling(self.times), self.gold.told
        answered = sum(day.answered for _, day in days)
        agreed = sum(day.agreed for _, day in days)
        return ReviewerFigures(
            name=self.name,
            pools=tuple(sorted(self.pools)),
            answered=answered,
            agreed=agreed,
            overridden=answered - agreed,
            categories={
                category: events[f"category:{category}"]
                for category in OverrideCategory
                if events[f"category:{category}"]
            },
            human_only=events["human_only"],
            audits=events["audit"],
            second_looks=events["second_look"],
            escalated=events["escalated"],
            delegated=events["delegated"],
            released=events["released"],
            lapsed=events["lease_expired"],
            asked_for_information=events["paused"],
            late=events["late"],
            in_hand=in_hand,
            today=self.days[today].answered if today in self.days else 0,
            types=dict(types),
            days=tuple(DayCount(day=start, answered=day.answered, agreed=day.agreed) for start, day in days),
            last_answer_at=self.last_answer_at,
            handling=times,
            funnel=funnel,
            gold=gold,
            gold_feedback=self.gold.feedback(),
            anchoring=found,
            rubber_stamp=rubber_stamp(funnel, gold, found, times),
            sessions=self.sessions,
        )
