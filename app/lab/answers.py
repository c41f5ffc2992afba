"""What simulated people make of a routed decision: final answer, labels, and the work it was."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from app.domain.context_package import is_blind
from app.domain.events import (
    Answer,
    ConsequenceClass,
    DecisionRouted,
    DecisionSubmitted,
    LearningLabel,
    ReviewDecided,
    ReviewKind,
    ReviewRequest,
    ReviewRequested,
)
from app.domain.gold import beside, due
from app.domain.labels import gold_label, label_for
from app.domain.resolution import DECIDING, agrees
from app.domain.second_opinion import to_confirm
from app.domain.shadows import shadow_labels
from app.domain.terms import Terms
from app.lab.reviewers import Luck, Reviewers, another, answer, delayed, luck

SECOND_LOOK_SEAT, GOLD_SEAT = 254, 255
"""Seats of people beside those who decide; the seats of those count from 0."""


class Given(msgspec.Struct, frozen=True, gc=False):
    """One answer on its way to the learner: what kind of review it was, and after how many further
    decisions it is known."""

    kind: ReviewKind
    action: str
    person: int
    """Which of the simulated people, from 0."""
    seat: int
    delay: int

    @property
    def reviewer(self) -> str:
        """The person's name."""
        return f"reviewer-{self.person + 1}"


class Judged(msgspec.Struct, frozen=True, gc=False):
    """What people did about one decision."""

    final_action: str
    blind: bool
    """Whether whoever decided, or checked, had not seen the recommendation."""
    given: tuple[Given, ...]
    work: int
    """Answers that people gave, all kinds together."""
    shown: bool = False
    """A person decided with the recommendation in sight."""
    override: bool = False
    gold_caught: bool | None = None
    """Whether the item with known truth beside it was answered rightly; ``None`` without one."""
    confirmed: bool = False
    """A second person was asked because the first one found an error."""


def judge(
    routed: DecisionRouted, truth: str | None, terms: Terms, reviewers: Reviewers, seed: bytes
) -> Judged:
    """Every review that the route asks for, answered.

    Without a truth nobody can say what a person would have found: the recommendation stands, the work counts,
    and nothing is learned from it.
    """
    decision, kinds = routed.scored.decision, routed.route.review_kinds
    if not kinds:
        return Judged(decision.recommendation.action, False, (), 0)
    final, blind, shown, override = decision.recommendation.action, False, False, False
    given: list[Given] = []
    work = 0
    first = luck(seed, decision.decision_id, 0)
    for kind in kinds:
        unseen = is_blind(routed, kind)
        second = kind is ReviewKind.SECOND_LOOK
        one = _Seat(luck(seed, decision.decision_id, SECOND_LOOK_SEAT), 1) if second else _Seat(first, 0)
        asked = routed.route.approvals if kind in DECIDING else 1
        action, people = _answered(decision, truth, terms, reviewers, seed, one, asked=asked, blind=unseen)
        work += people
        if kind in DECIDING:
            final, blind, shown = action, unseen, not unseen
            override = shown and not agrees(decision.recommendation.action, action, None)
        elif kind is ReviewKind.AUDIT:
            blind = unseen
        if truth is not None:
            person = (int(first.who * reviewers.people) + one.number + people - 1) % reviewers.people
            delay = delayed(reviewers.delay_mean, one.luck.delay)
            given.append(Given(kind, action, person, one.number, delay))
    confirmation = _confirmation(routed, truth, terms, reviewers, seed, given)
    if confirmation is not None:
        work += 1
        given.append(confirmation)
    caught = None
    if due(routed) and (right := another(decision, terms)) != decision.recommendation.action:
        work += 1
        chance = luck(seed, decision.decision_id, GOLD_SEAT)
        unseen = is_blind(beside(routed, right, routed, b""), ReviewKind.GOLD)
        found = answer(reviewers, decision, right, terms, chance.verdict, blind=unseen)
        caught = found == right
        person = int(chance.who * reviewers.people)
        delay = delayed(reviewers.delay_mean, chance.delay)
        given.append(Given(ReviewKind.GOLD, found, person, GOLD_SEAT, delay))
    return Judged(final, blind, tuple(given), work, shown, override, caught, confirmation is not None)


