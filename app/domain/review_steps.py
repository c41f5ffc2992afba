"""The steps of a review: who may do what to it, and what it becomes. Pure.

The Lua scripts of ``app/review_queue/scripts`` apply these same rules inside the store, in one call
each; a model-based test drives both side by side. Every rule returns the review after the step, or
the :class:`Refusal` that says why nothing happened. Times are milliseconds UTC, durations
milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from app.domain.events import Answer
from app.domain.fatigue import rests_until
from app.domain.review import (
    ENDED,
    MISSED,
    UNCLAIMABLE,
    QueueTerms,
    Refusal,
    Review,
    Reviewer,
    ReviewState,
    Vote,
    verdict,
)
from app.domain.working_time import Calendar, due, worked


def takes_part(person: str, reviews: Iterable[Review], *, besides: str) -> bool:
    """Whether a person may not claim a review of a decision, because of its reviews.

    Holding or having answered any other review counts, and so does a vote in this one.
    """
    for other in reviews:
        if any(vote.reviewer == person for vote in other.votes):
            return True
        if other.holder == person and (other.state is ReviewState.DECIDED or other.review_id != besides):
            return True
    return False


def claim(
    review: Review,
    reviewer: Reviewer,
    now: int,
    terms: QueueTerms,
    siblings: Iterable[Review],
    taken: Sequence[int] = (),
) -> Review | Refusal:
    """Take the lease. Whoever holds it already gets a new epoch, which fences the older one.

    ``taken`` is when the person took reviews of this pool, oldest first: a break may be due."""
    refusal = _taken(review, reviewer.name) or may_take(review, reviewer)
    if refusal:
        return refusal
    if takes_part(reviewer.name, siblings, besides=review.review_id):
        return Refusal.NOT_DISTINCT
    limits = terms.fatigue.get(review.pool)
    if limits and review.holder != reviewer.name and rests_until(taken, limits) > now:
        return Refusal.BREAK_DUE
    return after(
        review,
        state=ReviewState.CLAIMED,
        epoch=review.epoch + 1,
        holder=reviewer.name,
        claimed_at=now,
        lease_until=now + terms.lease,
        offered_to="",
        reserved_until=0,
    )


def may_take(review: Review, reviewer: Reviewer) -> Refusal | None:
    """Why this person may not have this review, if so: its tier, or an offer to somebody else. An offer to
    backups goes beside one to a single person: whoever claims first has it."""
    if review.tier and not reviewer.supervisor:
        return Refusal.NOT_SUPERVISOR
    if reviewer.backup:
        return None if review.backups else Refusal.NOT_OFFERED
    if review.offered_to and review.offered_to != reviewer.name and not reviewer.supervisor:
        return Refusal.OFFERED
    return None


def lapse(review: Review) -> Review:
    """The lease ran out: back to the queue, and counted."""
    return after(_returned(review), lapses=review.lapses + 1)


def extend(review: Review, who: str, epoch: int, now: int, lease: int) -> Review | Refusal:
    """A heartbeat: the lease lasts from now again, and never gets shorter."""
    refusal = holds(review, who, epoch)
    return refusal or after(review, lease_until=max(review.lease_until, now + lease))


def release(review: Review, who: str, epoch: int) -> Review | Refusal:
    """Give the review back unanswered."""
    return holds(review, who, epoch) or after(_returned(review))


def reveal(review: Review, who: str, epoch: int, action: str) -> Review | Refusal:
    """Keep the blind first answer; from here on the recommendation may be shown.

    A person's first answer stands: a second reveal changes nothing."""
    refusal = holds(review, who, epoch)
    if refusal:
        return refusal
    if not review.blind:
        return Refusal.NOT_BLIND
    if who in review.first_answers:
        return review
    return after(review, first_answers={**review.first_answers, who: action})


