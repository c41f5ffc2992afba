"""What can go wrong at the queue, by name."""

# ruff: noqa: N818 - refusals are named after what happened; callers read `except StaleLease`

from __future__ import annotations

from collections.abc import Mapping

from app.domain.events import Answer
from app.domain.review import Refusal, Review
from app.errors import HitlError, ServiceUnreachableError


class StoreUnavailableError(ServiceUnreachableError):
    """The store does not answer, is loading, is read-only or is full: an outage, try again later."""


class QueueError(HitlError):
    """The queue refused a step. ``review`` is its state (``None`` when unknown), ``answer`` the
    first answer when there is one."""

    refusal: Refusal | None = None
    text = "{id}: refused"
    advice = ""

    def __init__(self, review_id: str, review: Review | None = None, answer: Answer | None = None) -> None:
        facts = {
            "id": review_id,
            "holder": (review and review.holder) or "nobody",
            "epoch": review.epoch if review else 0,
            "to": (review and review.offered_to) or "somebody else",
            "by": answer.reviewer if answer else "somebody",
            "action": answer.action if answer else "an answer",
        }
        super().__init__(self.text.format(**facts), hint=self.advice)
        self.review_id = review_id
        self.review = review
        self.answer = answer


class UnknownReview(QueueError):
    """No such review, or it was decided longer ago than the queue remembers."""

    refusal = Refusal.UNKNOWN
    text = "{id}: no such review"
    advice = "see `hitl review list`; decided reviews are forgotten after a while"


class StaleLease(QueueError):
    """The lease is over, or a later claim came after it."""

    refusal = Refusal.STALE_LEASE
    text = "{id}: the lease is no longer yours (held by {holder}, epoch {epoch})"
    advice = "claim it again and look at it afresh"


class PackageChanged(QueueError):
    """The answer is bound to a package that is not the one on file."""

    refusal = Refusal.PACKAGE_CHANGED
    text = "{id}: what was shown is not what is on file"
    advice = "show the review again before answering"


class AlreadyDecided(QueueError):
    """Somebody has answered; the first answer stands and is in ``answer``."""

    refusal = Refusal.ALREADY_DECIDED
    text = "{id}: {by} has already answered: {action}"
    advice = "nothing to do; the first answer stands"


class AlreadyClaimed(QueueError):
    """Somebody else holds the lease."""

    refusal = Refusal.ALREADY_CLAIMED
    text = "{id}: held by {holder}"
    advice = "claim the next one, or wait until the lease ends"


class WaitingForInformation(QueueError):
    """Information was asked for and is not there yet."""

    refusal = Refusal.WAITING
    text = "{id}: waits for information"
    advice = "answer with `hitl review answer-info`"


class NotWaiting(QueueError):
    """Nobody asked for information."""

    refusal = Refusal.NOT_WAITING
    text = "{id}: does not wait for information"
    advice = "see `hitl review show`"


class AskedEnough(QueueError):
    """Information was asked for as often as the policy allows."""

    refusal = Refusal.ASKED_ENOUGH
    text = "{id}: information was asked for as often as the policy allows"
    advice = "decide with what is known, or escalate to a supervisor"


class OtherQuestion(QueueError):
    """The information answers another question than the one that is open."""

    refusal = Refusal.OTHER_QUESTION
    text = "{id}: another question is open by now, asked under epoch {epoch}"
    advice = "answer the question that is open, see `hitl review show`"


class OfferedToAnother(QueueError):
    """Delegated to somebody else."""

    refusal = Refusal.OFFERED
    text = "{id}: delegated to {to}"
    advice = "claim the next one"


class NotSupervisor(QueueError):
    """Escalated: only the pool's supervisors may take it."""

    refusal = Refusal.NOT_SUPERVISOR
    text = "{id}: escalated, only a supervisor may take it"
    advice = "claim the next one; a lead gives it to somebody who supervises the pool"


class NotDistinct(QueueError):
    """This person already takes part in the same decision."""

    refusal = Refusal.NOT_DISTINCT
    text = "{id}: this person already takes part in the decision"
    advice = "second looks and approvals need distinct people"


