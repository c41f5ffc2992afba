"""A review as a state machine: who may do what to it, and what it becomes. Pure.

The Lua scripts of ``app/review_queue/scripts`` apply these same rules inside the store, in one call
each; a model-based test drives both side by side. Every rule returns the review after the step, or
the :class:`Refusal` that says why nothing happened. Times are milliseconds UTC, durations
milliseconds.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from app.domain.deadline import deadline_rule
from app.domain.events import Answer, ConsequenceClass, OnDeadline, ReviewKind, ReviewRequest
from app.domain.fatigue import FatigueLimits, rests_until
from app.domain.working_time import Calendar, due, worked
from app.errors import UsageError

REVIEWS = uuid.UUID("6d9f2c1e-8a0b-5c55-9d27-0f6a1b3c7e41")
"""Name space of every id that is derived here."""

HOUR = 3_600_000
MISSED = 5
"""``Review.rung`` from which on a missed deadline is counted."""


class ReviewState(StrEnum):
    """Where a review stands."""

    OPEN = "open"
    """Waits for somebody to claim it."""
    CLAIMED = "claimed"
    """One person holds the lease."""
    WAITING = "waiting"
    """Waits for information; the SLA clock stands still."""
    DECIDED = "decided"
    """Answered; for good once ``Review.undo_until`` has passed."""
    WITHDRAWN = "withdrawn"
    """Nobody needs the answer any more; nothing was decided."""
    DEFAULTED = "defaulted"
    """Nobody answered in time, and the deadline rule took the safe default. No person's answer."""


OVER = frozenset({ReviewState.DECIDED, ReviewState.WITHDRAWN, ReviewState.DEFAULTED})
"""States that nothing leads out of, apart from taking an answer back in time."""


class Refusal(StrEnum):
    """Why a step was not taken."""

    UNKNOWN = "unknown"
    """No such review, or it was decided longer ago than the queue remembers."""
    STALE_LEASE = "stale_lease"
    """The lease is over, or another claim came after it."""
    PACKAGE_CHANGED = "package_changed"
    """The answer is bound to a package that is not the one on file."""
    ALREADY_DECIDED = "already_decided"
    """Somebody has answered; the first answer stands."""
    ALREADY_CLAIMED = "already_claimed"
    """Somebody else holds the lease."""
    WAITING = "waiting"
    """Information was asked for and is not there yet."""
    NOT_WAITING = "not_waiting"
    """Nobody asked for information."""
    ASKED_ENOUGH = "asked_enough"
    """Information was asked for as often as the policy allows."""
    OTHER_QUESTION = "other_question"
    """The information answers another question than the one that is open."""
    OFFERED = "offered"
    """Delegated to somebody else."""
    NOT_SUPERVISOR = "not_supervisor"
    """Escalated: only the pool's supervisors may take it."""
    NOT_DISTINCT = "not_distinct"
    """This person already takes part in the same decision."""
    NOT_BLIND = "not_blind"
    """Nothing is withheld in this review."""
    DELEGATED_ENOUGH = "delegated_enough"
    """Handed on as often as the policy allows."""
    WITHDRAWN = "withdrawn"
    """Nobody needs the answer any more."""
    DEFAULTED = "defaulted"
    """The deadline passed, and the safe default was taken."""
    BREAK_DUE = "break_due"
    """This person has taken as many as the policy allows at a stretch."""
    ASSIGNED_BEFORE = "assigned_before"
    """Was handed out once; now it is for whoever takes it."""
    RESERVED_ENOUGH = "reserved_enough"
    """As many reviews wait for this person as the policy allows."""
    NOT_OFFERED = "not_offered"
    """Not offered to the people of the backup pools (yet)."""
    NOT_ANSWERED = "not_answered"
    """There is no answer to take back."""
    UNDO_OVER = "undo_over"
    """The answer is final: the time in which it could be taken back is over, or there was none."""


class QueueTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy says about queues. Every duration in milliseconds."""

    lease: int = 15 * 60_000
    """How long a claim lasts without a heartbeat."""
    memory: int = 30 * 24 * HOUR
    """How long decided reviews and case briefs are remembered: longer than any replay reaches back."""
    duplicate_window: int = 7 * 24 * HOUR
    """How long a decision id is recognised as a repeat."""
    boosts: Mapping[ConsequenceClass, int] = msgspec.field(
        default_factory=lambda: {
            ConsequenceClass.LOW: 0,
            ConsequenceClass.MEDIUM: HOUR,
            ConsequenceClass.HIGH: 4 * HOUR,
            ConsequenceClass.CRITICAL: 24 * HOUR,
        }
    )
    """How much earlier a review of this class ranks than its deadline says."""
    escalation_boost: int = 24 * HOUR
    """How much earlier a review ranks after each escalation."""
    no_deadline: int = 7 * 24 * HOUR
    """Where a review without a deadline ranks, counted from its request."""
    candidates: int = 32
    """How many reviews a claim looks at before it says that there is none for this person."""
    max_delegations: int = 3
    """How often a review may be handed on."""
    max_questions: int = 3
    """How often information may be asked for in a review."""
    max_pause: int = 7 * 24 * HOUR
    """How long the SLA clock stands still for one question, around the clock."""
    raise_boost: int = 8 * HOUR
    """How much earlier a review ranks once its priority was raised."""
    calendars: Mapping[str, Calendar] = msgspec.field(default_factory=dict)
    """Working time by SLA class; classes that are not here run around the clock."""
    backups: Mapping[str, frozenset[str]] = msgspec.field(default_factory=dict)
    """By pool, the pools whose people may help out once a review was offered to them."""
    fatigue: Mapping[str, FatigueLimits] = msgspec.field(default_factory=dict)
    """By pool, how much one person takes before a break; pools that are not here have no limit."""


class Reviewer(msgspec.Struct, frozen=True, kw_only=True):
    """A person, the pools that this person works in, and whether as a supervisor. ``backup``: helps out
    in a pool that is not one of them, and may only claim there what was offered to backups."""

    name: str
    pools: frozenset[str]
    supervisor: bool = False
    backup: bool = False


class Vote(msgspec.Struct, frozen=True, array_like=True):
    """One of several answers that have to agree."""

    reviewer: str
    verdict: str
    answer_id: str


class Review(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything the queue knows about a review, apart from the context package and the answer.

    ``epoch`` fences: it grows with each claim, and only the latest may write. ``step`` counts what
    happened to the review, refusals included; the highest step of the log is the present state.
    ``reserved_until`` is when an offer of the system ends, 0 for one of a person, which does not;
    ``assigned``: the system has handed it out (``app.domain.assignment``).
    ``ladder`` has the times of the SLA steps before the deadline (0: none), ``rung`` how far up it is
    (``app.domain.sla``). ``decided_at`` is when the review was over, however it ended. ``question`` is the
    last of ``questions``, and stays with the ``information`` that answered it. Until ``undo_until`` (0: no
    such time) whoever answered may take the answer back (``app.domain.undo``).
    """

    review_id: str
    decision_id: str
    kind: ReviewKind
    sla_class: str
    consequence_class: ConsequenceClass
    requested_at: int
    deadline: int | None = None
    approvals: int = 1
    blind: bool = False
    digest: str
    urgency: int
    arrival: int
    state: ReviewState = ReviewState.OPEN
    step: int = 0
    epoch: int = 0
    tier: int = 0
    holder: str = ""
    claimed_at: int = 0
    lease_until: int = 0
    offered_to: str = ""
    reserved_until: int = 0
    assigned: bool = False
    delegations: int = 0
    lapses: int = 0
    paused_at: int = 0
    paused: int = 0
    question: str = ""
    questions: int = 0
    information: str = ""
    informed_by: str = ""
    votes: tuple[Vote, ...] = ()
    tie_break: bool = False
    first_answers: Mapping[str, str] = msgspec.field(default_factory=dict)
    answer_id: str = ""
    decided_at: int = 0
    ladder: tuple[int, ...] = ()
    rung: int = 0
    backups: bool = False
    on_deadline: OnDeadline = OnDeadline.HOLD
    safe_default: str = ""
    undo_until: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing leads out of this state any more: an answer that may be taken back is not over."""
        return self.state in OVER and not self.undo_until

    @property
    def pool(self) -> str:
        """The queue this review lives in."""
        return locate(self.review_id)[0]

    @property
    def order(self) -> tuple[int, int, int, int, str]:
        """Sort key among open reviews: urgency, consequence, age, arrival, id."""
        rank = CLASS_RANK[self.consequence_class]
        return (self.urgency, rank, self.requested_at, self.arrival, self.review_id)


CLASS_RANK = {
    ConsequenceClass.CRITICAL: 0,
    ConsequenceClass.HIGH: 1,
    ConsequenceClass.MEDIUM: 2,
    ConsequenceClass.LOW: 3,
}

ENDED = {
    ReviewState.DECIDED: Refusal.ALREADY_DECIDED,
    ReviewState.WITHDRAWN: Refusal.WITHDRAWN,
    ReviewState.DEFAULTED: Refusal.DEFAULTED,
}
"""How a review that is over refuses whatever is asked of it."""

UNCLAIMABLE = {**ENDED, ReviewState.WAITING: Refusal.WAITING}


def review_id_of(pool: str, decision_id: str, kind: ReviewKind) -> str:
    """The id of a decision's review of one kind: the same whenever it is derived.

    It begins with the pool, so that whoever holds an id knows where the review lives.

    >>> review_id_of("expenses", "exp-001", ReviewKind.REVIEW)
    'expenses.a404542b-51d3-521b-970a-56149b33c3f6'
    """
    name = f"{decision_id}\n{kind.value}"
    return f"{pool}.{uuid.uuid5(REVIEWS, name)}"


def locate(identifier: str) -> tuple[str, str]:
    """Split a review id into pool and uuid. Raises ``UsageError`` when it is not one."""
    pool, _, name = identifier.rpartition(".")
    if not pool or len(name) != 36:
        raise UsageError(
            f"'{identifier}' is not a review id", hint="a review id is <pool>.<uuid>, see `hitl review list`"
        )
    return pool, name


def verdict(action: str, changes: str | None) -> str:
    """What two answers must have in common to agree: the action and, if any, the exact changes."""
    if changes is None:
        return action
    return f"{action}:{hashlib.sha256(changes.encode()).hexdigest()[:16]}"


def answer_id(answer: Answer) -> str:
    """The id of an answer: reviewer, lease and content, so that a retry has the same id."""
    content = msgspec.structs.replace(answer, answer_id="", first_action=None, claimed_at=0, decided_at=0)
    return str(uuid.uuid5(REVIEWS, msgspec.json.encode(content).decode()))


def urgency(request: ReviewRequest, terms: QueueTerms) -> int:
    """When a review should be taken up, in ms: its deadline, earlier by the boost of its class."""
    due = request.requested_at + terms.no_deadline if request.deadline is None else request.deadline
    return due - terms.boosts.get(request.consequence_class, 0)


def requested(request: ReviewRequest, decision_id: str, arrival: int, terms: QueueTerms) -> Review:
    """A review as it enters the queue."""
    return Review(
        review_id=request.review_id,
        decision_id=decision_id,
        kind=request.kind,
        sla_class=request.sla_class,
        consequence_class=request.consequence_class,
        requested_at=request.requested_at,
        deadline=request.deadline,
        approvals=max(1, request.approvals),
        blind=request.blind,
        digest=request.package_digest,
        urgency=urgency(request, terms),
        arrival=arrival,
        ladder=tuple(request.ladder),
        on_deadline=deadline_rule(request),
        safe_default=request.safe_default or "",
    )


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