def decide(review: Review, answer: Answer, terms: QueueTerms, undo_window: int = 0) -> Review | Refusal:
    """Answer. The last of ``approvals`` agreeing answers is final; a disagreement goes to a
    supervisor, whose answer is final. A repeat of the same answer changes nothing.

    For ``undo_window`` ms the answer may be taken back. Never a vote: whoever took one back would know by
    then whether the others agree."""
    if answer.answer_id in (review.answer_id, *(vote.answer_id for vote in review.votes)):
        return review
    refusal = holds(review, answer.reviewer, answer.lease_epoch)
    if refusal:
        return refusal
    if review.digest != answer.package_digest:
        return Refusal.PACKAGE_CHANGED
    if review.approvals > 1 and not review.tie_break:
        return _vote(review, answer, terms)
    return _closed(review, answer, undo_window if review.approvals == 1 else 0)


def _vote(review: Review, answer: Answer, terms: QueueTerms) -> Review:
    vote = Vote(answer.reviewer, verdict(answer.action, answer.changes), answer.answer_id)
    votes = (*review.votes, vote)
    if any(earlier.verdict != vote.verdict for earlier in review.votes):
        return after(raised(_returned(review), terms), votes=votes, tie_break=True)
    if len(votes) < review.approvals:
        return after(_returned(review), votes=votes)
    return _closed(msgspec.structs.replace(review, votes=votes), answer)


def missed(review: Review, now: int) -> Review:
    """Count a deadline that has passed; once, also where the SLA clock comes late to a review."""
    if review.deadline is None or now < review.deadline or review.rung >= MISSED:
        return review
    return after(review, rung=MISSED)


def _closed(review: Review, answer: Answer, undo_window: int = 0) -> Review:
    return after(
        missed(review, answer.decided_at),
        state=ReviewState.DECIDED,
        answer_id=answer.answer_id,
        decided_at=answer.decided_at,
        lease_until=0,
        undo_until=answer.decided_at + undo_window if undo_window else 0,
    )


def request_info(
    review: Review, who: str, epoch: int, now: int, question: str, terms: QueueTerms
) -> Review | Refusal:
    """Ask for information: the lease ends and the SLA clock stands still until it is there, at most for
    ``max_pause``."""
    refusal = holds(review, who, epoch)
    if refusal:
        return refusal
    if review.questions >= terms.max_questions:
        return Refusal.ASKED_ENOUGH
    return after(
        _returned(missed(review, now)),
        state=ReviewState.WAITING,
        paused_at=now,
        question=question,
        questions=review.questions + 1,
        information="",
        informed_by="",
    )


def resume(
    review: Review,
    now: int,
    calendar: Calendar | None = None,
    *,
    by: str = "",
    information: str = "",
    epoch: int | None = None,
) -> Review | Refusal:
    """The information is there, or nobody waits for it any longer: back to the queue. Deadline and steps are
    later by the working time of the pause, in the calendar of the review's SLA class. With the ``epoch``
    under which the question was asked, the information is for it only, and safe to repeat."""
    answered = review.state is not ReviewState.WAITING or review.epoch != epoch
    if epoch is not None and answered and (review.informed_by, review.information) == (by, information):
        return review
    if review.state in ENDED:
        return ENDED[review.state]
    if review.state is not ReviewState.WAITING:
        return Refusal.NOT_WAITING
    if epoch is not None and review.epoch != epoch:
        return Refusal.OTHER_QUESTION
    pause = worked(calendar, review.paused_at, now)
    deadline = None if review.deadline is None else due(calendar, review.deadline, pause)
    later = pause if deadline is None or review.deadline is None else deadline - review.deadline
    return after(
        review,
        state=ReviewState.OPEN,
        paused_at=0,
        paused=review.paused + max(0, now - review.paused_at),
        urgency=review.urgency + later,
        deadline=deadline,
        ladder=tuple(at and due(calendar, at, pause) for at in review.ladder),
        information=information,
        informed_by=by if information else "",
    )


