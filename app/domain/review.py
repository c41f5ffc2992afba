"""What a review is: its states, its terms, its place in the queue, and why a step may be refused. Pure.

The steps themselves are in :mod:`app.domain.review_steps`. Times are milliseconds UTC, durations
milliseconds.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from app.domain.deadline import deadline_rule
from app.domain.events import Answer, ConsequenceClass, OnDeadline, ReviewKind, ReviewRequest
from app.domain.fatigue import FatigueLimits
from app.domain.working_time import Calendar
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
    """How many reviews one call looks at for one that a person may have; others may call in between."""
    deepest: int = 4096
    """How many reviews a claim looks at in all, call after call, before it says that there is none."""
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
    such time) whoever answered may take the answer back (``app.domain.undo``). ``trace`` is the W3C
    ``traceparent`` that the decision came with, empty where it follows from the decision's id.
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
    trace: str = ""

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


def wordless(review: Review) -> Review:
    """The same without what people wrote in it."""
    return msgspec.structs.replace(review, question="", information="")


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


def requested(
    request: ReviewRequest, decision_id: str, arrival: int, terms: QueueTerms, trace: str = ""
) -> Review:
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
        trace=trace,
    )
