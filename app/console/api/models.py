"""The shapes of the API. Times are ISO 8601, UTC; in paths and bodies ids are texts."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.domain.answers import MAX_TEXT, TAGS
from app.domain.events import ConsequenceClass, OverrideCategory, ReviewKind
from app.domain.review import ReviewState

ReviewId = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\.[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$"),
    Field(
        description="`<pool>.<uuid>`, as every list of reviews gives it.",
        examples=["finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e"],
    ),
]
PoolName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$"), Field(examples=["finance"])
]
Epoch = Annotated[int, Field(ge=1, le=2**53, description="The epoch of your claim.", examples=[1])]
# No control characters and no NUL: what people write ends up in logs, topics and terminals.
_PLAIN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
Words = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=_PLAIN)]
Said = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=_PLAIN)]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-02T09:30:00Z"])]


class Part(BaseModel):
    """Base of everything: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Holding(Part):
    """A step that needs the lease."""

    epoch: Epoch


class Releasing(Holding):
    """Give it back."""

    reason: Words = ""
    """Why, for whoever takes it next."""


class Revealing(Holding):
    """A blind first answer."""

    action: Name


class Answering(Holding):
    """An answer, bound to the lease and to the package that was shown."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "epoch": 1,
                    "digest": "9f2c" * 16,
                    "action": "approve",
                    "reasoning": "The receipt matches the claim.",
                }
            ]
        }
    )
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the package that was shown: `review.digest`."""
    action: Name
    """One of `actions`."""
    changes: dict[str, Any] | None = None
    """For `modify`: the facts to change."""
    reasoning: Words = ""
    """Why, whether you agree or not. Must not be blank."""
    reason_code: Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z0-9_]*$")] = ""
    """One of the type's codes, or `other`."""
    category: OverrideCategory | None = None
    note: Words = ""
    tags: list[Annotated[str, Field(json_schema_extra={"enum": list(TAGS)})]] = Field(
        default=[], max_length=len(TAGS)
    )


class BatchItem(Answering):
    """An answer of a batch."""

    review_id: ReviewId


class Batch(Part):
    """Answers to like items. Each is a record of its own, and each can be refused by itself."""

    answers: list[BatchItem] = Field(min_length=1, max_length=100)


class Asking(Holding):
    """A question."""

    question: Said


class Informing(Part):
    """The answer to a question."""

    information: Said


class HandingUp(Part):
    """Escalate. The epoch is needed while you hold the review."""

    epoch: Epoch | None = None
    reason: Words = ""


class HandingOn(HandingUp):
    """Delegate."""

    to: Name
    """A person of the policy who may decide it."""


class Reassigning(Part):
    """Reassign, as a lead."""

    to: Name
    reason: Words = ""


class Withdrawing(Part):
    """Withdraw."""

    reason: Said


class ClaimingNext(Part):
    """Which queue to take from."""

    pool: PoolName | None = None
    """All of yours unless given."""


class ReviewOut(Part):
    """A review as it stands. `null` is told in confidence: it would give away what a blind answer must
    not know."""

    review_id: str
    decision_id: str
    pool: str
    state: ReviewState
    kind: ReviewKind | None
    consequence_class: ConsequenceClass | None
    sla_class: str
    requested_at: Moment
    deadline: Moment | None
    blind: bool
    approvals: int
    answers: int
    """How many have answered, where several must agree."""
    epoch: int
    digest: str
    holder: str | None
    lease_until: Moment | None
    offered_to: str | None
    reserved_until: Moment | None
    """When an offer that the system made ends; ``None`` for one that a person made."""
    tier: int
    """How often it was escalated."""
    delegations: int
    question: str | None
    """What was asked for last, and stays with its answer."""
    information: str | None
    """The answer to the question; none while it waits, and where nobody answered in time."""
    informed_by: str | None
    """Who gave the information."""
    decided_at: Moment | None
    undo_until: Moment | None
    """Until then whoever answered may take the answer back, and nobody acts on it."""