def label_of(routed: DecisionRouted, given: Given, terms: Terms, known_at: int) -> LearningLabel | None:
    """The label of an answer that is known at ``known_at`` (ms UTC), by the rules of the outcome agent.

    The item with known truth beside a decision is that very decision, with the truth that the AI is wrong: so
    it has facts that look like the others, and says nothing about the decision itself.
    """
    gold = given.kind is ReviewKind.GOLD
    if gold:
        routed = beside(routed, another(routed.scored.decision, terms), routed, b"")
    decided = _decided(routed, given, known_at)
    return gold_label(decided) if gold else label_for(decided)


def labels_of_shadows(routed: DecisionRouted, given: Given, known_at: int) -> Iterator[LearningLabel]:
    """What the answer says about the decision's shadows."""
    return shadow_labels(_decided(routed, given, known_at))


def _confirmation(
    routed: DecisionRouted,
    truth: str | None,
    terms: Terms,
    reviewers: Reviewers,
    seed: bytes,
    given: list[Given],
) -> Given | None:
    """The answer of a second person who is asked because of a finding, and begins when it is known."""
    if truth is None or not given or not terms.confirms_errors:
        return None
    first = given[0]
    decision = routed.scored.decision
    # Most answers agree: they need no look at what they were given for.
    if first.action == decision.recommendation.action or not to_confirm(_decided(routed, first, 0)):
        return None
    chance = luck(seed, decision.decision_id, SECOND_LOOK_SEAT)
    action = answer(reviewers, decision, truth, terms, chance.verdict, blind=True)
    person = (first.person + 1) % reviewers.people
    delay = first.delay + delayed(reviewers.delay_mean, chance.delay)
    return Given(ReviewKind.SECOND_LOOK, action, person, 1, delay)


def _decided(routed: DecisionRouted, given: Given, known_at: int) -> ReviewDecided:
    return ReviewDecided(
        requested=ReviewRequested(routed=routed, request=_REQUESTS[given.kind]),
        answer=Answer(
            answer_id=f"{routed.scored.decision.decision_id}/{given.seat}",
            review_id="",
            reviewer=given.reviewer,
            action=given.action,
            changes=None,
            reasoning="",
            reason_code="",
            category=None,
            note="",
            tags=[],
            first_action=None,
            package_digest="",
            lease_epoch=0,
            claimed_at=0,  # nobody timed it
            decided_at=known_at,
        ),
    )


class _Seat(msgspec.Struct, frozen=True, gc=False):
    luck: Luck
    number: int


def _answered(
    decision: DecisionSubmitted,
    truth: str | None,
    terms: Terms,
    reviewers: Reviewers,
    seed: bytes,
    one: _Seat,
    *,
    asked: int,
    blind: bool,
) -> tuple[str, int]:
    """The final answer of one review and how many people it took: as many as have to agree, and where two do
    not, one more, whose answer is final."""
    if truth is None:
        return decision.recommendation.action, asked
    first = answer(reviewers, decision, truth, terms, one.luck.verdict, blind=blind)
    for number in range(1, asked):
        chance = luck(seed, decision.decision_id, number).verdict
        if answer(reviewers, decision, truth, terms, chance, blind=blind) != first:
            chance = luck(seed, decision.decision_id, number + 1).verdict
            return answer(reviewers, decision, truth, terms, chance, blind=blind), number + 2
    return first, asked


_REQUESTS = {
    kind: ReviewRequest(
        review_id="",
        kind=kind,
        pool="",
        sla_class="",
        consequence_class=ConsequenceClass.LOW,
        requested_at=0,
        deadline=None,
        approvals=1,
        blind=False,
        package="",
        package_digest="",
    )
    for kind in ReviewKind
}
"""What a label needs of a request is its kind."""