def escalate(review: Review, who: str, epoch: int | None, terms: QueueTerms) -> Review | Refusal:
    """Hand the review to the pool's supervisors; it also ranks earlier."""
    return _may_hand_on(review, who, epoch) or after(raised(_returned(review), terms))


def delegate(
    review: Review,
    who: Reviewer,
    epoch: int | None,
    to: Reviewer,
    *,
    terms: QueueTerms,
    siblings: Iterable[Review],
) -> Review | Refusal:
    """Offer the review to one person, who alone (or a supervisor) may then claim it, or hand it on."""
    refusal = _may_hand_on(review, who.name, epoch)
    if refusal:
        return refusal
    if review.offered_to not in ("", who.name) and not who.supervisor:
        return Refusal.OFFERED
    if review.tier and not to.supervisor:
        return Refusal.NOT_SUPERVISOR
    if review.delegations >= terms.max_delegations:
        return Refusal.DELEGATED_ENOUGH
    if takes_part(to.name, siblings, besides=review.review_id):
        return Refusal.NOT_DISTINCT
    return after(_returned(review), offered_to=to.name, reserved_until=0, delegations=review.delegations + 1)


def reassign(review: Review, who: Reviewer, to: Reviewer, siblings: Iterable[Review]) -> Review | Refusal:
    """A supervisor gives the review to one person, also one that somebody holds: the lease ends, and what
    its holder sends from then on is refused."""
    if review.state in UNCLAIMABLE:
        return UNCLAIMABLE[review.state]
    if not who.supervisor or (review.tier and not to.supervisor):
        return Refusal.NOT_SUPERVISOR
    if takes_part(to.name, siblings, besides=review.review_id):
        return Refusal.NOT_DISTINCT
    return after(_returned(review), offered_to=to.name, reserved_until=0)


def cancel(review: Review, now: int) -> Review | Refusal:
    """Nobody needs the answer any more. Whoever holds the review loses it; a repeat changes nothing. What is
    answered stays answered, and is settled first where it could still be taken back."""
    if review.state is ReviewState.WITHDRAWN:
        return review
    if review.state in ENDED:
        return ENDED[review.state]
    counted = review if review.state is ReviewState.WAITING else missed(review, now)
    return after(_returned(counted), state=ReviewState.WITHDRAWN, paused_at=0, question="", decided_at=now)


def _taken(review: Review, who: str) -> Refusal | None:
    if review.state is ReviewState.CLAIMED and review.holder != who:
        return Refusal.ALREADY_CLAIMED
    return UNCLAIMABLE.get(review.state)


def holds(review: Review, who: str, epoch: int) -> Refusal | None:
    """Why this person may not write under this epoch, if so. The one check of a lease.

    A lease that has run out still holds until it is taken back: until then nobody else can have
    begun, so nothing would be gained by refusing the work."""
    if review.state in ENDED:
        return ENDED[review.state]
    if review.state is not ReviewState.CLAIMED or review.holder != who or review.epoch != epoch:
        return Refusal.STALE_LEASE
    return None


def _may_hand_on(review: Review, who: str, epoch: int | None) -> Refusal | None:
    if review.state in UNCLAIMABLE:
        return UNCLAIMABLE[review.state]
    if epoch is not None:
        return holds(review, who, epoch)
    return Refusal.ALREADY_CLAIMED if review.state is ReviewState.CLAIMED else None


def _returned(review: Review) -> Review:
    return msgspec.structs.replace(review, state=ReviewState.OPEN, holder="", claimed_at=0, lease_until=0)


def raised(review: Review, terms: QueueTerms) -> Review:
    """One tier up, ranking earlier, no longer one person's. No step of its own."""
    return msgspec.structs.replace(
        review,
        tier=review.tier + 1,
        urgency=review.urgency - terms.escalation_boost,
        offered_to="",
        reserved_until=0,
    )


def after(review: Review, **changes: object) -> Review:
    """The review one step later."""
    return msgspec.structs.replace(review, step=review.step + 1, **changes)