class LeaseOut(Part):
    """A claimed review: answer with its `epoch` and `digest`."""

    review: ReviewOut


class AnswerOut(Part):
    """What somebody decided."""

    review_id: str
    reviewer: str
    action: str
    changes: dict[str, Any] | None
    reasoning: str
    reason_code: str
    category: OverrideCategory | None
    note: str
    tags: list[str]
    first_action: str | None
    """The answer before the recommendation was shown, in a blind review."""
    decided_at: Moment


class DenialOut(Part):
    """Why you may not decide this."""

    code: str
    text: str
    hint: str


class LookOut(Part):
    """A review with everything that you may see of it."""

    review: ReviewOut
    package: dict[str, Any]
    """The context package: what the decision is about and what is known."""
    withheld: dict[str, Any] | None
    """What was withheld until your first answer, once you gave it."""
    actions: list[str]
    """What you may answer. Asking for information and handing on have routes of their own."""
    denial: DenialOut | None
    answer: AnswerOut | None
    taken_back: AnswerOut | None
    """Your last answer, which you took back, as long as nobody has answered."""


class RevealedOut(Part):
    """What was withheld until your first answer."""

    review: ReviewOut
    withheld: dict[str, Any]


class DecidedOut(Part):
    """What became of your answer."""

    review: ReviewOut
    final: bool
    """False when others have to agree first, and while you may take it back (`review.undo_until`)."""
    answer: AnswerOut | None
    durable: bool | None
    """Whether the store has it on disk; `null` when it can not say."""


class UndoneOut(Part):
    """Your answer, taken back. The review is yours again: answer with its new `epoch`."""

    review: ReviewOut
    answer: AnswerOut
    durable: bool | None
    """Whether the store has it on disk; `null` when it can not say."""


class BatchResult(Part):
    """What became of one answer of a batch."""

    review_id: str
    status: int
    """As the HTTP status of a single answer."""
    decided: DecidedOut | None = None
    problem: dict[str, Any] | None = None
    """The problem detail, when it was refused."""


class BatchOut(Part):
    """One result for each answer, in the same order."""

    results: list[BatchResult]


class Page(Part):
    """A page of reviews. `next` is the address of the next one, `null` on the last."""

    items: list[ReviewOut]
    next: str | None


class QueueOut(Part):
    """A queue at this moment."""

    pool: str
    title: str
    open: int
    supervisor: int
    """Escalated, waiting for a supervisor."""
    offered: int
    """Delegated, waiting for that person."""
    claimed: int
    waiting: int
    """Waiting for information; their clock stands still."""
    overdue: int
    oldest_age_seconds: float | None


class QueuesOut(Part):
    """The queues that you may see."""

    items: list[QueueOut]


class PersonOut(Part):
    """Somebody, and what the policy lets them decide."""

    name: str
    title: str
    pools: list[str]
    supervises: list[str]
    roles: list[str]
    decision_types: list[str] | None
    """`null`: all."""
    max_class: ConsequenceClass
    max_amount: float | None
    """`null`: no limit."""
    actions: list[str] | None
    away: bool


class PeopleOut(Part):
    """The people of the pools that you lead."""

    items: list[PersonOut]


class MeOut(Part):
    """Yourself."""

    person: PersonOut
    scopes: list[str]
    numbers: dict[str, Any] | None
    """How your reviews went lately; `null` when nothing is known yet."""


class AcceptedOut(Part):
    """Stored in the log; what follows happens by itself."""

    id: str
    at: str | None
    """Where to look what became of it."""


class StoryReview(Part):
    """One review of a decision."""

    review: ReviewOut
    answer: AnswerOut | None


class StoryOut(Part):
    """A decision from its arrival to what turned out later. What could sway somebody who is asked
    blind is `null` until then."""

    decision_id: str
    decision_type: str
    subject: str
    received_at: Moment
    level: int | None
    consequence_class: ConsequenceClass | None
    ai: dict[str, Any] | None
    resolution: dict[str, Any] | None
    observed: dict[str, Any] | None
    reviews: list[StoryReview]