class NotBlind(QueueError):
    """Nothing is withheld in this review."""

    refusal = Refusal.NOT_BLIND
    text = "{id}: nothing is withheld"
    advice = "answer with `hitl review decide`"


class DelegatedEnough(QueueError):
    """Handed on as often as the policy allows."""

    refusal = Refusal.DELEGATED_ENOUGH
    text = "{id}: handed on as often as the policy allows"
    advice = "decide, or escalate to a supervisor"


class Withdrawn(QueueError):
    """Nobody needs the answer any more."""

    refusal = Refusal.WITHDRAWN
    text = "{id}: withdrawn, nobody needs the answer any more"
    advice = "claim the next one"


class Defaulted(QueueError):
    """The deadline passed, and the safe default was taken."""

    refusal = Refusal.DEFAULTED
    text = "{id}: the deadline passed, and the safe default was taken"
    advice = "claim the next one; if the default was wrong, report it with `hitl observe`"


class BreakDue(QueueError):
    """The person has taken as many as the policy allows at a stretch; ``wait`` ms until it goes on. The id
    is the pool's where no review was named."""

    refusal = Refusal.BREAK_DUE
    text = "time for a break"
    advice = "the pool's fatigue limits are in the policy; finish what you hold at any time"

    def __init__(
        self, review_id: str, review: Review | None = None, answer: Answer | None = None, *, wait: int = 0
    ) -> None:
        minutes = max(1, -(-wait // 60_000))
        said = "1 minute" if minutes == 1 else f"{minutes} minutes"
        self.text = "{id}: " + f"time for a break, the next case in {said}"
        super().__init__(review_id, review, answer)
        self.wait = wait


class AssignedBefore(QueueError):
    """Was handed out once; now it is for whoever takes it."""

    refusal = Refusal.ASSIGNED_BEFORE
    text = "{id}: was handed out before"
    advice = "whoever claims it has it"


class ReservedEnough(QueueError):
    """As many reviews wait for the person as the policy allows."""

    refusal = Refusal.RESERVED_ENOUGH
    text = "{id}: enough waits for this person"
    advice = "see `most_reserved` of the pool"


class NotOffered(QueueError):
    """Not offered to the people of the backup pools (yet)."""

    refusal = Refusal.NOT_OFFERED
    text = "{id}: not offered to people of other pools"
    advice = "claim the next one"


class NotAnswered(QueueError):
    """There is no answer to take back."""

    refusal = Refusal.NOT_ANSWERED
    text = "{id}: there is no answer to take back"
    advice = "see `hitl review show`"


class UndoOver(QueueError):
    """The answer is final: the time in which it could be taken back is over, or there was none."""

    refusal = Refusal.UNDO_OVER
    text = "{id}: the answer can not be taken back any more"
    advice = "it stands; if it was wrong, report the right one with `hitl observe`"


class RequestGoneError(HitlError):
    """A step whose request is no longer in the store: an outcome is published with it, and it names the key
    under which any step is encrypted."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key} is gone, the request: not published, as it would be in the clear, or incomplete. The "
            "outbox waited for longer than memory.decisions, or the store was restored in part "
            "(docs/review-queue.md, Outbox)",
            hint="hitl queue broken put-back --all",
        )


class RefusedRecordsError(HitlError):
    """Kafka refuses records for good: sent again, they are refused again. ``reasons`` says why, by the index
    of the record in what was published; the others are stored."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        first = next(iter(reasons.values()))
        super().__init__(
            f"Kafka refuses {len(reasons)} records for good: {first}",
            hint="let the topic take them (max.message.bytes), then hitl queue broken put-back --all",
        )
        self.reasons = dict(reasons)


class NotYourPool(HitlError):
    """The reviewer does not work in this pool."""

    def __init__(self, name: str, pool: str) -> None:
        super().__init__(
            f"{name} does not work in pool '{pool}'", hint="see the pools of reviewers in the policy"
        )
        self.pool = pool


REFUSALS: dict[str, type[QueueError]] = {
    error.refusal.value: error for error in QueueError.__subclasses__() if error.refusal
}
